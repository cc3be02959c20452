"""Stacked networks act as the networks one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents.sampling.ensemble import Ensemble
from stable_baselines3.common.policies import (
    ActorCriticCnnPolicy,
    ActorCriticPolicy,
    MultiInputActorCriticPolicy,
)

VECTOR = spaces.Box(-1, 1, (5,), np.float32)
PICTURES = spaces.Box(0, 255, (4, 84, 84), np.uint8)
TWO = spaces.Discrete(2)
SIZE, LANES = 3, 12


def policies_of(
    kind: type[ActorCriticPolicy], observation: spaces.Space[Any], action: spaces.Space[Any], **settings: Any
) -> list[ActorCriticPolicy]:
    policies = []
    for seed in range(SIZE):
        torch.manual_seed(seed)
        policy = kind(observation, action, lambda _: 1e-3, **settings)
        with torch.no_grad():
            for weights in policy.parameters():
                weights.add_(torch.randn_like(weights) * 0.1)  # log_std begins alike
        policies.append(policy)
    return policies


def sample(space: spaces.Space[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: sample(part) for key, part in space.spaces.items()}
    return torch.as_tensor(np.stack([space.sample() for _ in range(LANES)]))


def part_of(observations: Any, group: slice) -> Any:
    if isinstance(observations, dict):
        return {key: part[group] for key, part in observations.items()}
    return observations[group]


@pytest.mark.parametrize(
    ("kind", "observation", "action", "settings"),
    [
        (ActorCriticPolicy, VECTOR, spaces.Discrete(4), {"net_arch": [16, 16]}),
        (ActorCriticPolicy, VECTOR, spaces.Box(-1, 1, (6,)), {"net_arch": {"pi": [8], "vf": [16]}}),
        (ActorCriticPolicy, VECTOR, spaces.MultiBinary(6), {}),
        (ActorCriticPolicy, VECTOR, spaces.MultiDiscrete([3, 2]), {"share_features_extractor": False}),
        (
            MultiInputActorCriticPolicy,
            spaces.Dict({"tiles": VECTOR, "holds": VECTOR}),
            spaces.Box(-1, 1, (6,)),
            {},
        ),
        (ActorCriticCnnPolicy, PICTURES, spaces.Discrete(7), {}),
    ],
)
def test_each_lane_group_acts_with_its_own_network(
    kind: type[ActorCriticPolicy],
    observation: spaces.Space[Any],
    action: spaces.Space[Any],
    settings: dict[str, Any],
) -> None:
    policies = policies_of(kind, observation, action, **settings)
    observations = sample(observation)
    ensemble = Ensemble(policies)
    values = None
    for deterministic in (True, False):
        actions, values, log_probs = ensemble.act(observations, deterministic)
        for number, policy in enumerate(policies):
            group = slice(number * LANES // SIZE, (number + 1) * LANES // SIZE)
            seen = part_of(observations, group)
            with torch.no_grad():
                expected_values, expected_log_probs, _ = policy.evaluate_actions(seen, actions[group])
                best, _, _ = policy(seen, deterministic=True)
            torch.testing.assert_close(values[group], expected_values.flatten(), atol=1e-5, rtol=1e-4)
            torch.testing.assert_close(log_probs[group], expected_log_probs, atol=1e-4, rtol=1e-4)
            if deterministic:
                torch.testing.assert_close(actions[group], best.reshape(actions[group].shape))
    assert values is not None
    with torch.no_grad():
        alone = policies[0].predict_values(observations).flatten()
    assert not torch.allclose(values[LANES // SIZE :], alone[LANES // SIZE :], atol=1e-3), "all act alike"


def test_what_cannot_be_stacked_is_refused() -> None:
    def make(action: spaces.Space[Any] = TWO, **settings: Any) -> ActorCriticPolicy:
        return ActorCriticPolicy(VECTOR, action, lambda _: 1e-3, **settings)

    with pytest.raises(ValueError, match="one architecture"):
        Ensemble([make(), make(net_arch=[8])])
    with pytest.raises(ValueError, match="one policy at least"):
        Ensemble([])
    with pytest.raises(ValueError, match="explore by state"):
        Ensemble([make(spaces.Box(-1, 1, (2,)), use_sde=True)])
    with pytest.raises(ValueError, match="12 lanes cannot be divided evenly among 5 policies"):
        Ensemble([make() for _ in range(5)]).act(sample(VECTOR))
