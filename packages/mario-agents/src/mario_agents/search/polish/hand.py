"""How a movie's buttons are pressed, counted as mario-eval counts what an agent presses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mario_envs.buttons import BUTTON_NAMES, PLAYED, PLAYED_BITS
from mario_envs.emulators.protocol import FRAMES_PER_SECOND
from numpy.typing import NDArray

_BIT_COUNTS = np.array([byte.bit_count() for byte in range(256)])


@dataclass(frozen=True)
class Hand:
    """How the buttons of a movie are pressed.

    Attributes:
        frames: of the movie.
        changes: how often the set of buttons that are down is another than in the frame before; in the frame
            before the first, none is.
        holds: for each of :data:`~mario_envs.buttons.BUTTON_NAMES`, the lengths of its holds in frames, in
            the order in which they were pressed.
    """

    frames: int
    changes: int
    holds: dict[str, tuple[int, ...]]

    @property
    def changes_per_second(self) -> float:
        """People who play at full speed: 1.67."""
        return self.changes / (self.frames / FRAMES_PER_SECOND)

    @property
    def presses(self) -> int:
        """How many holds there are, of all buttons."""
        return sum(len(lengths) for lengths in self.holds.values())

    @property
    def mean_hold(self) -> float:
        """Mean length of a hold, of all buttons, in frames; 0 where none is pressed."""
        return sum(sum(lengths) for lengths in self.holds.values()) / max(self.presses, 1)


def hand_of(buttons: bytes) -> Hand:
    """Measure the hand of a movie.

    Args:
        buttons: a byte for each frame, at least 1.

    >>> hand = hand_of(bytes([0, 128, 128, 129, 128, 0]))  # right, with A in its third frame
    >>> hand.changes, hand.holds["right"], hand.holds["A"], hand.mean_hold
    (4, (4,), (1,), 2.5)
    """
    holds: dict[str, list[int]] = {name: [] for name in BUTTON_NAMES}
    for button, begin, end in holds_of(np.frombuffer(buttons, np.uint8)).tolist():
        holds[BUTTON_NAMES[button]].append(end - begin)
    return Hand(
        frames=len(buttons),
        changes=count_changes(buttons),
        holds={name: tuple(lengths) for name, lengths in holds.items()},
    )


def holds_of(buttons: NDArray[np.uint8]) -> NDArray[np.intp]:
    """Return all holds, by button and then by time.

    Args:
        buttons: uint8 ``[frames]``.

    Returns:
        intp ``[holds, 3]``: number in :data:`~mario_envs.buttons.PLAYED`, first frame, first frame after it.
    """
    down = np.zeros((len(PLAYED), len(buttons) + 2), np.int8)
    down[:, 1:-1] = (buttons & PLAYED_BITS[:, None]) > 0
    edges = np.diff(down, axis=1)
    button, begins = np.nonzero(edges > 0)
    _, ends = np.nonzero(edges < 0)
    return np.stack([button, begins, ends], axis=1)


def count_changes(buttons: bytes) -> int:
    """Count the frames whose buttons are others than those of the frame before."""
    frames = np.frombuffer(buttons, np.uint8)
    return int(np.count_nonzero(frames[1:] != frames[:-1])) + (buttons[0] != 0)


def count_presses(buttons: bytes) -> int:
    """Count the times that a button goes down."""
    frames = np.frombuffer(buttons, np.uint8)
    return int(_BIT_COUNTS[frames[1:] & ~frames[:-1]].sum() + _BIT_COUNTS[buttons[0]])
