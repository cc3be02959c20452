"""Gray pictures of any size from the full RGB screen, for emulators that do not reduce it themselves."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

# ITU-R BT.601 luma.
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


@lru_cache
def _area_weights(source: int, target: int) -> NDArray[np.float32]:
    """Return ``[target, source]``: the share of each source row in each target row; rows sum to 1."""
    if not 1 <= target <= source:
        raise ValueError(f"a picture side must be between 1 and {source} pixels, not {target}")
    edges = np.arange(target + 1) * (source / target)
    pixels = np.arange(source)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    weights: NDArray[np.float32] = (np.clip(overlap, 0, None) * (target / source)).astype(np.float32)
    return weights


def gray_area(rgb: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """Reduce an RGB picture to gray by area averaging.

    Area averaging is separable and linear, so two matrix products do it.

    >>> gray_area(np.full((240, 256, 3), 200, np.uint8), 84, 84).shape
    (84, 84)
    """
    luma = rgb @ _LUMA
    reduced = _area_weights(rgb.shape[0], height) @ luma @ _area_weights(rgb.shape[1], width).T
    return (reduced + 0.5).astype(np.uint8)
