from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from mario_agents import hyperparams as hp
from mario_agents.algorithms.registry import ALGORITHMS, check_action_space, find_algorithm
from mario_agents.errors import AgentsError
from mario_agents.schedules import Budget, Linear
from stable_baselines3.common.noise import NormalActionNoise

VECTOR = spaces.Box(-1, 1, (4,), np.float32)
IMAGE = spaces.Box(0, 255, (4, 84, 84), np.uint8)
DICT = spaces.Dict({"tiles": VECTOR})
SIX = spaces.Box(-1, 1, (6,), np.float32)
PPO = find_algorithm("ppo")
DISCRETE_1_1 = "MarioScore-1-1-DiscreteFrames-v0"
CONTINUOUS_1_1 = "MarioScore-1-1-ContinuousFrames-v0"


def arguments(name: str, values: dict[str, Any]) -> dict[str, Any]:
    return hp.to_arguments(find_algorithm(name), values, SIX, Budget())


def test_later_entries_override_earlier_and_the_user_overrides_all() -> None:
    anything = hp.choose(PPO, "Unknown-v0", VECTOR)
    pole = hp.choose(PPO, "CartPole-v1", VECTOR)
    user = hp.choose(PPO, "CartPole-v1", VECTOR, {"gamma": 0.5})
    assert anything["n_steps"] == 128
    assert pole["n_steps"] == 32
    assert pole["lanes"] == anything["lanes"] == 8
    assert (pole["gamma"], user["gamma"]) == (0.98, 0.5)
    assert user["n_steps"] == 32


def test_an_entry_may_be_for_one_kind_of_observation() -> None:
    pixels, tiles = hp.choose(PPO, DISCRETE_1_1, IMAGE), hp.choose(PPO, DISCRETE_1_1, DICT)
    assert pixels["policy"] == "CnnPolicy"
    assert tiles["policy"] == "MultiInputPolicy"
    assert "policy_kwargs" not in pixels
    assert tiles["policy_kwargs"]["net_arch"] == [256]
    assert tiles["policy_kwargs"]["features_extractor_class"] == "linear"
    assert tiles["gamma"] == pixels["gamma"] == 0.9


def test_policy_kwargs_are_merged() -> None:
    chosen = hp.choose(
        PPO, "MarioScore-1-1-ContinuousFrames-v0", VECTOR, {"policy_kwargs": {"net_arch": [8]}}
    )
    assert chosen["policy_kwargs"] == {"log_std_init": -0.5, "net_arch": [8], "activation_fn": "relu"}


def test_the_module_before_the_id_does_not_matter() -> None:
    assert hp.choose(PPO, f"mario_envs:{DISCRETE_1_1}", IMAGE) == hp.choose(PPO, DISCRETE_1_1, IMAGE)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_file_fits_its_algorithms_constructor(name: str) -> None:
    algorithm = ALGORITHMS[name]
    for env_id in (
        "Any-v0",
        "CartPole-v1",
        "Pendulum-v1",
        DISCRETE_1_1,
        "MarioScore-1-1-ContinuousFrames-v0",
    ):
        chosen = hp.choose(algorithm, env_id, VECTOR)
        assert set(chosen) <= set(hp.constructor_keys(algorithm))
        arguments(name, {key: value for key, value in chosen.items() if key not in hp.OUR_KEYS})


def test_values_are_read_as_people_write_them() -> None:
    assert hp.read_value("1e-4") == 1e-4
    assert hp.read_value("0.95") == 0.95
    assert hp.read_value("true") is True
    assert hp.read_value("[64, 64]") == [64, 64]
    with pytest.raises(AgentsError, match="YAML"):
        hp.read_value("[64")


def test_schedules_noise_and_frequencies_become_what_sb3_takes() -> None:
    read = arguments(
        "td3", {"learning_rate": "lin_1e-3", "action_noise": "normal_0.2", "train_freq": [1, "episode"]}
    )
    assert isinstance(read["learning_rate"], Linear)
    assert isinstance(read["action_noise"], NormalActionNoise)
    assert read["train_freq"] == (1, "episode")
    assert arguments("sac", {"ent_coef": "auto_0.1"}) == {"ent_coef": "auto_0.1"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"gamma": "high"}, "gamma must be float"),
        ({"gamma": "lin_1"}, "gamma must be float"),
        ({"n_steps": 1.5}, "n_steps must be int"),
        ({"learning_rate": "lin_fast"}, "lin_START"),
        ({"policy_kwargs": {"activation_fn": "rellu"}}, "did you mean 'relu'"),
        ({"rollout_buffer_class": "os.system"}, "rollout_buffer_class must be"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentsError, match=message):
        arguments("ppo", values)


def test_unknown_names_bring_up_the_nearest() -> None:
    with pytest.raises(AgentsError, match="did you mean 'gamma'"):
        hp.choose(PPO, "CartPole-v1", VECTOR, {"gama": 0.9})
    with pytest.raises(AgentsError, match="did you mean 'sac'"):
        find_algorithm("scc")
    with pytest.raises(AgentsError, match="did you mean 'CnnPolicy'"):
        hp.choose(PPO, "CartPole-v1", VECTOR, {"policy": "CnPolicy"})


def test_an_unfit_action_space_brings_up_the_algorithms_that_fit() -> None:
    with pytest.raises(AgentsError, match="use one of: ppo, a2c, recurrentppo, sac"):
        check_action_space(find_algorithm("dqn"), SIX)
    with pytest.raises(AgentsError, match="use one of: ppo, a2c, recurrentppo, dqn, qrdqn"):
        check_action_space(find_algorithm("sac"), spaces.Discrete(2))
    with pytest.raises(AgentsError, match="no algorithm here serves it"):
        check_action_space(PPO, spaces.Dict({}))


def test_an_algorithm_without_a_policy_for_pictures_says_so() -> None:
    with pytest.raises(AgentsError, match="crossq has no policy for image observations"):
        hp.choose(find_algorithm("crossq"), "Any-v0", IMAGE)
