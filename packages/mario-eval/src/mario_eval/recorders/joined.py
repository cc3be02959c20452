"""Arrays joined as bytes: one call where one of NumPy for each array would cost more than the copy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray


def joined(arrays: Sequence[NDArray[Any]]) -> bytes:
    r"""Return the bytes of some arrays, one behind the other.

    >>> import numpy as np
    >>> joined([np.array([True]), np.arange(4, dtype=np.uint8)[::2]])
    b'\x01\x00\x02'
    """
    buffers: Sequence[Any] = arrays
    try:
        return b"".join(buffers)
    except TypeError:  # a view with gaps is no run of bytes
        return b"".join([array.tobytes() for array in arrays])
