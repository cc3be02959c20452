"""How fast the emulators and the environments run here; what ``mario-envs bench`` prints."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np

from mario_envs.buttons import PLAYED, ButtonPlan
from mario_envs.game.roms import load_rom
from mario_envs.game.stages import start_stage
from mario_envs.plugins.manager import Choice, choose

_RUN_FRAMES = 64

#: What :func:`measure` steps with: the usual stack's pictures (the last frame of each of four steps), four
#: pictures of each step, and tiles.
OBSERVATIONS: dict[str, Choice] = {
    "stack of 4 pictures": {"frames": {"count": 1, "steps": 4}},
    "4 pictures a step": "frames",
    "tiles": "tiles",
}


@dataclass(frozen=True)
class Measurement:
    """One row of the table.

    Attributes:
        measure: what was measured.
        subject: the emulator or environment.
        value: how much.
        unit: of ``value``.
    """

    measure: str
    subject: str
    value: float
    unit: str


def _rate(work: Callable[[], int], seconds: float) -> float:
    """Call ``work`` for about so long, after one call that warms up; return what it counts per second."""
    work()
    done, started = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - started) < seconds:
        done += work()
    return done / elapsed


def raw_frames(emulator: Choice, seconds: float) -> float:
    """Return frames per second of stage 1-1 in one lane, random buttons, nothing drawn."""
    console = choose("emulator", emulator, load_rom(), 1).value
    random = np.random.default_rng(0)
    lane = np.zeros(1, np.intp)
    start_stage(console, 0, "1-1")
    start = console.save(0)

    def run() -> int:
        # Back to the start now and then: the title's demo and the death screen are not the game.
        if random.random() < 0.1:
            console.restore(0, start)
        holds = random.integers(_RUN_FRAMES, size=(1, len(PLAYED)), dtype=np.int32)
        plan = ButtonPlan(holds, np.full(1, _RUN_FRAMES, np.int32), np.zeros_like(holds))
        return int(console.run(lane, plan)[0])

    try:
        return _rate(run, seconds)
    finally:
        console.close()


def restores(emulator: Choice, seconds: float) -> float:
    """Return restores of a saved state per second."""
    console = choose("emulator", emulator, load_rom(), 1).value
    start_stage(console, 0, "1-1")
    state = console.save(0)

    def restore() -> int:
        for _ in range(100):
            console.restore(0, state)
        return 100

    try:
        return _rate(restore, seconds)
    finally:
        console.close()


def steps(lanes: int, seconds: float, **settings: Any) -> float:
    """Return steps per second, all lanes together: stage 1-1, four frames a step, random actions."""
    envs = gymnasium.make_vec("MarioScore-1-1-DiscreteFrames-v0", num_envs=lanes, **settings)
    envs.reset(seed=0)
    random = np.random.default_rng(0)
    choices = envs.single_action_space.n  # type: ignore[attr-defined]

    def step() -> int:
        envs.step(random.integers(choices, size=lanes))
        return lanes

    try:
        return _rate(step, seconds)
    finally:
        envs.close()


def measure(lanes: int, seconds: float) -> list[Measurement]:
    """Measure everything, each for about ``seconds``."""
    one_thread: Choice = {"builtin/native": {"num_threads": 1}}
    return [
        Measurement("raw frames, one core", "native", raw_frames(one_thread, seconds), "frames/s"),
        Measurement("raw frames, one core", "nes-py", raw_frames("builtin/nes-py", seconds), "frames/s"),
        Measurement("restore of a saved state", "native", 1e6 / restores(one_thread, seconds), "µs"),
        *(
            Measurement(f"{name}, {lanes} lanes", "native", rate, "steps/s")
            for name, observation in OBSERVATIONS.items()
            for rate in [steps(lanes, seconds, emulator="builtin/native", observation=observation)]
        ),
    ]
