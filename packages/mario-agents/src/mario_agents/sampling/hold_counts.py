"""How long buttons are held, summed up while lanes play (the manual's E2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: No buttons were told of.
NO_HOLDS: NDArray[np.int64] = np.zeros((3, 0), np.int64)


class HoldCounts:
    """Sums up the holds that a batch of lanes tells of in its infos.

    A button that is pressed in a step is held for the frames of it in which it was down, ``pressed``, and for
    those that are still planned after it, ``holds``. The step that ends an episode is left out: its infos are
    those of the next episode's first moment.

    Example:
        >>> counts = HoldCounts()
        >>> counts.add({"pressed": np.array([[4, 0], [4, 2]]), "holds": np.array([[8, 0], [0, 0]])})
        >>> counts.take()  # pressed twice, for 12 and 4 frames; once, for 2
        array([[  2,   1],
               [ 16,   2],
               [160,   4]])
    """

    def __init__(self) -> None:
        self._sums = NO_HOLDS

    def add(self, infos: Mapping[str, Any]) -> None:
        """Add one step of some lanes.

        Args:
            infos: of a vector environment; ``pressed`` and ``holds`` are ints ``[lanes, n]`` or missing.
        """
        pressed, planned = infos.get("pressed"), infos.get("holds")
        if not isinstance(pressed, np.ndarray) or not isinstance(planned, np.ndarray) or pressed.ndim != 2:
            return
        holds = np.where(pressed > 0, pressed + planned, 0)
        mask = infos.get("_pressed")
        if mask is not None:
            holds = holds[mask]
        sums = np.stack([(holds > 0).sum(axis=0), holds.sum(axis=0), (holds**2).sum(axis=0)])
        self._sums = sums if self._sums.shape != sums.shape else self._sums + sums

    def take(self) -> NDArray[np.int64]:
        """Return the sums since the last call, int64 ``[3, n]``: presses, their frames, and squares of those.

        n is 0 if no holds were told of.
        """
        sums, self._sums = self._sums, NO_HOLDS
        return sums
