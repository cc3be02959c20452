"""Ten million frames of random play: no fault, and memory that stays flat."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from mario_envs.buttons import PLAYED, ButtonPlan
from mario_envs.emulators.native import NativeEmulator
from mario_envs.game.stages import STAGES, start_stage

LANES, RUN_FRAMES, ALL_FRAMES = 32, 250, 10_000_000


def resident_kib() -> int:
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


@pytest.mark.skipif(
    not os.environ.get("MARIO_LONG"), reason="takes minutes: set MARIO_LONG=1, or nox -s long"
)
@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads its memory from Linux's /proc")
def test_ten_million_frames_leave_memory_as_it_was(make_emulator: Callable[..., NativeEmulator]) -> None:
    emulator = make_emulator(LANES)
    for lane, stage in enumerate(STAGES):
        start_stage(emulator, lane, stage)
    random = np.random.default_rng(0)
    lanes = np.arange(LANES)
    pictures = np.zeros((LANES, 1, 84, 84), np.uint8)
    keep = np.full((LANES, 1), RUN_FRAMES - 1, np.int32)
    ran, early = 0, None
    while ran < ALL_FRAMES:
        holds = random.integers(RUN_FRAMES, size=(LANES, len(PLAYED)), dtype=np.int32)
        plan = ButtonPlan(holds, np.full(LANES, RUN_FRAMES, np.int32), np.zeros_like(holds))
        ran += int(emulator.run(lanes, plan, keep=keep, pictures=pictures).sum())
        if early is None and ran >= ALL_FRAMES // 20:
            early = resident_kib()
    assert early is not None
    assert resident_kib() - early < 1024
