"""One stream of random numbers per lane, all drawn at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX1, _MIX2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


class LaneRandom:
    """SplitMix64 (Steele, Lea and Flood 2014) per lane, so that a lane's numbers do not depend on the others.

    NumPy's generators would cost a Python call per lane and step.

    Attributes:
        state: uint64 ``[lanes]``; all there is to save and restore.
    """

    def __init__(self, lanes: int) -> None:
        self.state = np.zeros(lanes, np.uint64)

    def seed(self, lane: int, seed: int) -> None:
        """Start one lane's stream anew."""
        self.state[lane] = np.uint64(seed)

    def below(self, lanes: NDArray[np.intp], limit: NDArray[np.int64]) -> NDArray[np.int64]:
        """Draw one integer in ``[0, limit)`` for each named lane; ``limit`` is at least 1 and below 2³²."""
        self.state[lanes] += _GAMMA
        z = self.state[lanes]
        z = (z ^ (z >> np.uint64(30))) * _MIX1
        z = (z ^ (z >> np.uint64(27))) * _MIX2
        z = z ^ (z >> np.uint64(31))
        # Multiply-shift of the upper half: without modulo, and biased by less than 2⁻²⁰ for our limits.
        return (((z >> np.uint64(32)) * limit.astype(np.uint64)) >> np.uint64(32)).astype(np.int64)
