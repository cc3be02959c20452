"""A choice of button sets, each held for a fixed number of frames (the manual's A9)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_envs.actions.base import without_opposites
from mario_envs.buttons import PLAYED, Button, ButtonPlan

Buttons = Literal["right-only", "simple", "complex", "all", "multi-binary"]

_NOTHING, _RIGHT, _LEFT = Button(0), Button.RIGHT, Button.LEFT
_JUMP, _RUN = Button.A, Button.B

# The first three are those of gym-super-mario-bros's ``actions.py``.
_RIGHT_ONLY = (_NOTHING, _RIGHT, _RIGHT | _JUMP, _RIGHT | _RUN, _RIGHT | _JUMP | _RUN)
_SIMPLE = (*_RIGHT_ONLY, _JUMP, _LEFT)
_COMPLEX = (*_SIMPLE, _LEFT | _JUMP, _LEFT | _RUN, _LEFT | _JUMP | _RUN, Button.DOWN, Button.UP)
_ALL = tuple(
    vertical | horizontal | jump | run
    for vertical, horizontal, jump, run in product(
        (_NOTHING, Button.UP, Button.DOWN), (_NOTHING, _LEFT, _RIGHT), (_NOTHING, _JUMP), (_NOTHING, _RUN)
    )
)


@dataclass(frozen=True)
class DiscreteFrames:
    """A button set held for ``frames`` frames.

    Attributes:
        buttons: "right-only" (5 sets), "simple" (7), "complex" (12), "all" (every combination that a
            D-pad can press, 36), or "multi-binary" (one bit per button; of two opposites right and up win).
        frames: length of each step.

    Example:
        >>> DiscreteFrames("right-only").space
        Discrete(5)
    """

    buttons: Buttons = "simple"
    frames: int = 4

    def __post_init__(self) -> None:
        if self.buttons not in get_args(Buttons):
            valid = ", ".join(map(repr, get_args(Buttons)))
            raise ValueError(f"buttons must be one of {valid}, not {self.buttons!r}")
        if self.frames != int(self.frames) or self.frames < 1:
            raise ValueError(f"frames must be a whole number of at least 1, not {self.frames!r}")

    @cached_property
    def button_sets(self) -> tuple[Button, ...]:
        """The buttons of each action; empty for "multi-binary"."""
        sets = {"right-only": _RIGHT_ONLY, "simple": _SIMPLE, "complex": _COMPLEX, "all": _ALL}
        return sets.get(self.buttons, ())

    @cached_property
    def space(self) -> spaces.Discrete | spaces.MultiBinary:
        """Discrete over the button sets, or MultiBinary(6) in the order up, down, left, right, A, B."""
        if self.buttons == "multi-binary":
            return spaces.MultiBinary(len(PLAYED))
        return spaces.Discrete(len(self.button_sets))

    @cached_property
    def _holds(self) -> NDArray[np.int32]:
        """Return the holds of each action, ``[actions, 6]``."""
        pressed = [[bool(buttons & button) for button in PLAYED] for buttons in self.button_sets]
        return np.array(pressed, np.int32) * np.int32(self.frames)

    def plan(self, actions: NDArray[Any], remaining: NDArray[np.int32]) -> ButtonPlan:
        """Plan the next step; see :class:`mario_envs.actions.base.Action`."""
        if self.buttons == "multi-binary":
            holds = without_opposites(actions.astype(np.int32) * np.int32(self.frames))
        else:
            holds = self._holds[actions]
        return ButtonPlan(
            holds=holds,
            frames=np.full(len(actions), self.frames, np.int32),
            released=np.zeros_like(remaining),
        )
