"""What the environments ask of an emulator: consoles, frames, RAM and pixels; nothing of Mario."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from mario_envs.buttons import Button, ButtonPlan

SCREEN_HEIGHT, SCREEN_WIDTH = 240, 256
RAM_SIZE = 2048

#: NTSC (https://www.nesdev.org/wiki/Cycle_reference_chart).
FRAMES_PER_SECOND = 60.0988

#: Called after every frame with (lane, buttons that were down in it).
FrameListener = Callable[[int, Button], None]


class EmulatorError(RuntimeError):
    """An emulator cannot do what was asked; the message says what, and what to do instead."""


@dataclass(frozen=True)
class StopCondition:
    """Ends a lane's run after the first frame at whose end ``low <= ram[address] <= high``.

    Any one of several is enough.
    """

    address: int
    low: int
    high: int

    def is_met(self, ram: NDArray[np.uint8]) -> bool:
        """Tell whether a console's RAM, uint8 ``[2048]``, meets it.

        >>> StopCondition(0, 3, 5).is_met(np.full(2048, 5, np.uint8))
        True
        """
        return bool(self.low <= ram[self.address] <= self.high)


@runtime_checkable
class Emulator(Protocol):
    """A batch of consoles with the same cartridge, one per lane. Lanes never influence each other.

    The loop that calls it::

        emulator.power_on(lane)                               # once per lane
        while playing:
            frames = emulator.run(lanes, plan, stop=conditions, keep=keep, pictures=pictures)
            ram = emulator.ram(lanes)                         # as the last frame left it

    Calls come from one thread at a time; an emulator may use threads of its own inside a call.
    """

    @property
    def num_lanes(self) -> int:
        """Number of consoles."""

    def power_on(self, lane: int) -> None:
        """Switch one console off and on: RAM, registers and picture as if it had never run."""

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
        """Run each named lane for its own number of frames.

        Args:
            lanes: ``[n]`` different lane numbers; row ``i`` of every other array belongs to ``lanes[i]``.
            plan: ``n`` rows: the buttons of each frame and the number of frames.
            stop: ends a lane's run early; see :class:`StopCondition`.
            keep: int32 ``[n, k]``, rising along each row: the 0-based frames of the run whose picture is
                wanted. A frame that a stop prevented is replaced by the last frame that ran.
            pictures: uint8 ``[n, k, height, width]``, C-contiguous, written with gray pictures (ITU-R 601
                luma) of the kept frames, reduced by area averaging to any height ≤ 240 and width ≤ 256.
                Given together with ``keep`` or not at all.
            on_frame: called after every frame of every lane; lanes run one after the other then.

        Returns:
            int32 ``[n]``, the frames that each lane ran: ``plan.frames`` or less if stopped.
        """

    def press(self, lane: int, buttons: Button, frames: int = 1) -> None:
        """Run one lane with any of the eight buttons held down (the plan has no Start or Select)."""

    def ram(self, lanes: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Return a copy of the 2 KiB work RAM of each named lane, uint8 ``[n, 2048]``."""

    def poke(self, lane: int, address: int, value: int) -> None:
        """Write one byte of work RAM."""

    def screen(self, lane: int) -> NDArray[np.uint8]:
        """Return the picture of the last frame that the lane ran, RGB uint8 ``[240, 256, 3]``."""

    def save(self, lane: int) -> bytes:
        """Return the whole state of one console; the bytes mean something to this emulator only.

        Raises:
            EmulatorError: this emulator cannot.
        """

    def restore(self, lane: int, state: bytes) -> None:
        """Continue from a saved state: everything after is as it was after :meth:`save`.

        Raises:
            EmulatorError: the state is damaged, of another ROM, of another emulator or version.
        """

    def close(self) -> None:
        """Give the consoles back; further calls are errors."""


@runtime_checkable
class AsynchronousEmulator(Emulator, Protocol):
    """An emulator whose lanes need not wait for each other.

    The loop that calls it::

    emulator.send(lanes, plan, stop=conditions)
    while playing:
        done, frames = emulator.recv(min_lanes)
        emulator.send(done, next_plan, stop=conditions)
    """

    def send(
        self,
        lanes: NDArray[np.intp],
        plan: ButtonPlan,
        *,
        stop: tuple[StopCondition, ...] = (),
        keep: NDArray[np.int32] | None = None,
        pictures: NDArray[np.uint8] | None = None,
    ) -> None:
        """Start what :meth:`Emulator.run` would do and return at once.

        A lane that was sent may not be used until :meth:`recv` has returned it; its rows of ``pictures`` are
        being written until then. Lanes that are not on their way may be run meanwhile.
        """

    def recv(self, min_lanes: int = 1) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
        """Wait until at least ``min_lanes`` of the lanes sent are done (all, if fewer are on their way).

        Returns:
            The lanes that are done, ``[m]``, and the frames that each ran, int32 ``[m]``.
        """
