"""The NES machine in C++; mario_envs.emulators.native is how to use it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class Batch:
    """Many consoles with the same cartridge, run by threads."""

    def __init__(self, rom: bytes, num_lanes: int, num_threads: int = 0, skip_idle: bool = True) -> None: ...
    @property
    def num_lanes(self) -> int: ...
    @property
    def num_threads(self) -> int: ...
    def run(
        self,
        lanes: NDArray[np.int64],
        frames: NDArray[np.int32],
        holds: NDArray[np.int32],
        released: NDArray[np.int32],
        stops: NDArray[np.int32],
        keep: NDArray[np.int32] | None,
        pictures: NDArray[np.uint8] | None,
        ran: NDArray[np.int32],
    ) -> None:
        """Run each lane's row; ``ran`` is written."""

    def send(
        self,
        lanes: NDArray[np.int64],
        frames: NDArray[np.int32],
        holds: NDArray[np.int32],
        released: NDArray[np.int32],
        stops: NDArray[np.int32],
        keep: NDArray[np.int32] | None,
        pictures: NDArray[np.uint8] | None,
    ) -> None:
        """Start each lane's row and return at once."""

    def receive(self, least: int) -> list[tuple[int, int]]:
        """Wait for lanes that were sent; returns (lane, frames run) of those done."""

    def power_on(self, lane: int) -> None: ...
    def press(self, lane: int, buttons: int, frames: int) -> None: ...
    def ram(self, lanes: NDArray[np.int64], out: NDArray[np.uint8]) -> None: ...
    def poke(self, lane: int, address: int, value: int) -> None: ...
    def screen(self, lane: int, out: NDArray[np.uint8]) -> None:
        """Write the last picture as RGB, ``[240, 256, 3]``."""

    def gray(self, lane: int, out: NDArray[np.uint8]) -> None:
        """Write the last picture in gray, reduced to ``out``'s height and width."""

    def indexes(self, lane: int, out: NDArray[np.uint8]) -> None:
        """Write the last picture as palette indexes (0-63), ``[240, 256]``."""

    def save(self, lane: int) -> bytes: ...
    def restore(self, lane: int, state: bytes) -> None: ...

class RamValues:
    """Numbers that lie in RAM byte by byte.

    ``table`` has for each whether its last byte is signed, and its bytes as (address, what it counts for).
    """

    def __init__(self, table: list[tuple[bool, list[tuple[int, int]]]]) -> None: ...
    def read(self, ram: NDArray[np.uint8], out: NDArray[np.int64]) -> None:
        """Read all of each lane's, ``[lanes, 2048]``, into ``out``, ``[values, lanes]`` of zeros."""

class RamCells:
    """A grid of cells in several channels: a window of a scrolling map of tiles, and things.

    ``tiles``, ``[rounds, rows, columns]`` in a row, has the addresses of a window's tiles for each first
    column, modulo rounds. A thing is its state's address and the least state in which it is there; its
    channel; its kind's address, by which its channel goes instead, or -1; the addresses of its x, low and
    high (or -1), and pixels to add; likewise y. Channel -1 draws nothing.
    """

    def __init__(
        self,
        channels: int,
        rows: int,
        columns: int,
        cell: int,
        tiles: list[int],
        channel_of_tile: list[int],
        channel_of_kind: list[int],
        things: Sequence[tuple[int, int, int, int, int, int, int, int, int, int]],
    ) -> None: ...
    def draw(self, ram: NDArray[np.uint8], left: NDArray[np.int64], out: NDArray[np.int8]) -> None:
        """Write 1 where something is in each lane's window, whose first column is ``left``.

        ``out`` is ``[lanes, channels, rows, columns]``, zeros.
        """

class CpuHarness:
    """A 6502 in 64 KiB of plain memory, for tests."""

    pc: int
    a: int
    x: int
    y: int
    sp: int
    p: int
    def __init__(self) -> None: ...
    def step(self) -> int:
        """Execute one instruction; returns its cycles."""

    def read(self, address: int) -> int: ...
    def write(self, address: int, value: int) -> None: ...
    def load(self, memory: bytes) -> None: ...
    def dump(self) -> bytes: ...

def rgb(index: int, emphasis: int = 0) -> tuple[int, int, int]:
    """Color of a palette index (0-63) under emphasis bits (red 1, green 2, blue 4)."""
