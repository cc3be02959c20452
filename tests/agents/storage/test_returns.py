"""Returns against their definitions, written as sums and recursions over single numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_agents.storage.returns import Discount, advantages, n_step
from stable_baselines3.common.buffers import RolloutBuffer


def rollout(seed: int, length: int, lanes: int = 1) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    shape = (length, lanes)
    ends = random.random(shape)
    return {
        "rewards": random.normal(size=shape),
        "values": random.normal(size=shape),
        "next_values": random.normal(size=shape),
        "terminated": ends < 0.15,
        "truncated": (ends >= 0.1) & (ends < 0.3),
        "frames": random.integers(1, 30, shape),
    }


def return_by_definition(data: dict[str, Any], gamma: float, lam: float, rho: Any, step: int) -> float:
    """The target of V at one step of lane 0, as V-trace's recursive remark defines it."""
    reward, value, next_value, terminated, truncated, frames = (float(data[key][step, 0]) for key in data)
    discount, mix = gamma**frames, lam**frames
    bootstrap = 0.0 if terminated else next_value
    target = value + rho[step] * (reward + discount * bootstrap - value)
    last = step == len(data["rewards"]) - 1
    if not (terminated or truncated or last):
        further = return_by_definition(data, gamma, lam, rho, step + 1)
        target += discount * mix * rho[step] * (further - float(data["values"][step + 1, 0]))
    return target


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    length=st.integers(1, 12),
    gamma=st.floats(0, 1),
    lam=st.floats(0, 1),
    on_policy=st.booleans(),
)
def test_targets_equal_their_definition(
    seed: int, length: int, gamma: float, lam: float, on_policy: bool
) -> None:
    data = rollout(seed, length)
    rho = np.ones(length) if on_policy else np.random.default_rng(seed).random(length)
    weights = None if on_policy else rho[:, None]
    found, targets = advantages(Discount(gamma, lam), **data, weights=weights)
    for step in range(length):
        assert targets[step, 0] == pytest.approx(return_by_definition(data, gamma, lam, rho, step), abs=1e-9)
    np.testing.assert_allclose(found, targets - data["values"])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), gamma=st.floats(0, 1), lam=st.floats(0, 1))
def test_one_frame_each_is_the_advantage_of_stable_baselines3(seed: int, gamma: float, lam: float) -> None:
    lanes, length = 3, 9
    data = rollout(seed, length, lanes)
    done = data["terminated"] | data["truncated"]
    data["truncated"] &= ~data["terminated"]
    data["next_values"][:-1] = np.where(done[:-1], data["next_values"][:-1], data["values"][1:])
    buffer = RolloutBuffer(
        length, spaces.Box(-1, 1, (1,)), spaces.Discrete(2), device="cpu", gamma=gamma, gae_lambda=lam,
        n_envs=lanes,
    )  # fmt: skip
    starts = np.ones(lanes)
    for step in range(length):
        # Stable-Baselines3 adds the value of what a truncated episode ended with to its reward.
        reward = data["rewards"][step] + gamma * data["next_values"][step] * data["truncated"][step]
        value, zero = torch.as_tensor(data["values"][step]), torch.zeros(lanes)
        buffer.add(np.zeros((lanes, 1)), np.zeros((lanes, 1)), reward, starts, value, zero)
        starts = done[step]
    buffer.compute_returns_and_advantage(torch.as_tensor(data["next_values"][-1]), done[-1])
    data["frames"][:] = 7  # of no account when steps are discounted
    found, targets = advantages(Discount(gamma, lam, per_frame=False), **data)
    np.testing.assert_allclose(found, buffer.advantages, atol=1e-4)
    np.testing.assert_allclose(targets, buffer.returns, atol=1e-4)


@given(cut=st.lists(st.integers(1, 6), min_size=2, max_size=6), gamma=st.floats(0.1, 1))
def test_a_return_does_not_depend_on_how_time_is_cut(cut: list[int], gamma: float) -> None:
    """One long decision, or several short ones over the same frames, reward at the end."""

    def target(frames: list[int]) -> float:
        rewards = np.zeros((len(frames), 1))
        rewards[-1] = 5.0 / gamma ** frames[-1]  # paid at the end of the last decision
        end = np.zeros((len(frames), 1), bool)
        end[-1] = True
        zeros = np.zeros_like(rewards)
        _, targets = advantages(
            Discount(gamma, 1.0), rewards=rewards * gamma ** frames[-1] * gamma ** frames[-1], values=zeros,
            next_values=zeros, terminated=end, truncated=~end & False, frames=np.array(frames)[:, None],
        )  # fmt: skip
        return float(targets[0, 0])

    assert target(cut) == pytest.approx(target([sum(cut)]), rel=1e-6)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10_000), steps=st.integers(1, 6), gamma=st.floats(0, 1), per_frame=st.booleans())
def test_n_step_returns_equal_the_sum(seed: int, steps: int, gamma: float, per_frame: bool) -> None:
    random = np.random.default_rng(seed)
    rewards, frames = random.normal(size=(4, steps)), random.integers(1, 9, (4, steps))
    lengths = random.integers(1, steps + 1, 4)
    inside = np.arange(steps) < lengths[:, None]
    sums, discounts = n_step(
        Discount(gamma, per_frame=per_frame), rewards=rewards, frames=frames, inside=inside
    )
    for row, length in enumerate(lengths):
        total, factor = 0.0, 1.0
        for step in range(length):
            total += factor * rewards[row, step]
            factor *= gamma ** (frames[row, step] if per_frame else 1)
        assert sums[row] == pytest.approx(total, abs=1e-5)
        assert discounts[row] == pytest.approx(factor, abs=1e-6)
