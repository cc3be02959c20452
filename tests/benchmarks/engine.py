"""The engine alone: frames a second on one core, nothing drawn, against nes-py 8 through ctypes.

Run ``python tests/benchmarks/engine.py [OUT.json]``. Both play the same ROM from power-on in turn, several
times; processor time is counted, so that other programs disturb less, and medians are compared.
"""

from __future__ import annotations

import json
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from mario_envs.buttons import Button, ButtonPlan
from mario_envs.emulators.native import NativeEmulator
from mario_envs.emulators.nes_py import NesPyEmulator
from mario_envs.game.roms import load_rom
from numpy.typing import NDArray

ROUNDS, OUR_FRAMES, NES_PY_FRAMES, STATES = 5, 40_000, 400, 20_000
LANE = np.zeros(1, np.intp)


def into_level(emulator: NativeEmulator | NesPyEmulator) -> None:
    for frame in range(300):
        emulator.press(0, Button.START if frame < 60 and frame % 2 else Button(0))


def rate(amount: int, work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return amount / (time.process_time() - start)


def main(out: Path | None) -> None:
    rom = load_rom()
    ours, theirs = NativeEmulator(rom, num_threads=1), NesPyEmulator(rom)
    into_level(ours)
    into_level(theirs)
    state = ours.save(0)
    keep: NDArray[np.int32] = np.arange(1000, dtype=np.int32)[None]
    pictures = np.empty((1, 1000, 84, 84), np.uint8)

    def undrawn() -> float:
        return rate(OUR_FRAMES, lambda: ours.run(LANE, ButtonPlan.steady(Button.RIGHT, OUR_FRAMES)))

    def drawn() -> float:
        plan = ButtonPlan.steady(Button.RIGHT, 1000)
        return rate(4000, lambda: [ours.run(LANE, plan, keep=keep, pictures=pictures) for _ in range(4)])

    def reference() -> float:
        return rate(NES_PY_FRAMES, lambda: theirs.press(0, Button.RIGHT, NES_PY_FRAMES))

    def restores() -> float:
        return rate(STATES, lambda: [ours.restore(0, state) for _ in range(STATES)])

    rounds = [(undrawn(), drawn(), reference(), restores()) for _ in range(ROUNDS)]
    fast, with_pictures, slow, restored = (statistics.median(column) for column in zip(*rounds, strict=True))
    result = {
        "frames_per_second": {
            "native": fast,
            "native, every frame gray 84x84": with_pictures,
            "nes-py": slow,
        },
        "ratio_to_nes_py": {"native": fast / slow, "native, every frame gray 84x84": with_pictures / slow},
        "restore_microseconds": 1e6 / restored,
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
    }
    print(f"{'one core':<34}{'frames/s':>10}{'ratio':>8}")
    for name, frames in result["frames_per_second"].items():  # type: ignore[attr-defined]
        print(f"{name:<34}{frames:>10,.0f}{frames / slow:>7.1f}x")
    print(f"restore of a saved state: {1e6 / restored:.2f} us")
    if out:
        out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
