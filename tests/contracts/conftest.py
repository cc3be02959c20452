"""Every emulator that can be chosen here; the contract is the same for each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from mario_envs.buttons import Button
from mario_envs.emulators.protocol import Emulator
from mario_envs.game.roms import load_rom
from mario_envs.game.stages import start_stage
from mario_envs.plugins.manager import choose, plugins

EMULATORS = [plugin.key for plugin in plugins() if plugin.kind == "emulator" and plugin.factory]


@pytest.fixture(scope="session", params=EMULATORS)
def emulator_key(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="session")
def started(emulator_key: str) -> Iterator[tuple[Emulator, list[bytes]]]:
    """Two consoles in stage 1-1, one frame apart, and their saved states."""
    emulator: Emulator = choose("emulator", emulator_key, load_rom(), 2).value
    for lane in range(2):
        start_stage(emulator, lane, "1-1")
    emulator.press(1, Button(0))
    yield emulator, [emulator.save(lane) for lane in range(2)]
    emulator.close()


@pytest.fixture
def emulator(started: tuple[Emulator, list[bytes]]) -> Emulator:
    """Two consoles back in stage 1-1."""
    emulator, states = started
    for lane, state in enumerate(states):
        emulator.restore(lane, state)
    assert np.all(emulator.ram(np.arange(2))[:, 0x000E] == 8)
    return emulator


@pytest.fixture
def fresh(emulator_key: str) -> Iterator[Emulator]:
    """One console, 60 frames after it was switched on, whose state a test may save."""
    emulator: Emulator = choose("emulator", emulator_key, load_rom(), 1).value
    emulator.power_on(0)
    emulator.press(0, Button(0), 60)
    yield emulator
    emulator.close()
