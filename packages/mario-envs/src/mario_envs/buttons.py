"""The NES controller: its buttons, and a plan of which are down for how many frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray


class Button(IntFlag):
    """One bit per button, in the order in which the controller shifts them out.

    >>> int(Button.A | Button.RIGHT)
    129
    """

    A = 1
    B = 2
    SELECT = 4
    START = 8
    UP = 16
    DOWN = 32
    LEFT = 64
    RIGHT = 128


#: The six buttons that play (the manual's A1), in the column order of every hold array.
PLAYED = (Button.UP, Button.DOWN, Button.LEFT, Button.RIGHT, Button.A, Button.B)
UP, DOWN, LEFT, RIGHT, A, B = range(6)
#: Their bits, uint8 ``[6]``: ``pressed[:, None] & PLAYED_BITS`` tells of each frame's byte which are down.
PLAYED_BITS = np.array([int(button) for button in PLAYED], np.uint8)
#: Their names, as people read them and as ``env.metadata["buttons"]`` tells them.
BUTTON_NAMES = ("up", "down", "left", "right", "A", "B")


@dataclass(frozen=True)
class ButtonPlan:
    """What each lane presses over its next frames; what an action becomes and an emulator runs.

    In frame ``f`` (0-based) button ``b`` of lane ``i`` is down
    if and only if ``released[i, b] <= f < holds[i, b]``.

    Attributes:
        holds: int32 ``[lanes, 6]``, frames until each button comes up; 0 is not pressed.
            Columns are :data:`PLAYED`.
        frames: int32 ``[lanes]``, length of the step, at least 1.
        released: int32 ``[lanes, 6]``, frames that a button stays up before its hold begins, so that
            a button that was down is seen to be pressed anew.
    """

    holds: NDArray[np.int32]
    frames: NDArray[np.int32]
    released: NDArray[np.int32]

    @classmethod
    def steady(cls, buttons: Button, frames: int, lanes: int = 1) -> ButtonPlan:
        """Hold the same buttons for the same time in every lane.

        >>> ButtonPlan.steady(Button.RIGHT | Button.B, frames=4).holds
        array([[0, 0, 0, 4, 0, 4]], dtype=int32)
        """
        down = np.array([bool(buttons & button) for button in PLAYED])
        holds = np.where(down, frames, 0).astype(np.int32)
        return cls(
            holds=np.tile(holds, (lanes, 1)),
            frames=np.full(lanes, frames, np.int32),
            released=np.zeros((lanes, len(PLAYED)), np.int32),
        )

    def buttons_at(self, lane: int, frame: int) -> Button:
        """Return the buttons that are down in one frame of one lane."""
        down = (self.released[lane] <= frame) & (frame < self.holds[lane])
        buttons = Button(0)
        for button, is_down in zip(PLAYED, down, strict=True):
            if is_down:
                buttons |= button
        return buttons
