"""Sampled actions follow the policy's probabilities, and an episode's do not depend on how many lanes act."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import mario_eval
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from mario_agents.acting import Agent, load_agent
from mario_agents.algorithms.registry import find_algorithm
from mario_agents.hyperparams import build
from mario_agents.lane_sampling import sample_actions
from mario_agents.sampling.spaces_only import SpacesOnlyVecEnv
from mario_agents.schedules import Budget

SEEN = spaces.Box(-1, 1, (4,), np.float32)
ACTIONS = {
    "Discrete": spaces.Discrete(5),
    "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
    "MultiBinary": spaces.MultiBinary(6),
    "Box": spaces.Box(-2, 1, (3,), np.float32),
}


def agent(algorithm: str, actions: spaces.Space[Any], **hyperparams: Any) -> Any:
    if algorithm in ("gaussian", "hybrid"):  # heads of PPO-max
        algorithm, hyperparams = "ppo_max", {"policy_kwargs": {"head": algorithm}}
    chosen = {"n_steps": 2, "batch_size": 2, "n_epochs": 1} if algorithm.endswith(("ppo", "ppo_max")) else {}
    policy = "MlpLstmPolicy" if algorithm == "recurrentppo" else "MlpPolicy"
    envs = SpacesOnlyVecEnv(SEEN, actions)
    return build(
        find_algorithm(algorithm), {**chosen, **hyperparams}, policy, envs, Budget(), device="cpu", seed=1
    )


@pytest.mark.parametrize(
    ("algorithm", "actions"),
    [
        *(("ppo", name) for name in ACTIONS),
        ("a2c", "Discrete"),
        ("sac", "Box"),
        ("tqc", "Box"),
        ("ppo_q", "Box"),
        ("ppo_max", "Box"),
        ("gaussian", "Box"),
        ("hybrid", "Box"),
    ],
)
def test_a_lane_draws_what_it_would_draw_alone(algorithm: str, actions: str) -> None:
    model = agent(algorithm, ACTIONS[actions])
    seen = np.random.default_rng(0).uniform(-1, 1, (6, 4)).astype(np.float32)

    together = sample_actions(model, seen, [np.random.default_rng(seed) for seed in range(6)])
    alone = [sample_actions(model, seen[i : i + 1], [np.random.default_rng(i)]) for i in range(6)]

    assert together is not None
    assert batch_space(model.action_space, 6).contains(together)
    np.testing.assert_allclose(together, np.concatenate(alone), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("algorithm", "actions"),
    [*(("ppo", name) for name in ACTIONS), ("sac", "Box"), ("gaussian", "Box"), ("hybrid", "Box")],
)
def test_draws_are_spread_as_those_of_stable_baselines3(algorithm: str, actions: str) -> None:
    model = agent(algorithm, ACTIONS[actions])
    many = 20_000
    seen = np.tile(np.array([0.3, -0.8, 0.1, 0.9], np.float32), (many, 1))

    ours = sample_actions(model, seen, [np.random.default_rng(seed) for seed in range(many)])
    theirs, _ = model.predict(seen, deterministic=False)

    assert ours is not None
    assert ours.shape == theirs.shape
    if actions == "Box":
        for share in (0.05, 0.25, 0.5, 0.75, 0.95):
            quantile = np.quantile(theirs, share, axis=0)
            np.testing.assert_allclose((ours <= quantile).mean(0), (theirs <= quantile).mean(0), atol=0.02)
            if algorithm != "hybrid":  # it tells few numbers, of which the next is far away
                np.testing.assert_allclose(np.quantile(ours, share, axis=0), quantile, atol=0.1)
    else:
        for value in range(6):
            # Half is the most that a share spreads; five standard errors of a difference of two.
            off = np.abs((ours == value).mean(axis=0) - (theirs == value).mean(axis=0))
            assert np.all(off < 5 * 0.5 * np.sqrt(2 / many))


def test_agents_that_sample_otherwise_are_left_to_themselves() -> None:
    for algorithm, actions, settings in (
        ("recurrentppo", "Discrete", {}), ("dqn", "Discrete", {"buffer_size": 1}),
        ("td3", "Box", {"buffer_size": 1}), ("ppo", "Box", {"use_sde": True}),
        ("ppo_q", "Box", {"policy_kwargs": {"deterministic": True}}),
    ):  # fmt: skip
        model = agent(algorithm, ACTIONS[actions], **settings)
        assert sample_actions(model, np.zeros((2, 4), np.float32), [np.random.default_rng(0)] * 2) is None
        acting = Agent(model)
        acting.begin_episodes(np.arange(2), np.array([3, 4]))
        assert len(acting(np.zeros((2, 4), np.float32), np.ones(2, bool))) == 2


def test_an_evaluation_repeats_with_another_number_of_lanes(pole_run: Path) -> None:
    def returns(lanes: int, seed: int = 1) -> list[float]:
        result = mario_eval.evaluate(pole_run, "CartPole-v1", episodes=12, seed=seed, lanes=lanes)
        return result.episodes["return"].to_pylist()

    assert returns(1) == returns(3) == returns(12)
    assert returns(3, seed=2) != returns(3)


def test_without_seeds_each_episode_is_a_new_one(pole_run: Path) -> None:
    pole = gymnasium.make("CartPole-v1")
    acting, _ = load_agent(pole_run, pole.observation_space, pole.action_space)
    seen = np.zeros((2, 4), np.float32)
    drawn = [acting(seen, np.zeros(2, bool)).tolist() for _ in range(40)]
    assert len({tuple(pair) for pair in drawn}) > 1
