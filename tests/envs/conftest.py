"""One lane that a test may watch, poke and walk through a stage."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import mario_envs  # noqa: F401 (registers the IDs)
import numpy as np
import pytest
from mario_envs.buttons import Button, ButtonPlan
from mario_envs.emulators.protocol import Emulator
from mario_envs.game.roms import load_rom
from mario_envs.plugins.manager import choose, plugins

#: Every emulator that can be chosen here; the rules of the game must hold on each.
EMULATORS = [plugin.key for plugin in plugins() if plugin.kind == "emulator" and plugin.factory]


class WatchedEmulator:
    """An emulator that counts the frames it runs, whatever it reports, and that a test may poke."""

    def __init__(self, emulator: Emulator) -> None:
        self.inner = emulator
        self.frames = 0

    @property
    def num_lanes(self) -> int:
        return self.inner.num_lanes

    def run(self, lanes: Any, plan: ButtonPlan, *, on_frame: Any = None, **rest: Any) -> Any:
        def count(lane: int, buttons: Button) -> None:
            self.frames += 1
            if on_frame is not None:
                on_frame(lane, buttons)

        return self.inner.run(lanes, plan, on_frame=count, **rest)

    def power_on(self, lane: int) -> None:
        self.inner.power_on(lane)

    def press(self, lane: int, buttons: Button, frames: int = 1) -> None:
        self.inner.press(lane, buttons, frames)

    def ram(self, lanes: Any) -> Any:
        return self.inner.ram(lanes)

    def poke(self, lane: int, address: int, value: int) -> None:
        self.inner.poke(lane, address, value)

    def screen(self, lane: int) -> Any:
        return self.inner.screen(lane)

    def save(self, lane: int) -> bytes:
        return self.inner.save(lane)

    def restore(self, lane: int, state: bytes) -> None:
        self.inner.restore(lane, state)

    def close(self) -> None:
        self.inner.close()


@dataclass
class Player:
    """Plays one environment and keeps what every step brought.

    Attributes:
        env: the environment.
        emulator: under it.
        rewards, infos: of the steps since the last reset; ``start`` is the reset's info.
    """

    #: Button sets of DiscreteFrames("complex").
    NOTHING, RIGHT, RIGHT_RUN, RIGHT_RUN_JUMP, DOWN = 0, 1, 3, 4, 10

    env: gymnasium.Env[Any, Any]
    emulator: WatchedEmulator
    start: dict[str, Any] = field(default_factory=dict)
    rewards: list[float] = field(default_factory=list)
    infos: list[dict[str, Any]] = field(default_factory=list)
    terminated: bool = False
    truncated: bool = False

    @property
    def info(self) -> dict[str, Any]:
        return self.infos[-1] if self.infos else self.start

    def reset(self, seed: int | None = 0) -> Player:
        _, self.start = self.env.reset(seed=seed)
        self.rewards, self.infos = [], []
        self.terminated = self.truncated = False
        return self

    def step(self, action: Any) -> dict[str, Any]:
        _, reward, self.terminated, self.truncated, info = self.env.step(action)
        self.rewards.append(float(reward))
        self.infos.append(info)
        return info

    def poke(self, address: int, *values: int) -> None:
        for offset, value in enumerate(values):
            self.emulator.poke(0, address + offset, value)

    def walk(self, until: Callable[[dict[str, Any]], bool]) -> None:
        """Run and jump to the right, invincible and lifted out of every pit and over every wall."""
        for number in range(1_000):
            if until(self.info) or self.terminated:
                return
            self.poke(0x079F, 0x23)  # the star's timer
            if self.info["y"] > 170:
                self.poke(0x00B5, 1)
                self.poke(0x00CE, 0x60)
            self.step(self.RIGHT_RUN_JUMP if (number // 2) % 3 else self.RIGHT_RUN)
        raise AssertionError(f"the walk got nowhere: {self.info}")

    def fall(self) -> None:
        """Put Mario below the screen, as in a pit."""
        self.poke(0x00B5, 1)
        self.poke(0x00CE, 0xF0)

    def total(self, term: str) -> float:
        return sum(info["reward_terms"][term] for info in self.infos)


@pytest.fixture(scope="session", params=EMULATORS)
def emulator_key(request: pytest.FixtureRequest) -> str:
    """Each emulator in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def make_player(emulator_key: str) -> Iterator[Callable[..., Player]]:
    """Make a player of a stage, whose steps are 12 frames unless the settings say otherwise."""
    made: list[gymnasium.Env[Any, Any]] = []

    def make(stage: str, **settings: Any) -> Player:
        emulator = WatchedEmulator(choose("emulator", emulator_key, load_rom(), 1).value)
        settings = {"action": {"discrete-frames": {"buttons": "complex", "frames": 12}}} | settings
        env = gymnasium.make(f"MarioScore-{stage}-DiscreteFrames-v0", emulator=emulator, **settings)
        made.append(env)
        return Player(env, emulator)

    yield make
    for env in made:
        env.close()


@pytest.fixture(scope="module")
def player_1_1(make_player: Callable[..., Player]) -> Player:
    """A player of 1-1 whose steps are four frames; reset it first."""
    return make_player("1-1", action={"discrete-frames": {"buttons": "complex", "frames": 4}})


def same(first: Any, second: Any) -> bool:
    """Whether two infos or observations are equal: keys, types, dtypes, shapes and values."""
    if isinstance(first, dict):
        return (
            isinstance(second, dict)
            and first.keys() == second.keys()
            and all(same(first[name], second[name]) for name in first)
        )
    if isinstance(first, np.ndarray):
        if not isinstance(second, np.ndarray) or first.dtype != second.dtype or first.shape != second.shape:
            return False
        if first.dtype == object:
            return all(same(a, b) for a, b in zip(first.flat, second.flat, strict=True))
        return bool(np.array_equal(first, second))
    return type(first) is type(second) and bool(first == second)


@pytest.fixture(scope="session")
def identical() -> Callable[[Any, Any], bool]:
    """Give tests :func:`same`."""
    return same
