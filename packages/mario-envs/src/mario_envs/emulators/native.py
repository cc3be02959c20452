"""Our own NES machine in C++ as an emulator: the default where the extension could be built.

The machine lives in ``native/`` beside ``src/`` and knows nothing of Mario; its Python face is
``mario_envs._native``. This file checks arguments, gives defaults and turns errors into ours.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mario_envs.buttons import PLAYED, Button, ButtonPlan
from mario_envs.emulators.protocol import (
    RAM_SIZE,
    SCREEN_HEIGHT,
    SCREEN_WIDTH,
    EmulatorError,
    FrameListener,
    StopCondition,
)
from mario_envs.game.roms import Rom

if TYPE_CHECKING:
    from mario_envs import _native


def available() -> bool:
    """Say whether the C++ extension was built and loads."""
    try:
        importlib.import_module("mario_envs._native")
    except ImportError:
        return False
    return True


def _load() -> Any:
    try:
        return importlib.import_module("mario_envs._native")
    except ImportError as error:
        raise EmulatorError(
            f"the C++ emulator was not built or does not load ({error}); reinstall mario-envs where a C++17 "
            'compiler is present, or use emulator="nes-py"'
        ) from None


@lru_cache
def _stops(conditions: tuple[StopCondition, ...]) -> NDArray[np.int32]:
    for condition in conditions:
        if not 0 <= condition.address < RAM_SIZE:
            raise EmulatorError(f"stop address {condition.address:#06x} is not in work RAM (0 to 0x07FF)")
    return np.array([(s.address, s.low, s.high) for s in conditions], np.int32).reshape(-1, 3)


@dataclass(frozen=True)
class _Rows:
    """The arguments of one run, checked, in the layout that the extension takes."""

    lanes: NDArray[np.int64]
    frames: NDArray[np.int32]
    holds: NDArray[np.int32]
    released: NDArray[np.int32]
    stops: NDArray[np.int32]
    keep: NDArray[np.int32] | None
    pictures: NDArray[np.uint8] | None

    @classmethod
    def check(
        cls,
        lanes: NDArray[np.intp],
        plan: ButtonPlan,
        stop: tuple[StopCondition, ...],
        keep: NDArray[np.int32] | None,
        pictures: NDArray[np.uint8] | None,
    ) -> _Rows:
        if (keep is None) != (pictures is None):
            raise EmulatorError("give keep and pictures together, or neither")
        if pictures is not None and (pictures.dtype != np.uint8 or not pictures.flags.c_contiguous):
            raise EmulatorError("pictures must be a C-contiguous uint8 array: it is written in place")
        rows = len(lanes)
        return cls(
            lanes=np.ascontiguousarray(lanes, np.int64),
            frames=np.ascontiguousarray(plan.frames, np.int32),
            holds=np.ascontiguousarray(plan.holds, np.int32).reshape(rows, len(PLAYED)),
            released=np.ascontiguousarray(plan.released, np.int32).reshape(rows, len(PLAYED)),
            stops=_stops(stop),
            keep=None if keep is None else np.ascontiguousarray(keep, np.int32),
            pictures=pictures,
        )


class NativeEmulator:
    """A batch of our own NES machines, an :class:`~mario_envs.emulators.protocol.Emulator`.

    Cycle-counted, and agreeing with NTSC consoles frame for frame; a frame ends where vertical blank begins
    (line 241, dot 1), before the game's NMI handler runs. Pictures are drawn only when asked for. Lanes run
    on threads and the GIL is free meanwhile; results do not depend on the number of threads.

    Besides the protocol's lock-step :meth:`run` there are :meth:`send` and :meth:`recv` for lanes that
    should not wait for each other.

    Args:
        rom: a checked ROM, or the bytes of an iNES file with mapper 0.
        num_lanes: number of consoles.
        num_threads: how many lanes run at once; 0 is one per processor.
        skip_idle: jump over loops in which a game only waits. Changes no result, more than doubles the
            speed; off, every instruction is executed one by one.

    Raises:
        EmulatorError: the extension is missing, or the ROM is damaged or needs another mapper.

    Example:
        >>> from mario_envs.game.roms import load_rom
        >>> emulator = NativeEmulator(load_rom(), num_lanes=2)
        >>> emulator.run(np.arange(2), ButtonPlan.steady(Button.RIGHT, frames=4, lanes=2))
        array([4, 4], dtype=int32)
        >>> emulator.close()
    """

    def __init__(
        self, rom: Rom | bytes, num_lanes: int = 1, *, num_threads: int = 0, skip_idle: bool = True
    ) -> None:
        data = rom.data if isinstance(rom, Rom) else rom
        native = _load()
        try:
            self._open: _native.Batch | None = native.Batch(data, num_lanes, num_threads, skip_idle)
        except ValueError as error:
            raise EmulatorError(str(error)) from None
        self._num_lanes = num_lanes

    @property
    def _batch(self) -> _native.Batch:
        if self._open is None:
            raise EmulatorError("this emulator is closed")
        return self._open

    @property
    def num_lanes(self) -> int:
        """Number of consoles."""
        return self._num_lanes

    @property
    def num_threads(self) -> int:
        """How many lanes run at once."""
        return self._batch.num_threads

    def power_on(self, lane: int) -> None:
        """Switch one console off and on: RAM, registers and picture as if it had never run."""
        self._checked(self._batch.power_on, lane)

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
        rows = _Rows.check(lanes, plan, stop, keep, pictures)
        if on_frame is not None:
            return self._run_listening(rows, plan, on_frame)
        ran = np.zeros(len(rows.lanes), np.int32)
        self._checked(
            self._batch.run,
            rows.lanes,
            rows.frames,
            rows.holds,
            rows.released,
            rows.stops,
            rows.keep,
            rows.pictures,
            ran,
        )
        return ran

    def send(
        self,
        lanes: NDArray[np.intp],
        plan: ButtonPlan,
        *,
        stop: tuple[StopCondition, ...] = (),
        keep: NDArray[np.int32] | None = None,
        pictures: NDArray[np.uint8] | None = None,
    ) -> None:
        """Start what :meth:`run` would do and return at once.

        A lane that was sent may not be used until :meth:`recv` has returned it; its rows of ``pictures`` are
        being written until then. All other arguments are copied.
        """
        rows = _Rows.check(lanes, plan, stop, keep, pictures)
        self._checked(
            self._batch.send,
            rows.lanes,
            rows.frames,
            rows.holds,
            rows.released,
            rows.stops,
            rows.keep,
            rows.pictures,
        )

    def recv(self, min_lanes: int = 1) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Wait until at least ``min_lanes`` of the lanes sent are done (all, if fewer are on their way).

        Returns:
            The lanes that are done, intp ``[m]``, in the order in which they finished, and the frames that
            each ran, int32 ``[m]``.
        """
        done = self._batch.receive(min_lanes)
        lanes = np.array([lane for lane, _ in done], np.intp)
        return lanes, np.array([ran for _, ran in done], np.int32)

    def press(self, lane: int, buttons: Button, frames: int = 1) -> None:
        """Run one lane with any of the eight buttons held down."""
        self._checked(self._batch.press, lane, int(buttons), frames)

    def ram(self, lanes: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return a copy of the 2 KiB work RAM of each named lane, uint8 ``[n, 2048]``."""
        out = np.empty((len(lanes), RAM_SIZE), np.uint8)
        self._checked(self._batch.ram, np.ascontiguousarray(lanes, np.int64), out)
        return out

    def poke(self, lane: int, address: int, value: int) -> None:
        """Write one byte of work RAM."""
        self._checked(self._batch.poke, lane, int(address), int(value))

    def screen(self, lane: int) -> NDArray[np.uint8]:
        """Return the picture of the last frame that the lane ran, RGB uint8 ``[240, 256, 3]``."""
        out = np.empty((SCREEN_HEIGHT, SCREEN_WIDTH, 3), np.uint8)
        self._checked(self._batch.screen, lane, out)
        return out

    def save(self, lane: int) -> bytes:
        """Return the whole state of one console, at most 16 KiB."""
        state: bytes = self._checked(self._batch.save, lane)
        return state

    def restore(self, lane: int, state: bytes) -> None:
        """Continue from a saved state, of this or any other lane with the same ROM.

        Raises:
            EmulatorError: the state is damaged, of another ROM, of another emulator or version.
        """
        self._checked(self._batch.restore, lane, state)

    def close(self) -> None:
        """Give the consoles back; further calls are errors."""
        self._open = None

    @staticmethod
    def _checked(function: Any, *arguments: Any) -> Any:
        """Call the extension; what it refuses becomes an error of ours."""
        try:
            return function(*arguments)
        except ValueError as error:
            raise EmulatorError(str(error)) from None

    def _run_listening(self, rows: _Rows, plan: ButtonPlan, on_frame: FrameListener) -> NDArray[np.int32]:
        """Run frame by frame, so that the listener sees each one; the same results, lanes in turn."""
        ran = np.zeros(len(rows.lanes), np.int32)
        for row, lane in enumerate(rows.lanes.tolist()):
            wanted = [] if rows.keep is None else rows.keep[row].tolist()
            kept = 0
            stopped = False
            while not stopped and ran[row] < rows.frames[row]:
                frame = int(ran[row])
                buttons = plan.buttons_at(row, frame)
                self.press(lane, buttons)
                ran[row] += 1
                on_frame(lane, buttons)
                memory = self.ram(rows.lanes[row : row + 1])[0]
                stopped = any(low <= memory[address] <= high for address, low, high in rows.stops.tolist())
                last = stopped or ran[row] == rows.frames[row]
                while rows.pictures is not None and kept < len(wanted) and (last or wanted[kept] == frame):
                    self._checked(self._batch.gray, lane, rows.pictures[row, kept])
                    kept += 1
        return ran
