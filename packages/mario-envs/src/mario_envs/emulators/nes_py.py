"""nes-py as an emulator: 8.x through its C library, 9.x through its own Python API.

Importing nes_py 8 imports the unmaintained ``gym``, which warns on every start, so its library is found
without importing the package and called through ctypes, which also releases the GIL.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mario_envs.buttons import Button, ButtonPlan
from mario_envs.emulators.picture import gray_area
from mario_envs.emulators.protocol import (
    RAM_SIZE,
    SCREEN_HEIGHT,
    SCREEN_WIDTH,
    EmulatorError,
    FrameListener,
    StopCondition,
)
from mario_envs.game.roms import Rom


class _Console(Protocol):
    """One nes-py console, whichever version makes it."""

    ram: NDArray[np.uint8]

    def frame(self, buttons: int) -> None: ...
    def rgb(self) -> NDArray[np.uint8]: ...
    def backup(self) -> None: ...
    def restore(self) -> None: ...
    def close(self) -> None: ...


@cache
def _library() -> ctypes.CDLL:
    """Load nes-py 8's C library; its functions are listed in its ``nes_env.py``."""
    spec = importlib.util.find_spec("nes_py")
    folders = spec.submodule_search_locations if spec else None
    files = [file for folder in folders or [] for file in Path(folder).glob("lib_nes_env*")]
    if not files:
        raise EmulatorError('nes-py is not installed or has no library; run: pip install "nes-py>=8.2"')
    library = ctypes.CDLL(str(files[0]))
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "Initialize": (ctypes.c_void_p, [ctypes.c_wchar_p]),
        "Controller": (ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_uint]),
        "Screen": (ctypes.c_void_p, [ctypes.c_void_p]),
        "Memory": (ctypes.c_void_p, [ctypes.c_void_p]),
        "Reset": (None, [ctypes.c_void_p]),
        "Step": (None, [ctypes.c_void_p]),
        "Backup": (None, [ctypes.c_void_p]),
        "Restore": (None, [ctypes.c_void_p]),
        "Close": (None, [ctypes.c_void_p]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


class _Console8:
    """A console of nes-py 8.x."""

    def __init__(self, rom: Rom) -> None:
        self._library = _library()
        self._handle = self._library.Initialize(str(rom.path))
        self._library.Reset(self._handle)
        self.ram = self._view(self._library.Memory(self._handle), (RAM_SIZE,))
        self._controller = self._view(self._library.Controller(self._handle, 0), (1,))
        self._screen = self._view(self._library.Screen(self._handle), (SCREEN_HEIGHT, SCREEN_WIDTH, 4))

    @staticmethod
    def _view(pointer: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        return np.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_uint8)), shape)

    def frame(self, buttons: int) -> None:
        self._controller[0] = buttons
        self._library.Step(self._handle)

    def rgb(self) -> NDArray[np.uint8]:
        return self._screen[:, :, 2::-1].copy()  # stored as BGRx

    def backup(self) -> None:
        self._library.Backup(self._handle)

    def restore(self) -> None:
        self._library.Restore(self._handle)

    def close(self) -> None:
        self._library.Close(self._handle)


class _Console9:
    """A console of nes-py 9.x (Python 3.13 and later)."""

    def __init__(self, rom: Rom) -> None:
        from nes_py import NESEnv  # type: ignore[import-untyped]

        self._env = NESEnv(str(rom.path))
        self._env.reset()
        self.ram: NDArray[np.uint8] = self._env.ram
        self._snapshot: Any = None

    def frame(self, buttons: int) -> None:
        self._env.step(buttons)

    def rgb(self) -> NDArray[np.uint8]:
        return np.array(self._env.screen)

    def backup(self) -> None:
        self._snapshot = self._env.dump_state()

    def restore(self) -> None:
        self._env.load_state(self._snapshot)

    def close(self) -> None:
        self._env.close()


def _console(rom: Rom) -> _Console:
    try:
        major = int(metadata.version("nes-py").split(".")[0])
    except metadata.PackageNotFoundError:
        raise EmulatorError('nes-py is not installed; run: pip install "nes-py>=8.2"') from None
    return _Console8(rom) if major < 9 else _Console9(rom)


class NesPyEmulator:
    """The reference emulator, an :class:`~mario_envs.emulators.protocol.Emulator` over nes-py.

    Slow (some 430 frames a second on a core) and independent of ours. Lanes run on as many threads as
    there are cores. nes-py keeps one snapshot per console, so only the latest saved state of a lane can
    be restored, and only in that lane.

    Args:
        rom: a checked ROM; nes-py 8 itself crashes on a damaged file.
        num_lanes: number of consoles.
    """

    def __init__(self, rom: Rom, num_lanes: int = 1) -> None:
        self._rom = rom
        self._consoles = [_console(rom) for _ in range(num_lanes)]
        self._saved = [0] * num_lanes
        self._threads = ThreadPoolExecutor(max_workers=min(num_lanes, os.cpu_count() or 1))

    @property
    def num_lanes(self) -> int:
        """Number of consoles."""
        return len(self._consoles)

    def power_on(self, lane: int) -> None:
        """Make a new console in place of the old one; nes-py's reset leaves RAM as it was."""
        self._consoles[lane].close()
        self._consoles[lane] = _console(self._rom)
        self._saved[lane] = 0

    def run(
        self,
        lanes: NDArray[np.intp],
        plan: ButtonPlan,
        *,
        stop: tuple[StopCondition, ...] = (),
        keep: NDArray[np.int32] | None = None,
        pictures: NDArray[np.uint8] | None = None,
        on_frame: FrameListener | None = None,
    ) -> NDArray[np.int32]:
        """Run each named lane for its own number of frames; see the protocol."""

        def run_row(row: int) -> int:
            console = self._consoles[lanes[row]]
            wanted = [] if keep is None else keep[row].tolist()
            kept = 0
            for frame in range(plan.frames[row]):
                buttons = plan.buttons_at(row, frame)
                console.frame(buttons)
                if on_frame is not None:
                    on_frame(int(lanes[row]), buttons)
                stopped = any(end.is_met(console.ram) for end in stop)
                while pictures is not None and kept < len(wanted) and (stopped or wanted[kept] == frame):
                    if kept and wanted[kept - 1] == wanted[kept]:
                        pictures[row, kept] = pictures[row, kept - 1]
                    else:
                        pictures[row, kept] = gray_area(console.rgb(), *pictures.shape[2:])
                    kept += 1
                if stopped:
                    break
            return frame + 1

        rows = range(len(lanes))
        run_rows = map(run_row, rows) if on_frame or len(rows) == 1 else self._threads.map(run_row, rows)
        return np.fromiter(run_rows, np.int32, len(rows))

    def press(self, lane: int, buttons: Button, frames: int = 1) -> None:
        """Run one lane with these buttons held down."""
        for _ in range(frames):
            self._consoles[lane].frame(buttons)

    def ram(self, lanes: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return a copy of each named lane's RAM, uint8 ``[n, 2048]``."""
        return np.stack([self._consoles[lane].ram for lane in lanes])

    def poke(self, lane: int, address: int, value: int) -> None:
        """Write one byte of work RAM."""
        self._consoles[lane].ram[address] = value

    def screen(self, lane: int) -> NDArray[np.uint8]:
        """Return the lane's last picture, RGB uint8 ``[240, 256, 3]``."""
        return self._consoles[lane].rgb()

    def save(self, lane: int) -> bytes:
        """Keep the state inside nes-py and return a ticket for it; the lane's earlier one is void."""
        self._consoles[lane].backup()
        self._saved[lane] += 1
        return self._ticket(lane)

    def restore(self, lane: int, state: bytes) -> None:
        """Go back to the lane's latest saved state.

        Raises:
            EmulatorError: ``state`` is not the latest that :meth:`save` returned for this lane.
        """
        if not self._saved[lane] or state != self._ticket(lane):
            raise EmulatorError(
                "nes-py keeps one state per lane: only the latest can be restored, and in its own lane; "
                'use emulator="native" for more'
            )
        self._consoles[lane].restore()

    def _ticket(self, lane: int) -> bytes:
        return f"nes-py:{id(self._consoles[lane]):x}:{lane}:{self._saved[lane]}".encode()

    def close(self) -> None:
        """Free the consoles."""
        self._threads.shutdown()
        for console in self._consoles:
            console.close()
        self._consoles = []
