"""What info dicts tell of a step of some lanes: how episodes ended in it, and how many frames it spans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Told(NamedTuple):
    """Of one step of some lanes, all ``[L]``.

    Attributes:
        terminated: bool, the episode ended of itself.
        truncated: bool, a limit cut it.
        frames: int32, 1 where an environment tells none.
    """

    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    frames: NDArray[np.int32]


def told_by(infos: Sequence[Mapping[str, Any]], dones: NDArray[np.bool_]) -> Told:
    """Read the infos of one step.

    Args:
        infos: of each lane; ``TimeLimit.truncated`` and ``frames`` may be missing.
        dones: bool ``[L]``, an episode ended, either way.

    Example:
        >>> told = told_by([{"TimeLimit.truncated": True, "frames": 4}, {}], np.array([True, True]))
        >>> told.terminated, told.truncated, told.frames
        (array([False,  True]), array([ True, False]), array([4, 1], dtype=int32))
    """
    limit = np.array([info.get("TimeLimit.truncated", False) for info in infos], bool)
    frames = np.array([info.get("frames", 1) for info in infos], np.int32)
    return Told(dones & ~limit, dones & limit, frames)
