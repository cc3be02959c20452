"""Our machine against cynes, frame for frame: RAM over random play of all 32 stages, and pictures."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable

import numpy as np
import pytest
from mario_envs.emulators.native import NativeEmulator
from mario_envs.game.roms import Rom

from .cynes_console import TwoConsoles, random_play

STAGES = [(world, stage) for world in range(1, 9) for stage in range(1, 5)]
FRAMES = 3000 if os.environ.get("MARIO_LONG") else 300
PICTURE_EVERY = 10


@pytest.mark.parametrize(("world", "stage"), STAGES, ids=lambda number: str(number))
def test_ram_and_picture_are_those_of_cynes(
    world: int, stage: int, rom: Rom, make_emulator: Callable[..., NativeEmulator]
) -> None:
    both = TwoConsoles(rom.path, make_emulator())
    both.enter(world, stage)
    assert both.our_ram()[0x075F] == world - 1
    pictures = []
    rng = np.random.default_rng(10 * world + stage)
    for frame, buttons in enumerate(random_play(rng, FRAMES)):
        both.frame(buttons)
        ours, theirs = both.our_ram(), both.cynes_ram()
        differing = np.flatnonzero(ours != theirs)
        assert differing.size == 0, f"frame {frame}: RAM differs at {[hex(a) for a in differing[:8]]}"
        if frame % PICTURE_EVERY == 0:
            packed = both.cynes_picture.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
            pictures.append((both.our_indexes(), packed))

    # cynes gives RGB by a palette of its own, we give palette indexes: each index must always meet the same
    # color. Two black indexes may share one.
    seen: defaultdict[int, Counter[int]] = defaultdict(Counter)
    for indexes, colors in pictures:
        pairs, counts = np.unique(indexes.astype(np.uint64) << 32 | colors, return_counts=True)
        for pair, count in zip(pairs.tolist(), counts.tolist(), strict=True):
            seen[pair >> 32][pair & 0xFFFFFFFF] += count
    total = sum(sum(colors.values()) for colors in seen.values())
    agreeing = sum(max(colors.values()) for colors in seen.values())
    assert len(seen) >= 4
    assert agreeing == total, f"{total - agreeing} of {total} pixels differ"
