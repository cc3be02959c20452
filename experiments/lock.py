"""One at a time over a folder of runs, and not while what a killed one had started still trains there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.errors import ExperimentError


@contextmanager
def locked(folder: Path) -> Iterator[tuple[int, ...]]:
    """Hold the folder.

    Yields:
        File descriptors that processes started meanwhile must inherit: the lock lasts until the last of them
        has ended.

    Raises:
        ExperimentError: it is held.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ExperimentError(
                f"{folder} is in use: experiments are running, or a run that killed ones had started; "
                "wait for its end"
            ) from None
        yield (descriptor,)
    finally:
        os.close(descriptor)
