"""Which cell to go back to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class SelectionRule(Protocol):
    """Chooses cells to explore from (Go-Explore's "selection", Ecoffet et al. 2021, Methods)."""

    def __call__(
        self, visits: NDArray[np.int32], count: int, random: np.random.Generator
    ) -> NDArray[np.intp]:
        """Choose cells; the same may be chosen twice.

        Args:
            visits: how often each was chosen before, int32 ``[cells]``, in the order of their discovery.
            count: how many to choose.
            random: to draw with.

        Returns:
            Their numbers, intp ``[count]``.
        """


@dataclass(frozen=True)
class NewAndRare:
    """Prefers cells that were seldom chosen, and among them those that were discovered last.

    Go-Explore weighs a cell by ``1 / sqrt(visits + 1)`` (Ecoffet et al. 2021, Methods). What was
    discovered last lies mostly at the far end of what is known, which is where a stage goes on; looking for
    it in the order of discovery needs no idea of which way that is.

    Attributes:
        power: of the visits.
        newest: over how many cells the preference for the last discovered falls to 1/e.
        old: what is left of it for all others.
    """

    power: float = 1.0
    newest: float = 50.0
    old: float = 0.1

    def __call__(
        self, visits: NDArray[np.int32], count: int, random: np.random.Generator
    ) -> NDArray[np.intp]:
        """Draw by weight, with replacement."""
        age = np.arange(len(visits) - 1, -1, -1)
        weights = (self.old + np.exp(-age / self.newest)) / (1.0 + visits) ** self.power
        totals = np.cumsum(weights)
        chosen: NDArray[np.intp] = np.searchsorted(totals, random.random(count) * totals[-1], side="right")
        return chosen
