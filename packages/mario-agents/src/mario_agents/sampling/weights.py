"""Weights from the learner to actors in other processes, through shared memory, whole or not at all."""

from __future__ import annotations

import time
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mario_agents.sampling.shared import open_shared


class SharedWeights:
    """Four buffers, written in turn by one process and read by any number; nobody waits for anybody.

    A writer that is killed, or a reader that is, leaves no lock behind, because there is none. Each buffer is
    a seqlock (a counter before the contents and one after) and carries a checksum of version and contents: a
    reader takes a copy only if both counters agree before and after copying and the checksum is right, and
    tries again otherwise. The checksum is for machines that reorder writes. Four, so that a reader has the
    time of three writes for its copy, however fast they follow.

    Args:
        template: a state dict of the same names, shapes and dtypes as all that will be written.
        name: of the shared memory to attach to; None makes it.

    Example:
        >>> weights = SharedWeights({"w": torch.zeros(2)})
        >>> weights.write(3, {"w": torch.ones(2)})
        >>> SharedWeights({"w": torch.zeros(2)}, weights.name).read()
        (3, {'w': tensor([1., 1.])})
        >>> weights.close(unlink=True)
    """

    _BEGUN, _ENDED, _VERSION, _CHECKSUM, _WORDS = 0, 1, 2, 3, 8  # 64 bytes: contents stay aligned
    _ACTIVE, _STEPS = 0, 1
    _BUFFERS = 4

    def __init__(self, template: Mapping[str, torch.Tensor], name: str | None = None) -> None:
        self._layout: list[tuple[str, tuple[int, ...], Any, int]] = []
        size = 0
        for key, tensor in template.items():
            array = tensor.detach().cpu().numpy()
            self._layout.append((key, array.shape, array.dtype, size))
            size += -(-array.nbytes // 8) * 8
        self._size = size
        whole = 8 * self._WORDS + self._BUFFERS * (8 * self._WORDS + size)
        self._memory = open_shared(whole, name)
        self._common = self._words(0)
        starts = [8 * self._WORDS + index * (8 * self._WORDS + size) for index in range(self._BUFFERS)]
        self._headers = [self._words(start) for start in starts]
        self._contents = [
            np.ndarray((size,), np.uint8, self._memory.buf, start + 8 * self._WORDS) for start in starts
        ]
        self.version = -1

    def _words(self, offset: int) -> NDArray[np.int64]:
        return np.ndarray((self._WORDS,), np.int64, self._memory.buf, offset)

    @property
    def name(self) -> str:
        """What another process attaches to."""
        return self._memory.name

    @property
    def steps(self) -> int:
        """Environment steps that the learner has counted, so that actors know the time."""
        return int(self._common[self._STEPS])

    @steps.setter
    def steps(self, steps: int) -> None:
        self._common[self._STEPS] = steps

    def write(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Write weights beside the newest ones, then make them the newest.

        Args:
            version: rises from call to call.
            weights: as the template.
        """
        index = (int(self._common[self._ACTIVE]) + 1) % self._BUFFERS
        header, contents = self._headers[index], self._contents[index]
        header[self._BEGUN] += 1
        for key, shape, dtype, start in self._layout:
            array = weights[key].detach().cpu().numpy()
            np.ndarray(shape, dtype, contents.data, start)[...] = array
        header[self._VERSION] = version
        header[self._CHECKSUM] = _checksum(version, contents)
        header[self._ENDED] = header[self._BEGUN]
        self._common[self._ACTIVE] = index
        self.version = version

    def read(self, patience: float = 60.0) -> tuple[int, dict[str, torch.Tensor]] | None:
        """Return the newest version and a copy of its weights; None before the first was written.

        Args:
            patience: seconds to try.

        Raises:
            TimeoutError: nothing whole was found.
        """
        end = time.monotonic() + patience
        while time.monotonic() < end:
            index = int(self._common[self._ACTIVE])
            header = self._headers[index]
            ended = int(header[self._ENDED])
            if ended == 0:
                return None
            copy = self._contents[index].copy()
            version, checksum = int(header[self._VERSION]), int(header[self._CHECKSUM])
            if int(header[self._BEGUN]) == ended and _checksum(version, copy) == checksum:
                self.version = version
                return version, {
                    key: torch.from_numpy(np.ndarray(shape, dtype, copy.data, start).copy())
                    for key, shape, dtype, start in self._layout
                }
        raise TimeoutError(f"no whole weights in shared memory for {patience:g} seconds")

    @property
    def newest(self) -> int:
        """The newest version, by its header alone; -1 before the first."""
        header = self._headers[int(self._common[self._ACTIVE])]
        return int(header[self._VERSION]) if header[self._ENDED] else -1

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory.

        Args:
            unlink: free it for everyone; for the process that made it.
        """
        del self._common, self._headers, self._contents
        self._memory.close()
        if unlink:
            self._memory.unlink()


def _checksum(version: int, contents: NDArray[np.uint8]) -> int:
    return zlib.crc32(contents.data, version & 0xFFFFFFFF)
