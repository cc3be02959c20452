"""Sampling in proportion to priorities (Schaul et al. 2016, arXiv 1511.05952)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_agents.storage.saved import SavedArrays


class SumTree:
    """A binary tree whose nodes hold the sums of their children: O(log n) per update and draw.

    All methods take arrays; each level of the tree is one numpy operation.

    Args:
        size: number of leaves, at least 1.

    Example:
        >>> tree = SumTree(4)
        >>> tree.set(np.array([0, 2]), np.array([1.0, 3.0]))
        >>> float(tree.total)
        4.0
        >>> tree.find(np.array([0.5, 1.0, 3.9]))
        array([0, 2, 2])
    """

    def __init__(self, size: int) -> None:
        if size < 1:
            raise ValueError(f"a tree needs a leaf, not {size}")
        self._leaves = 1 << (size - 1).bit_length()
        self._sums = np.zeros(2 * self._leaves)

    @property
    def total(self) -> float:
        """Sum of all leaves."""
        return float(self._sums[1])

    def get(self, leaves: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the values of some leaves."""
        return self._sums[leaves + self._leaves]

    def set(self, leaves: NDArray[np.int64], values: NDArray[np.float64]) -> None:
        """Set some leaves, values at least 0; of a leaf named twice the last value counts."""
        nodes = np.asarray(leaves, np.int64) + self._leaves
        self._sums[nodes] = values
        nodes = np.unique(nodes) >> 1
        while len(nodes) and nodes[0] >= 1:
            # Sums are computed anew, not changed by a difference, so that rounding does not add up.
            self._sums[nodes] = self._sums[2 * nodes] + self._sums[2 * nodes + 1]
            nodes = np.unique(nodes >> 1)
            nodes = nodes[nodes >= 1]

    def find(self, points: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the leaf at which the running sum first exceeds each point, 0 ≤ point < total."""
        nodes, rest = np.ones(len(points), np.int64), np.array(points, np.float64)
        while nodes[0] < self._leaves if len(nodes) else False:
            left = self._sums[2 * nodes]
            # Not into an empty right half, where rounding alone would lead.
            right = (rest >= left) & (self._sums[2 * nodes + 1] > 0)
            rest = np.where(right, rest - left, rest)
            nodes = 2 * nodes + right
        return nodes - self._leaves


class Priorities:
    """Priorities of a ring's slots: new transitions get the highest seen, until their error is known.

    Args:
        slots: size of the ring.
        exponent: α; 0 is uniform, 1 proportional.

    Attributes:
        correction: β of the importance weights, 1 corrects in full; it may change from draw to draw.
    """

    def __init__(self, slots: int, exponent: float = 0.6, correction: float = 0.4) -> None:
        self._tree, self._slots = SumTree(slots), slots
        self._exponent, self.correction = exponent, correction
        self._highest = 1.0

    def add(self, slots: NDArray[np.int64]) -> None:
        """Give new transitions the highest priority so far (section 3.3: each is seen once at least)."""
        self._tree.set(slots, np.full(len(slots), self._highest))

    def save(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give all that :meth:`restore` needs; see :meth:`Store.save`."""
        yield "highest", np.array(self._highest)
        yield "values", self._tree.get(np.arange(self._slots))

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another with as many slots saved."""
        self._highest = float(saved["highest"])
        self._tree.set(np.arange(self._slots), saved["values"])

    def remove(self, slots: NDArray[np.int64]) -> None:
        """Never draw these again."""
        self._tree.set(slots, np.zeros(len(slots)))

    def update(self, slots: NDArray[np.int64], errors: NDArray[np.float64]) -> None:
        """Set the priorities of slots from their errors, of any sign (equation 1, ε = 1e-6).

        Raises:
            ValueError: an error is not finite.
        """
        if not np.isfinite(errors).all():
            raise ValueError("a priority must be finite: an error of the loss is NaN or infinite")
        values = (np.abs(errors) + 1e-6) ** self._exponent
        self._highest = max(self._highest, float(values.max(initial=0.0)))
        self._tree.set(slots, values)

    def draw(
        self, size: int, count: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Draw slots in proportion to their priorities, one from each of ``size`` equal strata.

        Args:
            size: how many.
            count: transitions in the store.
            rng: where chance comes from.

        Returns:
            Slots, and their weights (section 3.4), float32, at most 1.
        """
        points = (np.arange(size) + rng.random(size)) * (self._tree.total / size)
        slots = self._tree.find(np.minimum(points, np.nextafter(self._tree.total, 0.0)))
        chances = self._tree.get(slots) / self._tree.total
        weights = (count * chances) ** -self.correction
        return slots, (weights / weights.max()).astype(np.float32)
