"""Six real hold times, one per button (the manual's A1–A7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_envs.actions.base import without_opposites
from mario_envs.buttons import PLAYED, A, B, ButtonPlan

Update = Literal["replace", "add", "keep", "finish"]
Select = Literal["all", "longest"]
Bounds = Literal["tanh", "sigmoid"]


@dataclass(frozen=True)
class ContinuousFrames:
    """Each of six values plans how long its button is held; the step lasts until the shortest hold ends.

    The defaults are what the IDs of v0 play, and frozen with them: of what was compared on stage 1-1, agents
    learned most with them (five seeds; docs/results.md, "Which cause mattered").

    Attributes:
        update: what new values do to the holds still running (A4, A5).
            "replace" plans all six anew: positive values press, others release.
            "add" adds the signed value to what remains, so a negative value shortens a plan.
            "keep" lets a positive value lengthen a hold and nothing shorten it: what is planned is done.
            "finish" plans the buttons whose hold is over, and nothing changes one that runs: what is
            planned is done, and then the button is free again.
        select: "all" buttons act, or only the "longest" planned one, for its time (A6).
        bounds: the action space is (-1, 1) for policies that end in "tanh", (0, 1) for "sigmoid" (A7).
        frames_per_unit: frames that a value of 1 means. Values become frames rounded half up (A2).
        max_hold: longest hold, frames (A3). Longer plans are cut to it.
        min_hold: shortest hold that a press may begin with, frames (A3). With 1, half a frame or more does.
        min_frames: least number of frames in a step (A8's N).
        fresh_press: A and B come up for the first frame of each hold that begins after the one before has run
            out. The game jumps when A goes down, so an A that one plan after the other holds jumps only once
            without it. A hold that still runs goes on, changed or not: a long jump is not cut in two.

    Example:
        >>> action = ContinuousFrames(frames_per_unit=20)
        >>> plan = action.plan(np.array([[-1, -1, -1, 1, 0.5, -1]]), remaining=np.zeros((1, 6), np.int32))
        >>> plan.holds, plan.frames
        (array([[ 0,  0,  0, 20, 10,  0]], dtype=int32), array([10], dtype=int32))
    """

    update: Update = "replace"
    select: Select = "all"
    bounds: Bounds = "tanh"
    frames_per_unit: float = 20.0
    max_hold: int = 120
    min_hold: int = 1
    min_frames: int = 4
    fresh_press: bool = False

    def __post_init__(self) -> None:
        for name, choices in (("update", Update), ("select", Select), ("bounds", Bounds)):
            if getattr(self, name) not in get_args(choices):
                valid = ", ".join(map(repr, get_args(choices)))
                raise ValueError(f"{name} must be one of {valid}, not {getattr(self, name)!r}")
        if not (np.isfinite(self.frames_per_unit) and self.frames_per_unit > 0):
            raise ValueError(f"frames_per_unit must be a positive number, not {self.frames_per_unit!r}")
        for name in ("max_hold", "min_hold", "min_frames"):
            if getattr(self, name) != int(getattr(self, name)) or getattr(self, name) < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, not {getattr(self, name)!r}")
        if self.min_hold > self.max_hold:
            raise ValueError(f"min_hold {self.min_hold} is greater than max_hold {self.max_hold}")

    @cached_property
    def space(self) -> spaces.Box:
        """Box of six float32, (-1, 1) or (0, 1), in the order up, down, left, right, A, B."""
        return spaces.Box(-1.0 if self.bounds == "tanh" else 0.0, 1.0, (len(PLAYED),), np.float32)

    def plan(self, actions: NDArray[Any], remaining: NDArray[np.int32]) -> ButtonPlan:
        """Plan the next step; see :class:`mario_envs.actions.base.Action`."""
        # Half a frame and more is a frame (A2); a negative value shortens by the same measure.
        value = actions.astype(np.float64) * self.frames_per_unit
        change = np.copysign(np.floor(np.abs(value) + 0.5), value).astype(np.int64)

        if self.update == "add":
            holds = remaining + change
        elif self.update == "keep":
            holds = np.maximum(remaining, np.where(change >= self.min_hold, change, 0))
        elif self.update == "finish":
            holds = np.where(remaining > 0, remaining, change)
        else:
            holds = change
        holds = np.clip(holds, 0, self.max_hold).astype(np.int32)
        # A hold that runs has been pressed for long enough, however little of it remains.
        begins = (remaining == 0) | (self.update == "replace")
        holds[(holds < self.min_hold) & begins] = 0

        if self.update in ("keep", "finish"):
            # What runs stays: its opposite must wait, however long it was asked for.
            running = without_opposites(remaining) > 0
            free = without_opposites(np.where(running, self.max_hold + 1, holds)) > 0
            holds = np.where(free, holds, 0).astype(np.int32)
        else:
            holds = without_opposites(holds)
        if self.select == "longest":
            holds = self._longest(holds, remaining)

        pressed = holds > 0
        shortest = np.where(pressed, holds, self.max_hold).min(axis=1)
        frames = np.where(pressed.any(axis=1), np.maximum(shortest, self.min_frames), self.min_frames)
        return ButtonPlan(
            holds=holds, frames=frames.astype(np.int32), released=self._released(holds, remaining)
        )

    def _released(self, holds: NDArray[np.int32], remaining: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return the frames that each button stays up first: one of a new hold of two or more."""
        released = np.zeros_like(holds)
        if self.fresh_press:
            anew = (holds >= 2) & (remaining == 0)
            released[:, [A, B]] = anew[:, [A, B]]
        return released

    def _longest(self, holds: NDArray[np.int32], remaining: NDArray[np.int32]) -> NDArray[np.int32]:
        """Keep the longest hold of each lane; under "keep", one that is running goes on."""
        rank = holds.astype(np.int64)
        if self.update in ("keep", "finish"):
            rank = np.where(remaining > 0, rank + self.max_hold, rank)
        chosen = np.zeros_like(holds, dtype=bool)
        chosen[np.arange(len(holds)), rank.argmax(axis=1)] = True
        return np.where(chosen, holds, 0).astype(np.int32)
