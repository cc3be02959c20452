"""cynes, the cycle-accurate reference, with our buttons and RAM; and the way into any of the 32 stages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cynes
import numpy as np
from mario_envs.buttons import Button
from mario_envs.emulators.native import NativeEmulator
from numpy.typing import NDArray

_BUTTONS = {
    Button.A: cynes.NES_INPUT_A,
    Button.B: cynes.NES_INPUT_B,
    Button.SELECT: cynes.NES_INPUT_SELECT,
    Button.START: cynes.NES_INPUT_START,
    Button.UP: cynes.NES_INPUT_UP,
    Button.DOWN: cynes.NES_INPUT_DOWN,
    Button.LEFT: cynes.NES_INPUT_LEFT,
    Button.RIGHT: cynes.NES_INPUT_RIGHT,
}


_UNINITIALISED_FLAG = 24  # offset in the saved state


class TwoConsoles:
    """Our machine and cynes side by side, given the same buttons and the same pokes.

    Both stop a frame where vertical blank begins, so RAM can be compared as it is.
    """

    def __init__(self, rom: Path, ours: NativeEmulator) -> None:
        self.ours, self.cynes = ours, cynes.NES(str(rom))
        # cynes 0.1.2 leaves one flag of its state uninitialised; where memory happened not to be 0 there, its
        # first step returns before anything has run. Give it one value for all runs.
        state = self.cynes.save()
        state[_UNINITIALISED_FLAG] = 0
        self.cynes.load(state)
        self.lane = np.zeros(1, np.intp)
        self.cynes_picture = np.zeros((240, 256, 3), np.uint8)

    def frame(self, buttons: Button) -> None:
        self.ours.press(0, buttons)
        self.cynes.controller = sum(bit for button, bit in _BUTTONS.items() if buttons & button)
        self.cynes_picture = self.cynes.step(1)

    def poke(self, address: int, value: int) -> None:
        self.ours.poke(0, address, value)
        self.cynes[address] = value

    def our_ram(self) -> NDArray[np.uint8]:
        return self.ours.ram(self.lane)[0]

    def cynes_ram(self) -> NDArray[np.uint8]:
        return np.array([self.cynes[address] for address in range(0x800)], np.uint8)

    def our_indexes(self) -> NDArray[np.uint8]:
        out = np.empty((240, 256), np.uint8)
        self.ours._batch.indexes(0, out)
        return out

    def enter(self, world: int, stage: int) -> None:
        """Start a stage from power-on: press Start every other frame and write the numbers in between."""
        area = stage + 1 if stage >= 2 and world in (1, 2, 4, 7) else stage
        for frame in range(600):
            self.frame(Button.START if frame % 2 else Button(0))
            for address, value in ((0x075F, world - 1), (0x075C, stage - 1), (0x0760, area - 1), (0x07A0, 0)):
                self.poke(address, value)
            if self.our_ram()[0x07F8:0x07FB].any():
                return
        raise AssertionError(f"stage {world}-{stage} did not begin")


def random_play(rng: np.random.Generator, frames: int) -> Iterator[Button]:
    """Yield buttons that mostly run right and jump, changed every few frames."""
    buttons = Button(0)
    for _ in range(frames):
        if rng.random() < 0.15:
            buttons = Button(
                int(rng.choice([Button.RIGHT, Button.RIGHT, Button.RIGHT, Button.LEFT, Button.DOWN]))
            )
            buttons |= Button(int(rng.choice([0, Button.A, Button.B, Button.A | Button.B])))
        yield buttons
