"""What an environment shows along a movie, looked at as often as one likes: no action has any part in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_envs.buttons import Button, ButtonPlan
from mario_envs.emulators.default import default_emulator
from mario_envs.emulators.protocol import Emulator, FrameListener, StopCondition
from mario_envs.env import first_row
from mario_envs.game.roms import load_rom
from mario_envs.lanes import Lanes
from mario_envs.movies.holds import check_playable
from mario_envs.movies.movie import Movie, MovieError
from mario_envs.plugins.manager import choose
from mario_envs.settings import Settings

_LANE = np.zeros(1, np.intp)


@dataclass(frozen=True)
class Sight:
    """What is seen at one moment of a movie.

    Attributes:
        observation: of the environment, one lane's.
        frames: that have passed since the sight before; 0 of the first.
        over: whether the stage was cleared or a life lost.
    """

    observation: Any
    frames: int
    over: bool


def observe(
    movie: Movie, settings: Mapping[str, Any], intervals: Iterable[int], seed: int, name: str = "the movie"
) -> Iterator[Sight]:
    """Play a movie's buttons, and look from time to time as the environment's policy would.

    A step of any length shows what the environment shows after one: pictures of its frames, chosen as ever,
    or tiles. What the movie plans beyond that moment is in nobody's sight, so the vector of tiles has no
    remaining holds.

    Args:
        movie: of a stage.
        settings: keyword arguments of the environment; its action is not used, it begins at the movie's
            stage, and without no-ops.
        intervals: frames between two sights, each at least 1; as many as the movie needs are taken.
        seed: of what the observation draws.
        name: what messages call the movie.

    Yields:
        What the reset shows, and what is seen after each interval. The last interval ends with the movie.

    Raises:
        MovieError: no environment can play it, it was recorded with another ROM, or it ends otherwise than
            it says.

    Example:
        >>> from itertools import repeat
        >>> from mario_envs.movies.replay import record
        >>> movie = record("1-1", bytes([0] + [Button.RIGHT] * 10))
        >>> [sight.frames for sight in observe(movie, {"observation": "tiles"}, repeat(4), seed=0)]
        [0, 4, 4, 2]
    """
    check_playable(movie, name)
    chosen = Settings.from_kwargs(dict(settings))
    rom = load_rom(chosen.rom, allow_unknown=chosen.allow_unknown_rom)
    movie.check_rom(rom, name)
    emulator = default_emulator() if chosen.emulator is None else chosen.emulator
    follower = _Follower(choose("emulator", emulator, rom, 1).value, movie.buttons)
    own = replace(
        chosen, stages=(movie.start,), max_noops=0, action=_Wait(len(movie.buttons)), emulator=follower
    )
    lanes = Lanes(own, num_lanes=1)
    try:
        observation, infos = lanes.begin(0, np.random.default_rng(seed))
        # What the environment shows is written over by the next step.
        yield Sight(_copied(first_row(observation)), 0, over=False)
        over = False
        for interval in intervals:
            if over or not follower.left:
                break
            step = lanes.step(_LANE, np.array([min(interval, follower.left)]))
            over, infos = bool(step.terminated[0]), step.infos
            yield Sight(_copied(first_row(step.observations)), int(follower.frames), over)
        outcome = movie.outcome
        if (bool(infos["clear"][0]), bool(infos["dead"][0])) != (outcome.clear, outcome.dead):
            raise MovieError(f"{name} does not end here as it says: it was recorded on {movie.emulator}")
    finally:
        lanes.close()


def _copied(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: part.copy() for key, part in observation.items()}
    return observation.copy()


@dataclass(frozen=True)
class _Wait:
    """An action that says how many frames pass, and presses nothing."""

    longest: int

    @property
    def space(self) -> spaces.Discrete:
        return spaces.Discrete(self.longest, start=1)

    def plan(self, actions: NDArray[Any], remaining: NDArray[np.int32]) -> ButtonPlan:
        frames = actions.astype(np.int32)
        nothing = np.zeros_like(remaining)
        return ButtonPlan(holds=nothing, frames=frames, released=nothing.copy())


class _Follower:
    """One console that presses a movie's buttons, whatever is planned, until the movie is over.

    Attributes:
        left: frames of the movie that have not run.
        frames: of the latest run that followed the movie.
    """

    def __init__(self, console: Emulator, buttons: bytes) -> None:
        self._console, self._buttons = console, buttons
        self.left, self.frames = len(buttons), 0

    def run(
        self,
        lanes: NDArray[np.intp],
        plan: ButtonPlan,
        *,
        stop: tuple[StopCondition, ...] = (),
        keep: NDArray[np.int32] | None = None,
        pictures: NDArray[np.uint8] | None = None,
        on_frame: FrameListener | None = None,
    ) -> NDArray[np.int32]:
        """Run as :meth:`Emulator.run` does; a frame at a time, as a plan has no room for any buttons."""
        if not self.left:  # the game counts what the clear is worth
            return self._console.run(lanes, plan, stop=stop, keep=keep, pictures=pictures, on_frame=on_frame)
        one, first = None, np.zeros((1, 1), np.int32)
        if pictures is not None:
            one = np.empty((1, 1, *pictures.shape[2:]), np.uint8)
        self.frames = 0
        for frame in range(min(int(plan.frames[0]), self.left)):
            pressed = ButtonPlan.steady(Button(self._buttons[-self.left]), 1)
            self._console.run(
                lanes, pressed, keep=None if one is None else first, pictures=one, on_frame=on_frame
            )
            self.left -= 1
            self.frames += 1
            if keep is not None and pictures is not None and one is not None:
                # Later ones are written over by their own frames, if those come.
                pictures[0, keep[0] >= frame] = one[0, 0]
            ram = self._console.ram(lanes)
            if any(end.is_met(ram[0]) for end in stop):
                self.left = 0
        return np.array([self.frames], np.int32)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._console, name)
