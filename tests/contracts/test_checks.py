"""The checks for plugin authors: they pass what we ship, and find what they are for."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.actions.discrete_frames import DiscreteFrames
from mario_envs.buttons import LEFT, RIGHT
from mario_envs.observations.base import Observation, Pictures
from mario_envs.observations.frames import Frames
from mario_envs.observations.tiles import Tiles
from mario_envs.rewards.original import OriginalReward
from mario_envs.rewards.score import ScoreReward
from mario_envs.testing import check_action, check_observation, check_reward


@pytest.mark.parametrize("reward", [ScoreReward(), ScoreReward(lost_score=0.5), OriginalReward()], ids=repr)
def test_our_rewards_pass(reward: Any) -> None:
    check_reward(reward, seed=1)


@pytest.mark.parametrize(
    "action",
    [
        *(
            ContinuousFrames(update, select, bounds, fresh_press=fresh, min_hold=hold)  # type: ignore[arg-type]
            for update, select, bounds, fresh, hold in product(
                ("replace", "add", "keep"), ("all", "longest"), ("tanh", "sigmoid"), (False, True), (1, 6)
            )
        ),
        *map(DiscreteFrames, ("right-only", "simple", "complex", "all", "multi-binary")),  # type: ignore[arg-type]
    ],
    ids=repr,
)
def test_our_actions_pass(action: Any) -> None:
    check_action(action, seed=1)


@pytest.mark.parametrize("observation", [Frames(), Frames(2, 30, 64), Frames(9), Tiles(), Tiles(1)], ids=repr)
def test_our_observations_pass(observation: Any) -> None:
    check_observation(observation, seed=1)


def mean(before: Any, after: Any) -> Any:
    return {"mixed": (after.x - after.x.mean()).astype(float)}


@pytest.mark.parametrize(
    ("reward", "fault"),
    [
        (lambda before, after: {}, "no term"),
        (lambda before, after: {"one": 1.0}, "'one' has shape"),
        (lambda before, after: {"inf": np.full(len(after.x), np.inf)}, "not finite"),
        (mean, "depends on other lanes"),
    ],
)
def test_a_bad_reward_is_found(reward: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_reward(reward)


class Altered:
    """DiscreteFrames with one part of each plan altered."""

    space = spaces.Discrete(7)

    def __init__(self, **parts: Any) -> None:
        self.parts = parts

    def plan(self, actions: Any, remaining: Any) -> Any:
        plan = DiscreteFrames().plan(actions, remaining)
        return replace(plan, **{name: alter(getattr(plan, name)) for name, alter in self.parts.items()})


def both_ways(holds: Any) -> Any:
    holds[:, [LEFT, RIGHT]] = 3
    return holds


@pytest.mark.parametrize(
    ("action", "fault"),
    [
        (Altered(holds=both_ways), "opposite directions"),
        (Altered(holds=lambda holds: holds - 1), "negative number of frames"),
        (Altered(holds=lambda holds: holds.astype(float)), "plan.holds is float64"),
        (Altered(holds=lambda holds: holds[:, :5]), r"plan.holds is int32 of shape \(3, 5\)"),
        (Altered(frames=lambda frames: frames * 0), "no frame"),
        (Altered(frames=lambda frames: frames[:1]), "plan.frames"),
        (Altered(released=lambda released: released - 2), "negative"),
    ],
)
def test_a_bad_action_is_found(action: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_action(action)


class Constant(Observation):
    """An observation that a test spoils."""

    space = spaces.Box(0, 1, (2,), np.float32)

    def __init__(self, rows: Any, **attributes: Any) -> None:
        self.rows = rows
        vars(self).update(attributes)

    def observe(self, view: Any) -> Any:
        return self.rows(view)


SHARED = np.zeros((3, 2), np.float32)


def first_frames(frames: Any, lanes: Any, random: Any) -> Any:
    return np.stack([frames, frames], axis=1).astype(np.int32)


@pytest.mark.parametrize(
    ("observation", "fault"),
    [
        (Constant(lambda view: np.zeros((3, 3), np.float32)), "not in its space"),
        (Constant(lambda view: np.full((3, 2), 7, np.float32)), "not in its space"),
        (Constant(lambda view: np.full((3, 2), np.nan, np.float32)), "not in its space"),
        (Constant(lambda view: SHARED), "share memory"),
        (
            Constant(
                lambda view: np.zeros((3, 2), np.float32), pictures=Pictures(2, 84, 84), keep=first_frames
            ),
            "left the step",
        ),
    ],
)
def test_a_bad_observation_is_found(observation: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_observation(observation)
