"""Which level of a curriculum a run stands at, and how well it does there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from stable_baselines3.common.callbacks import BaseCallback

from mario_agents.curriculum import Level, next_level


class WatchLevel(BaseCallback):
    """Notes which episodes of a level cleared, tells when the level is over, and logs both to TensorBoard.

    Args:
        levels: of the curriculum.
        used: tells the share of the budget that is used, 0 to 1.
        level: the number of that which a checkpoint stands at.
        successes: which of its latest episodes cleared, oldest first.

    Attributes:
        number: the level from now on; past the last, how many there are. What was passed stays passed, though
            more steps or minutes make the share that was used a smaller one.
        successes: which of its latest episodes cleared, no more than are asked for.
    """

    def __init__(
        self, levels: Sequence[Level], used: Callable[[], float], level: int, successes: Sequence[bool]
    ) -> None:
        super().__init__()
        self._levels, self._used = levels, used
        self.number = next_level(levels, level, used(), successes)
        asked = levels[self.number] if self.number < len(levels) else None
        size = asked.episodes if asked is not None and asked.success is not None else 0
        self.successes = deque(successes if self.number == level else (), maxlen=size)

    @property
    def label(self) -> str | None:
        """How a user is told of it; None without a curriculum.

        >>> WatchLevel([Level(until=0.5, env={})], lambda: 0.0, 0, []).label
        'level 1 of 1'
        """
        if not self._levels:
            return None
        if self.number == len(self._levels):
            return f"past level {self.number}"
        return f"level {self.number + 1} of {len(self._levels)}"

    def is_over(self) -> bool:
        """Tell whether the next level is to begin."""
        return next_level(self._levels, self.number, self._used(), tuple(self.successes)) > self.number

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            episode = info.get("episode")
            if episode is not None:
                self.successes.append(bool(episode.get("clear")))
        return True

    def _on_rollout_end(self) -> None:
        self.logger.record("curriculum/level", self.number + 1)
        if self.successes:
            self.logger.record("curriculum/success", sum(self.successes) / len(self.successes))
