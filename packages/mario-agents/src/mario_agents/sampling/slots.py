"""Blocks from an actor to the learner, through a few slots of shared memory."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_agents.sampling.block import Block
from mario_agents.sampling.shared import open_shared
from mario_agents.storage.segment import Leaves

#: Where an array lies in a slot: offset, shape, dtype; or the array itself where the slot has no more room.
Place = tuple[int, tuple[int, ...], str] | NDArray[Any]

#: What an unwritten slot begins with; blocks are numbered from 0.
UNWRITTEN = -1


class Slots:
    """The slots of one actor. There are few, so that an actor whose blocks nobody takes has to wait.

    A slot belongs to the actor until it has sent what :meth:`put` returned, then to the learner until it has
    said that the slot is free. So nobody reads what is being written, and an actor that dies takes with it
    only slots that nobody reads.

    Args:
        count: how many.
        size: bytes of each; arrays that find no room travel in the message instead.
        name: of the shared memory to attach to; None makes it.
    """

    def __init__(self, count: int, size: int, name: str | None = None) -> None:
        self.count, self._size = count, -(-size // 64) * 64 + 64
        whole = 64 + count * self._size
        self._memory = open_shared(whole, name)
        #: int64 ``[2]``: grows while the actor moves, for the learner to see; and the steps it has played.
        self.beats: NDArray[np.int64] = np.ndarray((2,), np.int64, self._memory.buf)
        if name is None:
            self.forget()

    @property
    def name(self) -> str:
        """What the actor's process attaches to."""
        return self._memory.name

    def forget(self) -> None:
        """Mark every slot as unwritten, and the actor as not yet begun."""
        self.beats[:] = 0
        for slot in range(self.count):
            self._stamp(slot)[0] = UNWRITTEN

    def _stamp(self, slot: int) -> NDArray[np.int64]:
        return np.ndarray((1,), np.int64, self._memory.buf, self._start(slot))

    def _start(self, slot: int) -> int:
        return 64 + slot * self._size

    def put(self, slot: int, number: int, block: Block) -> tuple[Block, dict[str, Any]]:
        """Write a block's arrays.

        Args:
            slot: a free one.
            number: of the block, from 0.
            block: what to write.

        Returns:
            The block without its arrays, and where they are: a message for :meth:`take`.
        """
        self._stamp(slot)[0] = UNWRITTEN
        offset, end = self._start(slot) + 64, self._start(slot + 1)
        places: dict[str, Any] = {}
        empty = np.empty(0)
        bare: dict[str, Any] = {}
        for name, value in _arrays(block).items():
            parts = value if isinstance(value, dict) else {"": value}
            found: dict[str, Place] = {}
            for key, part in parts.items():
                if offset + part.nbytes <= end:
                    np.ndarray(part.shape, part.dtype, self._memory.buf, offset)[...] = part
                    found[key] = (offset, part.shape, part.dtype.str)
                    offset += -(-part.nbytes // 8) * 8
                else:
                    found[key] = part
            places[name] = found if isinstance(value, dict) else found[""]
            bare[name] = {} if isinstance(value, dict) else empty
        self._stamp(slot)[0] = number
        return replace(block, **bare), places

    def take(self, slot: int, number: int, bare: Block, places: dict[str, Any]) -> Block:
        """Return a copy of the block in a slot, which may be freed then.

        Raises:
            RuntimeError: another block is in the slot, or none.
        """
        if int(self._stamp(slot)[0]) != number:
            raise RuntimeError(f"slot {slot} holds block {int(self._stamp(slot)[0])}, not {number}")
        arrays: dict[str, Any] = {
            name: {key: self._copy(one) for key, one in place.items()}
            if isinstance(place, dict)
            else self._copy(place)
            for name, place in places.items()
        }
        return replace(bare, **arrays)

    def _copy(self, place: Place) -> NDArray[Any]:
        if isinstance(place, np.ndarray):
            return place
        offset, shape, dtype = place
        return np.ndarray(shape, np.dtype(dtype), self._memory.buf, offset).copy()

    def close(self, *, unlink: bool = False) -> None:
        """Let go of the memory.

        Args:
            unlink: free it for everyone; for the process that made it.
        """
        del self.beats
        self._memory.close()
        if unlink:
            self._memory.unlink()


def _arrays(block: Block) -> dict[str, NDArray[Any] | Leaves]:
    values = {field.name: getattr(block, field.name) for field in fields(block)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray | dict)}
