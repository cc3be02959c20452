"""What a search knows: the cells, a saved console for each, and how each was reached."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Arrays = dict[str, NDArray[Any]]

#: Stands for "nothing before it".
NO_NODE = -1


class Archive:
    """Cells by key, and a tree of the ways to them.

    A node is a stretch of buttons after another node. A cell refers to the node at whose end its console was
    saved; when a better way to a cell is found it gets another node, and what was found from the old one
    keeps its own way.
    """

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._stretches: list[bytes] = []
        self._frames: list[int] = []
        self._cells: dict[bytes, int] = {}
        self._nodes: list[int] = []
        self._scores: list[int] = []
        self._consoles: list[bytes] = []
        self._held: list[bytes] = []
        self._visits = np.zeros(1024, np.int32)

    def __len__(self) -> int:
        return len(self._cells)

    @property
    def visits(self) -> NDArray[np.int32]:
        """How often each cell was chosen, int32 ``[cells]``, in the order of discovery; may be written."""
        return self._visits[: len(self)]

    def add_node(self, parent: int, buttons: bytes) -> int:
        """Add a stretch of buttons after a node, or at the start (:data:`NO_NODE`); return its number."""
        before = 0 if parent == NO_NODE else self._frames[parent]
        self._parents.append(parent)
        self._stretches.append(buttons)
        self._frames.append(before + len(buttons))
        return len(self._parents) - 1

    def frames_to(self, node: int) -> int:
        """Return how many frames lead to the end of a node."""
        return self._frames[node]

    def buttons_to(self, node: int) -> bytes:
        """Return the buttons of all frames from the start to the end of a node."""
        stretches = []
        while node != NO_NODE:
            stretches.append(self._stretches[node])
            node = self._parents[node]
        return b"".join(reversed(stretches))

    def best(self, key: bytes) -> tuple[int, int] | None:
        """Return frames and score of the way to a cell, or None if it is new."""
        cell = self._cells.get(key)
        return None if cell is None else (self._frames[self._nodes[cell]], self._scores[cell])

    def keep(self, key: bytes, node: int, score: int, console: bytes, held: bytes) -> None:
        """Keep a console as the cell's, in place of the one it had.

        Args:
            key: of the cell.
            node: at whose end the console was saved.
            score: points there.
            console: saved by the emulator.
            held: what else must be known to go on from there.
        """
        packed = zlib.compress(console, 1)
        cell = self._cells.setdefault(key, len(self._cells))
        if cell < len(self._nodes):
            self._nodes[cell], self._scores[cell] = node, score
            self._consoles[cell], self._held[cell] = packed, held
            return
        self._nodes.append(node)
        self._scores.append(score)
        self._consoles.append(packed)
        self._held.append(held)
        if len(self._visits) < len(self):
            self._visits = np.concatenate([self._visits, np.zeros_like(self._visits)])

    def node_of(self, cell: int) -> int:
        """Return the node at whose end a cell's console was saved."""
        return self._nodes[cell]

    def console_of(self, cell: int) -> bytes:
        """Return a cell's console, for the emulator to restore."""
        return zlib.decompress(self._consoles[cell])

    def held_in(self, cell: int) -> bytes:
        """Return what else must be known to go on from a cell."""
        return self._held[cell]

    def to_arrays(self) -> Arrays:
        """Return all of it as arrays; :meth:`from_arrays` undoes that."""
        return {
            "parents": np.array(self._parents, np.int64),
            **join("stretches", self._stretches),
            **join("keys", list(self._cells)),
            "nodes": np.array(self._nodes, np.int64),
            "scores": np.array(self._scores, np.int64),
            **join("consoles", self._consoles),
            **join("held", self._held),
            "visits": self.visits,
        }

    @classmethod
    def from_arrays(cls, arrays: Arrays) -> Archive:
        """Undo :meth:`to_arrays`."""
        archive = cls()
        stretches = split("stretches", arrays)
        for parent, stretch in zip(arrays["parents"].tolist(), stretches, strict=True):
            archive.add_node(parent, stretch)
        archive._cells = {key: cell for cell, key in enumerate(split("keys", arrays))}
        archive._nodes = arrays["nodes"].tolist()
        archive._scores = arrays["scores"].tolist()
        archive._consoles, archive._held = split("consoles", arrays), split("held", arrays)
        archive._visits = np.zeros(max(1024, 2 * len(archive)), np.int32)
        archive.visits[:] = arrays["visits"]
        return archive


def join(name: str, parts: Sequence[bytes]) -> Arrays:
    """Return byte strings as two arrays: all of them in a row, and where each ends."""
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return {name: np.frombuffer(b"".join(parts), np.uint8), f"{name}.ends": ends}


def split(name: str, arrays: Arrays) -> list[bytes]:
    """Undo :func:`join`."""
    content, ends = arrays[name].tobytes(), arrays[f"{name}.ends"].tolist()
    return [content[begin:end] for begin, end in zip([0, *ends], ends, strict=False)]
