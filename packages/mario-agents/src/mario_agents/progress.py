"""What training shows while it runs: a bar on a terminal, plain lines elsewhere; always on stderr."""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, TaskID, TextColumn
from stable_baselines3.common.callbacks import BaseCallback

from mario_agents.recording import RecordEpisodes
from mario_agents.schedules import Budget

#: Episodes over which means are taken; as many as Stable-Baselines3's own.
WINDOW = 100
#: Terminal columns from which there is room for a bar beside the figures.
WIDE = 130
#: Seconds over which the speed is taken: several rollouts with their updates, so that it does not flicker.
RATE_SECONDS = 30.0


@dataclass(frozen=True)
class Standing:
    """How far a run is and how well it does.

    Attributes:
        steps: environment steps so far, summed over lanes.
        total_steps: the budget.
        share: share of the budget that is used, by steps, minutes or frames, 0 to 1.
        frames: frames so far.
        frames_per_second: over the last :data:`RATE_SECONDS`, updates included.
        seconds_left: None until there is something to judge by.
        means: name → mean over the last episodes, in the order to show.
        level: of a curriculum, as it is shown; None without one.
    """

    steps: int
    total_steps: int
    share: float
    frames: int
    frames_per_second: float
    seconds_left: float | None
    means: dict[str, float]
    level: str | None = None

    def line(self) -> str:
        """Say it in one line."""
        figures = [f"{self.steps:,}/{self.total_steps:,} steps", f"{self.frames_per_second:,.0f} frames/s"]
        figures += [_figure(name, value) for name, value in self.means.items()]
        if self.level is not None:
            figures.append(self.level)
        if self.seconds_left is not None:
            figures.append(f"{_clock(self.seconds_left)} left")
        return " | ".join(figures)


def _figure(name: str, value: float) -> str:
    if name == "clear":
        return f"clear {value:.0%}"
    return f"{name} {value:,.0f}" if abs(value) >= 1000 else f"{name} {value:,.1f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


class ShowProgress(BaseCallback):
    """Shows a run's standing, and logs the mean of each episode info to TensorBoard.

    Where episodes tell ``score``, ``distance`` or ``clear``, those are shown; else the return.

    Args:
        recorder: counts frames and episodes.
        total_steps: budget in steps.
        budget: in minutes and frames.
        level: of a curriculum, as it is shown; None without one.
        console: where to show; None is stderr.
        line_every: seconds between two lines where there is no terminal.
    """

    def __init__(
        self,
        recorder: RecordEpisodes,
        total_steps: int,
        budget: Budget,
        *,
        level: str | None = None,
        console: Console | None = None,
        line_every: float = 10.0,
    ) -> None:
        super().__init__()
        self._recorder = recorder
        self._total_steps = total_steps
        self._budget = budget
        self._level = level
        self._console = console or Console(file=sys.stderr)
        self._every = 0.25 if self._console.is_terminal else line_every
        self._next = 0.0
        self._marks: deque[tuple[float, int, float]] = deque()
        self._episodes: deque[dict[str, Any]] = deque(maxlen=WINDOW)
        self._show: Callable[[Standing], None] = lambda standing: print(
            standing.line(), file=sys.stderr, flush=True
        )
        self._bar: Progress | None = None

    def _on_training_start(self) -> None:
        self._next = time.monotonic() + self._every
        self._mark()
        if not self._console.is_terminal:
            return
        columns: list[ProgressColumn] = [TextColumn("{task.percentage:>3.0f}%")]
        if self._console.width >= WIDE:
            columns.append(BarColumn(20))
        bar = Progress(*columns, TextColumn("{task.description}"), console=self._console)
        task = bar.add_task("collecting the first steps", total=1.0)
        self._show = lambda standing: _update(bar, task, standing)
        self._bar = bar
        bar.start()

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            episode = info.get("episode")
            if episode is not None:
                self._episodes.append(episode)
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._every
            self._mark()
            self._show(self.standing())
        return True

    def _on_rollout_end(self) -> None:
        for name, mean in self._means().items():
            if name != "return":
                self.logger.record(f"episode/{name}", mean)
        self.logger.record("time/frames", self._recorder.frames)

    def _on_training_end(self) -> None:
        self._mark()
        self._show(self.standing())
        self.stop()

    def stop(self) -> None:
        """Leave the terminal as it was; harmless if called twice."""
        if self._bar is not None:
            self._bar.stop()

    def _share(self) -> float:
        return min(1.0, self._budget.used(self.model.num_timesteps / self._total_steps))

    def _mark(self) -> None:
        self._marks.append((time.monotonic(), self._recorder.frames, self._share()))
        while len(self._marks) > 2 and self._marks[1][0] < self._marks[-1][0] - RATE_SECONDS:
            self._marks.popleft()

    def _means(self) -> dict[str, float]:
        if not self._episodes:
            return {}
        names = [name for name in ("score", "distance", "clear") if name in self._episodes[-1]]
        if not names:
            return {"return": sum(float(e["r"]) for e in self._episodes) / len(self._episodes)}
        return {name: sum(float(e[name]) for e in self._episodes) / len(self._episodes) for name in names}

    def standing(self) -> Standing:
        """Return how far the run is now."""
        (then, frames_then, share_then), (now, frames, share) = self._marks[0], self._marks[-1]
        seconds, gained = max(now - then, 1e-9), share - share_then
        return Standing(
            steps=self.model.num_timesteps,
            total_steps=self._total_steps,
            share=share,
            frames=frames,
            frames_per_second=(frames - frames_then) / seconds,
            seconds_left=seconds * (1.0 - share) / gained if gained > 0 else None,
            means=self._means(),
            level=self._level,
        )


def _update(bar: Progress, task: TaskID, standing: Standing) -> None:
    bar.update(task, completed=standing.share, description=standing.line())
