"""Pictures once each: stacks of pictures are taken apart, repeated ones found, the rest compressed."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_agents.storage.saved import SavedArrays


def is_stack(space: spaces.Space[Any]) -> bool:
    """Tell whether observations are stacks of pictures, uint8 ``[pictures, height, width]``.

    >>> is_stack(spaces.Box(0, 255, (4, 84, 84), np.uint8)), is_stack(spaces.Box(0, 1, (4,), np.float32))
    (True, False)
    """
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3


class RecentPictures:
    """Recognises pictures of a lane's latest stacks, so that a stack that moves on adds its new ones only.

    Pictures are compared whole, not by a hash of them: equal means equal.
    """

    @property
    def names(self) -> list[int]:
        """Names of the pictures of the latest stack."""
        return list(self._ids.values())

    def __init__(self) -> None:
        self._ids: dict[bytes, int] = {}

    def identify(self, stack: NDArray[np.uint8], next_id: int) -> tuple[list[int], list[bytes]]:
        """Name each picture of a stack.

        Args:
            stack: uint8 ``[pictures, height, width]``.
            next_id: the first unused name; new pictures get names from it upwards.

        Returns:
            The names, and the contents of those that are new.
        """
        names: list[int] = []
        new: list[bytes] = []
        known: dict[bytes, int] = {}
        for picture in stack:
            content = picture.tobytes()
            name = self._ids.get(content, known.get(content))
            if name is None:
                name = next_id + len(new)
                new.append(content)
            known[content] = name
            names.append(name)
        self._ids = known
        return names, new


class PackedPictures:
    """The pictures of a segment, never changed again, in one piece of memory.

    Args:
        stacks: uint8 ``[moments, pictures, height, width]``.
        order: the moments in order of time, None if they are; a picture is recognised in the next moment.

    Attributes:
        nbytes: bytes held.

    Example:
        >>> walk = np.arange(6, dtype=np.uint8)[:, None, None] + np.zeros((1, 8, 8), np.uint8)
        >>> stacks = np.stack([walk[i : i + 3] for i in range(4)])
        >>> packed = PackedPictures(stacks)
        >>> packed.count, bool((packed.rows(np.array([3, 0])) == stacks[[3, 0]]).all())
        (6, True)
    """

    # zlib's fastest level: three to four times as fast as its default and a tenth larger on pictures of the
    # game (docs/storage.md). A picture that does not shrink (noise) is kept as it is.
    _LEVEL = 1

    def __init__(self, stacks: NDArray[np.uint8], order: NDArray[Any] | None = None) -> None:
        self._shape = stacks.shape[2:]
        self._size = int(np.prod(self._shape))
        names = np.empty(stacks.shape[:2], np.int32)
        recent, pieces = RecentPictures(), list[bytes]()
        for moment in range(len(stacks)) if order is None else order.tolist():
            names[moment], new = recent.identify(stacks[moment], len(pieces))
            pieces += map(self._pack, new)
        self._names = names
        self._ends = np.cumsum([0, *map(len, pieces)], dtype=np.int64)
        self._content = b"".join(pieces)

    def save(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give all that :meth:`saved_by` needs; see :meth:`Store.save`."""
        yield "shape", np.array(self._shape, np.int64)
        yield "names", self._names
        yield "ends", self._ends
        yield "content", np.frombuffer(self._content, np.uint8)

    @classmethod
    def saved_by(cls, saved: SavedArrays) -> PackedPictures:
        """Return what another saved."""
        packed = cls.__new__(cls)
        packed._shape = tuple(saved["shape"].tolist())
        packed._size = int(np.prod(packed._shape))
        packed._names, packed._ends = saved["names"], saved["ends"]
        packed._content = saved["content"].tobytes()
        return packed

    def _pack(self, content: bytes) -> bytes:
        packed = zlib.compress(content, self._LEVEL)
        return packed if len(packed) < self._size else content

    @property
    def count(self) -> int:
        """Different pictures held."""
        return len(self._ends) - 1

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return len(self._content) + self._names.nbytes + self._ends.nbytes

    def rows(self, moments: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the stacks of some moments, uint8 ``[len(moments), pictures, height, width]``."""
        names, places = np.unique(self._names[moments], return_inverse=True)
        pictures = np.empty((len(names), self._size), np.uint8)
        content = memoryview(self._content)
        for row, name in enumerate(names.tolist()):
            piece = content[self._ends[name] : self._ends[name + 1]]
            raw = piece if len(piece) == self._size else zlib.decompress(piece, bufsize=self._size)
            pictures[row] = np.frombuffer(raw, np.uint8)
        stacks: NDArray[np.uint8] = pictures[places.reshape(-1)].reshape(*np.shape(moments), -1, *self._shape)
        return stacks


class PictureQueue:
    """Pictures with rising names, let go when nothing names them; not compressed, to be read fast.

    They lie in chunks, so that memory follows what is kept.

    Args:
        shape: of one picture.

    Attributes:
        shape: of one picture.
        next_id: the name of the next picture.
    """

    CHUNK = 256

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self._chunks: dict[int, NDArray[np.uint8]] = {}
        self.next_id = 0

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(chunk.nbytes for chunk in self._chunks.values())

    def append(self, contents: Iterable[bytes]) -> None:
        """Take pictures in; they get names from ``next_id`` upwards."""
        for content in contents:
            chunk, row = divmod(self.next_id, self.CHUNK)
            if row == 0:
                self._chunks[chunk] = np.empty((self.CHUNK, *self.shape), np.uint8)
            self._chunks[chunk][row] = np.frombuffer(content, np.uint8).reshape(self.shape)
            self.next_id += 1

    def save(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give all that :meth:`restore` needs; see :meth:`Store.save`."""
        yield "next_id", np.array(self.next_id)
        yield "chunks", np.array(list(self._chunks), np.int64)
        for number, chunk in self._chunks.items():
            yield str(number), chunk

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another saved."""
        self.next_id = int(saved["next_id"])
        self._chunks = {number: saved[str(number)] for number in saved["chunks"].tolist()}

    def keep_only(self, names: NDArray[np.int64]) -> None:
        """Let go of the chunks that hold none of these pictures, and not the one being filled."""
        kept = {*np.unique(names // self.CHUNK).tolist(), self.next_id // self.CHUNK}
        self._chunks = {number: chunk for number, chunk in self._chunks.items() if number in kept}

    def rows(self, names: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return pictures by name, of the shape of ``names`` and a picture's."""
        out = np.empty((*names.shape, *self.shape), np.uint8)
        chunks, rows = np.divmod(names, self.CHUNK)
        for chunk in np.unique(chunks).tolist():
            here = chunks == chunk
            out[here] = self._chunks[chunk][rows[here]]
        return out
