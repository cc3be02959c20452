"""Everything that can be set about an environment, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from os import PathLike
from typing import Any, Literal, get_args

from mario_envs.game.stages import parse_stage
from mario_envs.plugins.errors import unknown
from mario_envs.plugins.manager import Choice

Task = Literal["stage", "game"]


@dataclass(frozen=True)
class Start:
    """Where in a movie episodes begin: after a number of its frames, drawn evenly.

    Attributes:
        movie: path of a movie of the environment's stage, made with the ROM and the emulator that it has.
        first: least number of frames; 0 is where the stage begins.
        last: greatest number, below the movie's frames; None is the greatest there is.
    """

    movie: str | PathLike[str]
    first: int = 0
    last: int | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.movie, str | PathLike):
            raise ValueError(f"start.movie must be the path of a movie, not {self.movie!r}")
        for name, value in (("first", self.first), ("last", self.last)):
            if value is not None and (type(value) is not int or value < 0):
                raise ValueError(f"start.{name} must be a whole number of at least 0, not {value!r}")
        if self.last is not None and self.last < self.first:
            raise ValueError(f"start.last must be at least start.first, {self.first}, not {self.last}")

    @classmethod
    def of(cls, option: Any) -> Start:
        """Return what the setting ``start`` says.

        Raises:
            UnknownChoiceError: it has an option that there is not; names the nearest that is.
            ValueError: it is no mapping, or a value is out of range.

        >>> Start.of({"movie": "1-1.movie", "first": 900}).first
        900
        """
        if isinstance(option, cls):
            return option
        if not isinstance(option, Mapping) or "movie" not in option:
            example = '{"movie": "1-1.movie", "first": 900, "last": 950}'
            raise ValueError(f"start must be a mapping such as {example}, not {option!r}")
        names = [field.name for field in fields(cls)]
        for name in option:
            if name not in names:
                raise unknown("option of start", name, names)
        return cls(**option)


@dataclass(frozen=True)
class Settings:
    """The keyword arguments of ``gymnasium.make`` and ``gymnasium.make_vec``.

    Attributes:
        stages: the stages that an episode may begin in, drawn anew for each (seeded).
        task: "stage" ends the episode at the first death or clear; "game" plays on from stage to stage
            until all lives are lost or the last castle is cleared.
        action: the action plugin: a key, a mapping of a key to its options, or an object.
        reward: the reward plugin, likewise.
        observation: the observation plugin, likewise.
        emulator: the emulator plugin, likewise; None takes our own machine where it was built, else nes-py.
        rom: path of a ROM in iNES format; None takes the one that gym-super-mario-bros bundles.
        allow_unknown_rom: accept a ROM that is no known revision of the game.
        max_noops: an episode begins after 0 to this many frames without a button (uniform, seeded).
        start: episodes begin within a movie, and wait no longer there than the player survives; a
            :class:`Start` or a mapping of its attributes. None is the stage's beginning.
        max_still_seconds: seconds of game time without horizontal movement after which the episode is
            truncated. 60.0988 frames are a second.
        max_stuck_seconds: likewise without coming farther to the right, in the area that the player is in,
            than before; None never truncates. Not for stages whose way leads back.
        end_at_warp: an episode of one stage ends, neither cleared nor lost, where a warp zone leads to
            another. Without it goes on there, and that stage's flag counts as its clear.
    """

    stages: tuple[str, ...] = ("1-1",)
    task: Task = "stage"
    action: Choice = "builtin/continuous-frames"
    reward: Choice = "builtin/score"
    observation: Choice = "builtin/frames"
    emulator: Choice | None = None
    rom: str | PathLike[str] | None = None
    allow_unknown_rom: bool = False
    max_noops: int = 0
    start: Start | Mapping[str, Any] | None = None
    max_still_seconds: float = 20.0
    max_stuck_seconds: float | None = None
    end_at_warp: bool = False

    def __post_init__(self) -> None:
        stages: object = self.stages
        if not isinstance(stages, Sequence) or isinstance(stages, str) or not stages:
            raise ValueError(f'stages must be a list such as ("1-1", "4-2"), not {stages!r}')
        object.__setattr__(self, "stages", tuple(stages))
        for stage in self.stages:
            parse_stage(stage)
        if self.task not in get_args(Task):
            raise unknown("task", self.task, get_args(Task))
        if self.max_noops != int(self.max_noops) or self.max_noops < 0:
            raise ValueError(f"max_noops must be a whole number of at least 0, not {self.max_noops!r}")
        if self.start is not None:
            object.__setattr__(self, "start", Start.of(self.start))
        if not self.max_still_seconds > 0:
            raise ValueError(f"max_still_seconds must be positive, not {self.max_still_seconds!r}")
        if self.max_stuck_seconds is not None and not self.max_stuck_seconds > 0:
            raise ValueError(f"max_stuck_seconds must be positive or None, not {self.max_stuck_seconds!r}")
        if type(self.end_at_warp) is not bool:
            raise ValueError(f"end_at_warp must be true or false, not {self.end_at_warp!r}")

    @classmethod
    def from_kwargs(cls, kwargs: Mapping[str, Any]) -> Settings:
        """Build settings from keyword arguments.

        Raises:
            UnknownChoiceError: a name is not a setting; names the nearest that is.
            ValueError: a value is out of range.

        >>> Settings.from_kwargs({"rewards": "score"})
        Traceback (most recent call last):
            ...
        mario_envs.plugins.errors.UnknownChoiceError: unknown setting 'rewards'; did you mean 'reward'? ...
        """
        names = [field.name for field in fields(cls)]
        for name in kwargs:
            if name not in names:
                raise unknown("setting", name, names)
        return cls(**kwargs)
