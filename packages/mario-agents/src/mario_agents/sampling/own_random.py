"""Random streams of its own for each actor, though torch, numpy and Python have one each for a process."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


class OwnRandom:
    """While entered, the process's random streams are this object's; what it leaves is found again next time.

    An actor then draws the same numbers beside a learner in one process as it does in a process of its own,
    which makes the samplers equal bit for bit.

    Example:
        >>> mine = OwnRandom()
        >>> with mine: np.random.seed(1)
        >>> np.random.seed(2)
        >>> with mine: print(round(float(np.random.random()), 3))
        0.417
    """

    def __init__(self) -> None:
        self._kept = self._now()

    @staticmethod
    def _now() -> tuple[Any, ...]:
        return random.getstate(), np.random.get_state(), torch.get_rng_state()

    def _swap(self) -> None:
        mine, self._kept = self._kept, self._now()
        random.setstate(mine[0])
        np.random.set_state(mine[1])
        torch.set_rng_state(mine[2])

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()
