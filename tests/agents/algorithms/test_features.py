"""Features by name, for whichever algorithm."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents import hyperparams as hp
from mario_agents.algorithms.features import ImpalaFeatures, LinearFeatures, TilesFeatures
from mario_agents.algorithms.registry import find_algorithm
from mario_agents.errors import AgentsError
from mario_agents.schedules import Budget

VECTOR = spaces.Box(-1, 1, (5,), np.float32)
TILES = spaces.Dict({"tiles": spaces.MultiBinary((7, 13, 16)), "vector": VECTOR})
PICTURES = spaces.Box(0, 255, (4, 84, 84), np.uint8)


class Spaces(gymnasium.Env[object, object]):
    """Spaces, and nothing to play."""

    def __init__(self, space: spaces.Space[object]) -> None:
        self.observation_space = space
        self.action_space = spaces.Box(-1, 1, (6,), np.float32)


@pytest.mark.parametrize("name", ["ppo", "ppo_q"])
@pytest.mark.parametrize(
    ("features", "space", "policy"),
    [
        ("tiles", TILES, "MultiInputPolicy"),
        ("linear", TILES, "MultiInputPolicy"),
        ("linear", VECTOR, "MlpPolicy"),
        ("nature", PICTURES, "CnnPolicy"),
        ("impala", PICTURES, "CnnPolicy"),
    ],
)
def test_ppo_and_ppo_q_take_them_by_name(
    name: str, features: str, space: spaces.Space[object], policy: str
) -> None:
    kwargs = {"features_extractor_class": features, "features_extractor_kwargs": {"features_dim": 16}}
    small = {"n_steps": 8, "batch_size": 8} if name == "ppo" else {"buffer_size": 8}
    model = hp.build(
        find_algorithm(name), {"policy_kwargs": kwargs, **small}, policy, Spaces(space), Budget()
    )
    action, _ = model.predict(space.sample())
    assert model.action_space.contains(action)


def test_pictures_get_convolutions() -> None:
    chosen = hp.choose(find_algorithm("ppo_q"), "MarioScore-1-1-ContinuousFrames-v0", PICTURES)
    assert chosen["policy_kwargs"]["features_extractor_class"] == "nature"


def test_summing_rows_is_the_product_with_the_weights() -> None:
    features = LinearFeatures(TILES, 8)
    tiles, vector = (torch.rand(5, 7, 13, 16) < 0.05).float(), torch.randn(5, 5)
    tiles[[1, 4]] = 0  # a grid of nothing, in the middle and at the end
    together = torch.cat([tiles.flatten(1), vector], dim=1)
    weights = torch.cat([features.rows["tiles"].weight, features.layer.weight.T])
    expected = features.activation(together @ weights + features.layer.bias)
    torch.testing.assert_close(features({"tiles": tiles, "vector": vector}), expected)
    torch.testing.assert_close(features({"tiles": tiles.to(torch.int8), "vector": vector}), expected)


def test_null_is_the_policys_own_extractor() -> None:
    arguments = hp.to_arguments(
        find_algorithm("ppo_q"), {"policy_kwargs": {"features_extractor_class": None, "net_arch": [8]}},
        spaces.Box(-1, 1, (6,)), Budget(),
    )  # fmt: skip
    assert arguments["policy_kwargs"] == {"net_arch": [8]}


def test_tiles_see_grid_and_vector() -> None:
    features = TilesFeatures(TILES, 8)
    tiles, vector = torch.zeros(1, 7, 13, 16, dtype=torch.int8), torch.zeros(1, 5)
    nothing = features({"tiles": tiles, "vector": vector})
    assert nothing.shape == (1, 8)
    other = tiles.clone()
    other[0, 2, 9, 6] = 1
    assert not torch.equal(nothing, features({"tiles": other, "vector": vector}))
    assert not torch.equal(nothing, features({"tiles": tiles, "vector": vector + 1}))


def test_features_refuse_what_they_cannot_see() -> None:
    with pytest.raises(AgentsError, match="tiles features need a Dict of grids and vectors"):
        TilesFeatures(VECTOR)
    with pytest.raises(AgentsError, match="impala features need pictures"):
        ImpalaFeatures(VECTOR)
    with pytest.raises(AgentsError, match="did you mean 'tiles'"):
        hp.to_arguments(
            find_algorithm("ppo_q"), {"policy_kwargs": {"features_extractor_class": "tile"}},
            spaces.Box(-1, 1, (6,), np.float32), Budget(),
        )  # fmt: skip
