"""Shared memory by names that tell whose it is."""

from __future__ import annotations

import os
import secrets
from multiprocessing.shared_memory import SharedMemory

#: What the names of all our shared memory begin with; the learner's process ID follows.
PREFIX = "mario_"


def open_shared(size: int, name: str | None) -> SharedMemory:
    """Make shared memory, or attach to it.

    Args:
        size: bytes, where it is made.
        name: of what another process made; None makes it.
    """
    if name is not None:
        return SharedMemory(name=name, create=False)
    # Short: macOS takes 31 characters.
    return SharedMemory(name=f"{PREFIX}{os.getpid()}_{secrets.token_hex(4)}", create=True, size=size)
