"""Checks for plugin authors: call them in your own tests.

Each raises :class:`AssertionError` with one line that says what is wrong, and returns nothing otherwise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_envs.actions.base import Action, check_actions, plan_fault
from mario_envs.buttons import PLAYED, Button, ButtonPlan
from mario_envs.emulators.protocol import RAM_SIZE, SCREEN_HEIGHT, SCREEN_WIDTH, Emulator
from mario_envs.game.state import GameState, decode
from mario_envs.lane_random import LaneRandom
from mario_envs.observations.base import Observation, View
from mario_envs.rewards.base import Reward

_LANES = 3


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)


def _ram(random: np.random.Generator, lanes: int = _LANES) -> NDArray[np.uint8]:
    """Return RAM as the game might hold it: any bytes, but digits in the counters."""
    ram = random.integers(256, size=(lanes, RAM_SIZE), dtype=np.uint8)
    ram[:, 0x07DD:0x07FB] %= 10
    return ram


def _states(random: np.random.Generator) -> tuple[GameState, GameState]:
    frame = np.zeros(_LANES, np.int64)
    return decode(_ram(random), frame=frame), decode(_ram(random), frame=frame + 4)


def check_reward(reward: Reward, *, seed: int = 0) -> None:
    """Check that a reward returns finite terms of the right shape and does not depend on the other lanes.

    >>> from mario_envs.rewards.score import ScoreReward
    >>> check_reward(ScoreReward())
    """
    random = np.random.default_rng(seed)
    for _ in range(20):
        before, after = _states(random)
        terms = reward(before, after)
        _require(len(terms) > 0, "the reward returned no term")
        for name, term in terms.items():
            values = np.asarray(term, np.float64)
            _require(values.shape == (_LANES,), f"term {name!r} has shape {values.shape}, not ({_LANES},)")
            _require(bool(np.isfinite(values).all()), f"term {name!r} is not finite")
            for lane in range(_LANES):
                row = np.array([lane])
                alone = np.asarray(reward(before.take(row), after.take(row))[name], np.float64)
                _require(
                    bool(np.array_equal(alone, values[row])),
                    f"term {name!r} of a lane depends on other lanes",
                )


def check_action(action: Action, *, seed: int = 0) -> None:
    """Check that an action plans what a controller can press, for any action of its space.

    >>> from mario_envs.actions.continuous_frames import ContinuousFrames
    >>> check_action(ContinuousFrames())
    """
    space = action.space
    space.seed(seed)
    remaining = np.zeros((_LANES, len(PLAYED)), np.int32)
    for _ in range(100):
        actions = check_actions(space, [space.sample() for _ in range(_LANES)], _LANES)
        plan = action.plan(actions, remaining)
        fault = plan_fault(plan, _LANES)
        _require(fault is None, fault or "")
        remaining = np.maximum(plan.holds - plan.frames[:, None], 0)


def check_observation(observation: Observation, *, seed: int = 0) -> None:
    """Check that observations lie in their space, are not the same memory twice and mix no lanes.

    >>> from mario_envs.observations.frames import Frames
    >>> check_observation(Frames())
    """
    random = np.random.default_rng(seed)
    lanes = np.arange(_LANES)
    memory = np.zeros((_LANES, *observation.memory_shape), observation.memory_dtype)
    wanted, streams = observation.pictures, LaneRandom(_LANES)
    earlier: Any = None
    for number in range(5):
        pictures = None
        if wanted is not None:
            frames = random.integers(1, 60, _LANES).astype(np.int32)
            keep = observation.keep(frames, lanes, streams)
            _require(keep.shape == (_LANES, wanted.count), f"keep() returned shape {keep.shape}")
            inside = (keep >= 0) & (keep < frames[:, None])
            _require(
                bool(inside.all() and (np.diff(keep) >= 0).all()), "keep() left the step, or does not rise"
            )
            size = (_LANES, wanted.count, wanted.height, wanted.width)
            pictures = random.integers(256, size=size, dtype=np.uint8)
        state, _ = _states(random)
        remaining = np.zeros((_LANES, len(PLAYED)), np.int32)
        first = np.full(_LANES, number == 0)
        view = View(state, _ram(random), remaining, pictures, first, memory)
        observed = observation.observe(view)
        for lane in range(_LANES):
            row = _lane(observed, lane)
            _require(observation.space.contains(row), f"the observation of lane {lane} is not in its space")
        if earlier is not None:
            _require(not _share_memory(earlier, observed, memory), "two observations share memory of its own")
        earlier = observed


def _lane(batch: Any, lane: int) -> Any:
    return (
        {name: _lane(part, lane) for name, part in batch.items()} if isinstance(batch, dict) else batch[lane]
    )


def _share_memory(first: Any, second: Any, memory: NDArray[Any]) -> bool:
    """Whether two observations share memory other than what the view lent, which is copied in time."""
    if isinstance(first, dict):
        return any(_share_memory(first[name], second[name], memory) for name in first)
    return bool(np.shares_memory(first, second)) and not np.shares_memory(second, memory)


def check_emulator(emulator: Emulator, *, frames: int = 60) -> None:
    """Check that an emulator keeps the protocol's promises; it must hold a bootable ROM and a lane.

    Args:
        emulator: to check; it is left running.
        frames: length of the runs that are compared.
    """
    lane = np.zeros(1, np.intp)
    plan = ButtonPlan.steady(Button.RIGHT, frames)
    emulator.power_on(0)
    emulator.press(0, Button(0), 30)
    state = emulator.save(0)
    keep = np.array([[0, frames // 2, frames - 1, frames - 1]], np.int32)
    runs = []
    for _ in range(2):
        emulator.restore(0, state)
        pictures = np.zeros((1, 4, 84, 84), np.uint8)
        ran = emulator.run(lane, plan, keep=keep, pictures=pictures)
        _require(ran.tolist() == [frames], f"a run of {frames} frames ran {ran.tolist()}")
        runs.append((emulator.ram(lane), pictures, emulator.screen(0)))
    ram, pictures, screen = runs[0]
    _require(ram.shape == (1, RAM_SIZE) and ram.dtype == np.uint8, "ram() must be uint8 [1, 2048]")
    _require(screen.shape == (SCREEN_HEIGHT, SCREEN_WIDTH, 3), f"screen() has shape {screen.shape}")
    _require(bool(np.array_equal(pictures[0, 2], pictures[0, 3])), "one frame kept twice has two pictures")
    same = all(np.array_equal(first, second) for first, second in zip(*runs, strict=True))
    _require(same, "the same run after a restore went differently")
    emulator.poke(0, 0x07FF, 0x5A)
    _require(int(emulator.ram(lane)[0, 0x07FF]) == 0x5A, "a poked byte does not read back")
