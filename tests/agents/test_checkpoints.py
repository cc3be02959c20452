"""A checkpoint comes back as it was, or is refused with the reason."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_agents import experiment
from mario_agents.acting import load_agent
from mario_agents.algorithms.registry import find_algorithm
from mario_agents.checkpoint_header import is_checkpoint
from mario_agents.checkpoints import (
    CheckpointError,
    _digest,
    list_checkpoints,
    load_model,
    read_checkpoint,
    save_checkpoint,
)
from mario_agents.configure import configure_run
from mario_agents.env_ids import find_env
from mario_agents.hyperparams import build
from mario_agents.sampling.vec_env import make_lanes
from mario_agents.schedules import Budget
from safetensors.torch import load_file, save_file
from stable_baselines3.common.base_class import BaseAlgorithm

POLE = gymnasium.make("CartPole-v1")


@pytest.fixture(scope="module")
def newest(pole_run: Path) -> Path:
    return list_checkpoints(pole_run / "checkpoints")[-1]


def assert_same(left: Any, right: Any) -> None:
    """Two nested states are equal, tensors bit for bit."""
    if isinstance(left, torch.Tensor):
        assert torch.equal(left, right)
    elif isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_same(left[key], right[key])
    elif isinstance(left, list | tuple):
        assert type(left) is type(right)
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_same(one, other)
    else:
        assert left == right


def trained(name: str, env_id: str, overrides: dict[str, Any]) -> tuple[BaseAlgorithm, Any, Any]:
    config = configure_run(name, env_id, steps=300, seed=1, lanes=2, overrides=overrides)
    lanes = make_lanes(find_env(env_id), 2, {})
    model = build(find_algorithm(name), config.hyperparams, config.policy, lanes, Budget(), seed=1)
    model.learn(300)
    return model, config, lanes


@pytest.mark.parametrize(
    ("name", "env_id", "overrides"),
    [
        ("ppo", "CartPole-v1", {"batch_size": 64}),
        ("ppo", "Pendulum-v1", {"n_steps": 64}),  # gSDE
        ("sac", "Pendulum-v1", {"learning_starts": 100, "gradient_steps": 1}),  # an entropy coefficient
        ("dqn", "CartPole-v1", {"learning_starts": 100, "train_freq": 4, "gradient_steps": 1}),
    ],
)
def test_round_trip_keeps_weights_optimisers_and_counters(
    name: str, env_id: str, overrides: dict[str, Any], tmp_path: Path
) -> None:
    model, config, lanes = trained(name, env_id, overrides)
    path = save_checkpoint(tmp_path, model, config, frames=9, episodes=4, seconds=1.5, versions={})
    loaded, info = load_model(path, lanes, device="cpu")

    assert_same(loaded.get_parameters(), model.get_parameters())
    for variable in model._get_torch_save_params()[1]:
        assert_same(getattr(loaded, variable), getattr(model, variable))
    assert (loaded.num_timesteps, loaded._n_updates) == (model.num_timesteps, model._n_updates)
    assert (info.frames, info.episodes, info.seconds) == (9, 4, 1.5)
    assert info.config == config
    observations = lanes.reset()
    np.testing.assert_array_equal(
        loaded.predict(observations, deterministic=True)[0],
        model.predict(observations, deterministic=True)[0],
    )


def test_a_network_used_by_actor_and_critic_is_stored_once(tmp_path: Path) -> None:
    pixels = spaces.Box(0, 255, (4, 84, 84), np.uint8)
    gymnasium.register("Noise-v0", lambda **_: Noise(pixels), max_episode_steps=5)
    try:
        short = {"n_steps": 8, "batch_size": 8, "lanes": 1}
        config = configure_run("ppo", "Noise-v0", steps=8, seed=0, overrides=short)
        outcome = experiment.train(config, tmp_path / "run")
        info, tensors = read_checkpoint(outcome.checkpoint)
        shared = [name for name in info.same_as if "vf_features_extractor" in name]
        assert shared
        stored = load_file(outcome.checkpoint)
        assert not set(shared) & stored.keys()
        assert set(shared) <= tensors.keys()
        agent, _ = load_agent(outcome.run, pixels, spaces.Discrete(3))
        assert agent(pixels.sample()[None], np.ones(1, bool)).shape == (1,)
    finally:
        del gymnasium.registry["Noise-v0"]


class Noise(gymnasium.Env[Any, Any]):
    action_space = spaces.Discrete(3)

    def __init__(self, space: spaces.Space[Any]) -> None:
        self.observation_space = space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.observation_space.sample(), 0.0, False, False, {}


def test_only_the_newest_are_kept(tmp_path: Path) -> None:
    config = configure_run("ppo", "CartPole-v1", steps=2048, seed=0, checkpoints=8, keep=2)
    outcome = experiment.train(config, tmp_path / "run")
    kept = list_checkpoints(tmp_path / "run" / "checkpoints")
    assert len(kept) == 2
    assert kept[-1] == outcome.checkpoint
    assert not list((tmp_path / "run" / "checkpoints").glob(".*"))


def refuses(path: Path, reason: str) -> None:
    with pytest.raises(CheckpointError, match=reason) as refusal:
        load_agent(path, POLE.observation_space, POLE.action_space)
    assert "\n" not in str(refusal.value)
    assert str(path) in str(refusal.value)


@settings(max_examples=60, deadline=None)
@given(share=st.floats(0, 0.9999))
def test_truncated_files_are_refused(
    newest: Path, tmp_path_factory: pytest.TempPathFactory, share: float
) -> None:
    content = newest.read_bytes()
    path = tmp_path_factory.mktemp("cut") / newest.name
    path.write_bytes(content[: int(share * len(content))])
    refuses(path, "not a whole safetensors file")


@settings(max_examples=100, deadline=None)
@given(share=st.floats(0, 0.9999), bit=st.integers(0, 7))
def test_one_flipped_bit_is_refused(
    newest: Path, tmp_path_factory: pytest.TempPathFactory, share: float, bit: int
) -> None:
    content = bytearray(newest.read_bytes())
    content[int(share * len(content))] ^= 1 << bit
    path = tmp_path_factory.mktemp("flip") / newest.name
    path.write_bytes(content)
    refuses(path, "damaged|not a whole safetensors file|not a checkpoint of mario-agents")


def test_a_pickle_is_refused_and_not_run(tmp_path: Path) -> None:
    class Attack:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "attacked",))

    path = tmp_path / "step-000000001.safetensors"
    path.write_bytes(pickle.dumps(Attack()))
    refuses(path, "not a whole safetensors file")
    assert not (tmp_path / "attacked").exists()
    assert not is_checkpoint(path)


def test_someone_elses_safetensors_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "step-000000001.safetensors"
    save_file({"weight": torch.zeros(3)}, path, {"format": "pt"})
    refuses(path, "not a checkpoint of mario-agents")
    assert not is_checkpoint(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="No such file"):
        read_checkpoint(tmp_path / "none.safetensors")


def test_other_spaces_are_refused(newest: Path) -> None:
    with pytest.raises(CheckpointError, match="made for the observation space"):
        load_agent(newest, spaces.Box(-1, 1, (4,), np.float32), POLE.action_space)
    with pytest.raises(CheckpointError, match=r"action space Discrete\(2\), not for Discrete\(3\)"):
        load_agent(newest, POLE.observation_space, spaces.Discrete(3))


def forge(newest: Path, path: Path, change: Any) -> None:
    """Write a checkpoint with a right digest and changed contents."""
    header = newest.read_bytes()
    metadata = json.loads(header[8 : 8 + int.from_bytes(header[:8], "little")])["__metadata__"]
    tensors, document = load_file(newest), json.loads(metadata["mario_agents"])
    change(tensors, document)
    text = json.dumps(document)
    save_file(tensors, path, {"mario_agents": text, "sha256": _digest(text, tensors)})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors, document: document.update(format_version=99), "format 99"),
        (lambda tensors, document: document.pop("frames"), "frames"),
        (
            lambda tensors, document: tensors.pop("policy/action_net.bias"),
            "lacks the tensor policy/action_net.bias",
        ),
        (
            lambda tensors, document: tensors.update({"policy/action_net.bias": torch.zeros(5)}),
            r"policy/action_net.bias has shape \[5\], the agent needs \[2\]",
        ),
        (
            lambda tensors, document: tensors.update({"policy.optimizer/state/0/exp_avg": torch.zeros(5)}),
            "has not the shape of its parameter",
        ),
        (
            lambda tensors, document: tensors.update({"policy.optimizer/state/999/exp_avg": torch.zeros(5)}),
            "belongs to no parameter",
        ),
        (
            lambda tensors, document: document["optimisers"].clear(),
            "are not those of this agent",
        ),
        (lambda tensors, document: document["same_as"].update(a="b"), "lacks the tensors b"),
    ],
)
def test_consistent_files_with_foreign_contents_are_refused(
    newest: Path, tmp_path: Path, change: Any, reason: str
) -> None:
    path = tmp_path / newest.name
    forge(newest, path, change)
    refuses(path, reason)


def test_resume_refuses_a_damaged_newest_checkpoint(pole_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(pole_run, run)
    newest = list_checkpoints(run / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="not a whole safetensors file"):
        experiment.resume(run, steps=100)
    assert not (run / "training" / "1.monitor.csv").exists()
