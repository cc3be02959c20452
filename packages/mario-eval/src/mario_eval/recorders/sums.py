"""What the episodes that a batch is playing have added up to so far: frames, reward, and its terms."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mario_eval.schema import TERM_PREFIX


class EpisodeSums:
    """Adds up frames, reward and reward terms over each lane's episode; all of them in one call of NumPy.

    Args:
        lanes: number of lanes.

    Attributes:
        columns: names of this step's columns of rewards: the reward's, and then one for each term.
        step: float64 ``[lanes]`` for each of them: this step's values. The arrays stay, their values change.
    """

    def __init__(self, lanes: int) -> None:
        self._lanes = lanes
        self._sums: dict[str, NDArray[np.float64]] = {}
        self.expect(())

    def expect(self, terms: Sequence[str]) -> None:
        """Say which terms come from now on; the sums of others stay what they are."""
        self.columns = ("reward", *(TERM_PREFIX + name for name in terms))
        summed = ("frames", *self.columns)
        self._totals = np.zeros((len(summed), self._lanes))
        for name, total in zip(summed, self._totals, strict=True):
            total[:] = self._sums.get(name, 0.0)
            self._sums[name] = total
        self._step = np.zeros_like(self._totals)
        self._flat = self._step.reshape(-1)
        self.step = list(self._step[1:])

    def add(
        self,
        frames: NDArray[np.int64],
        rewards: NDArray[np.floating],
        terms: Sequence[NDArray[np.number]],
        masks: Sequence[NDArray[np.bool_]] | None,
    ) -> None:
        """Add one step.

        Args:
            frames: numbers ``[lanes]``.
            rewards: numbers ``[lanes]``.
            terms: numbers ``[lanes]`` each, in the order that :meth:`expect` was told.
            masks: bool ``[lanes]`` for each term: which lanes have it; None if all have all.
        """
        np.concatenate((frames, rewards, *terms), out=self._flat)
        if masks is None:
            self._totals += self._step
        else:
            always = np.ones(self._lanes, bool)
            np.add(self._totals, self._step, out=self._totals, where=np.stack([always, always, *masks]))

    def clear(self, lanes: NDArray[np.intp]) -> None:
        """Begin anew in some lanes."""
        for total in self._sums.values():
            total[lanes] = 0.0

    def of(self, lane: int) -> dict[str, float]:
        """Return the sums of one lane's episode by column; terms that came once stay among them."""
        return {name: float(total[lane]) for name, total in self._sums.items()}
