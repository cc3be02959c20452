"""The synchronous sampler plays what Stable-Baselines3 plays, and stores change no number."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mario_agents import experiment
from mario_agents.algorithms.registry import find_algorithm
from mario_agents.checkpoints import read_checkpoint
from mario_agents.config import TrainConfig
from mario_agents.configure import configure_run
from mario_agents.env_ids import find_env
from mario_agents.hyperparams import build
from mario_agents.recording import RecordEpisodes
from mario_agents.sampling.actor import Actor
from mario_agents.sampling.learner import Learner
from mario_agents.sampling.spaces_only import SpacesOnlyVecEnv
from mario_agents.sampling.sync import SyncSampler
from mario_agents.sampling.vec_env import make_lanes
from mario_agents.schedules import Budget
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

TIMED = "timed_env:Timed-v0"
ON_POLICY = {"n_steps": 24, "batch_size": 16, "n_epochs": 2, "policy_kwargs": {"net_arch": [8]}}
OFF_POLICY = {
    "learning_starts": 40, "batch_size": 16, "train_freq": 4, "gradient_steps": 2, "buffer_size": 5000,
    "policy_kwargs": {"net_arch": [8]},
}  # fmt: skip


def config_of(name: str, env_id: str = TIMED, steps: int = 240, **settings: Any) -> TrainConfig:
    overrides = settings.pop(
        "overrides", ON_POLICY if name in ("ppo", "ppo_max", "recurrentppo") else OFF_POLICY
    )
    return configure_run(name, env_id, steps=steps, seed=3, overrides=overrides, **{"lanes": 4, **settings})


def weights_after(config: TrainConfig, run: Path) -> dict[str, torch.Tensor]:
    return read_checkpoint(experiment.train(config, run).checkpoint)[1]


def assert_equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> None:
    assert left.keys() == right.keys()
    for name, tensor in left.items():
        assert torch.equal(tensor, right[name]), name


Attach = Callable[[TrainConfig], tuple[Any, Learner]]


@pytest.fixture
def attached(tmp_path: Path) -> Iterator[Attach]:
    """Make an algorithm whose learner is fed by a sync sampler."""
    with ExitStack() as stack:

        def attach(config: TrainConfig) -> tuple[Any, Learner]:
            one_lane = make_lanes(find_env(config.env_id), 1, config.env_kwargs)
            lanes = SpacesOnlyVecEnv(one_lane.observation_space, one_lane.action_space, config.lanes)
            one_lane.close()
            model = build(
                find_algorithm(config.algorithm), config.hyperparams, config.policy, lanes, Budget(),
                device="cpu", seed=config.seed,
            )  # fmt: skip
            recorder = RecordEpisodes(config.lanes, tmp_path / "0.monitor.csv", env_id=config.env_id)
            sampler = SyncSampler(config, config.seed, "cpu")
            stack.callback(recorder.close)
            stack.callback(sampler.close)
            return model, Learner(model, sampler, config, recorder)

        yield attach


@pytest.mark.parametrize("name", ["ppo", "a2c", "recurrentppo", "ppo_max"])
def test_a_rollout_is_stable_baselines3s(name: str, attached: Attach) -> None:
    """The same first rollout as ``learn`` without us, value of truncated episodes and all."""
    small = {"n_steps": 24, "learning_rate": 0.0, "ent_coef": 0.0}
    config = config_of(name, overrides=small if name == "a2c" else {**small, "batch_size": 96, "n_epochs": 1})
    ours, _ = attached(config)
    ours.learn(96)
    lanes = make_lanes(find_env(config.env_id), 4, {})
    theirs = build(
        find_algorithm(name), config.hyperparams, config.policy, lanes, Budget(), device="cpu", seed=3
    )
    theirs.learn(96)
    assert isinstance(theirs, OnPolicyAlgorithm)
    names = ["observations", "actions", "values", "log_probs", "episode_starts", "advantages", "returns"]
    if name == "recurrentppo":
        names += ["hidden_states_pi", "cell_states_vf"]
    for column in names:
        np.testing.assert_allclose(
            getattr(ours.rollout_buffer, column), getattr(theirs.rollout_buffer, column), atol=2e-5,
            err_msg=column,
        )  # fmt: skip
    assert ours.rollout_buffer.episode_starts.sum() > 8


@pytest.mark.parametrize("name", ["ppo", "recurrentppo", "ppo_max"])
def test_an_actor_with_some_of_the_lanes_warns_of_no_minibatch(name: str) -> None:
    all_lanes = {"n_steps": 24, "batch_size": 96, "n_epochs": 1}
    config = config_of(name, sampler="async", actors=2, overrides=all_lanes)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        Actor(config, 0, 3).close()
    assert [str(one.message) for one in told if "mini-batch" in str(one.message)] == []


@pytest.mark.parametrize(
    ("name", "env_id"),
    [
        ("ppo", TIMED),
        ("dqn", TIMED),
        ("a2c", "CartPole-v1"),
        ("sac", "Pendulum-v1"),
        ("ppo_q", "Pendulum-v1"),
        ("ppo_max", "Pendulum-v1"),
    ],
)
def test_stores_change_no_number(name: str, env_id: str, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"overrides": {"n_steps": 24}} if name == "a2c" else {}
    runs = [
        weights_after(config_of(name, env_id, store=store, **settings), tmp_path / store)
        for store in ("segments", "transitions")
    ]
    assert_equal(*runs)


@pytest.mark.parametrize("store", ["segments", "transitions"])
def test_pictures_come_back_as_they_were(store: str, attached: Attach) -> None:
    """A dict of pictures and vectors, off-policy: what is sampled is what was played."""
    pytest.importorskip("mario_envs")
    config = config_of(
        "dqn", "MarioScore-1-1-DiscreteFrames-v0", lanes=2, store=store, steps=48,
        env_kwargs={"observation": {"frames": {"count": 1, "steps": 4}}},
        overrides={"learning_starts": 10_000, "buffer_size": 1000, "train_freq": 12},
    )  # fmt: skip
    model, learner = attached(config)
    played = []
    collect = learner.sampler.collect

    def spy(*arguments: Any) -> Any:
        blocks = collect(*arguments)
        played.extend(blocks or [])
        return blocks

    learner.sampler.collect = spy  # type: ignore[method-assign]
    model.learn(48)
    expected = [segment for block in played for segment in block.segments()]
    batch = model.replay_buffer.store.gather(np.arange(48), learner._discount)
    np.testing.assert_array_equal(
        batch.observations[""], np.concatenate([one.observations[""][one.now] for one in expected])
    )
    np.testing.assert_array_equal(
        batch.next_observations[""], np.concatenate([one.observations[""][one.next] for one in expected])
    )


def test_actors_share_the_lanes(attached: Attach, tmp_path: Path) -> None:
    one = config_of("ppo", actors=1)
    two = config_of("ppo", actors=2)
    first, second = (attached(config)[1].sampler for config in (one, two))
    observations = [
        np.concatenate([actor.model._last_obs for actor in sampler._actors])  # type: ignore[attr-defined]
        for sampler in (first, second)
    ]
    np.testing.assert_array_equal(*observations)  # lane i has seed + i, whoever plays it
    assert experiment.train(two, tmp_path / "run").steps == 288


def test_a_replay_of_pools_trains_as_one_fills(tmp_path: Path) -> None:
    overrides = {**OFF_POLICY, "buffer_size": 160, "learning_starts": 0}
    config = config_of("dqn", pools=4, overrides=overrides, steps=200)
    info, _ = read_checkpoint(experiment.train(config, tmp_path / "run").checkpoint)
    # 16 transitions at a time: a pool of 40 fills in the third collection, which leaves 8 in the next pool.
    assert info.steps == 48 + 32 + 48 + 32 + 48
    assert info.counters["_n_updates"] == 5 * 2


def test_discounts_by_frames_reach_the_loss(attached: Attach, tmp_path: Path) -> None:
    config = config_of("dqn", discount_per="frame", overrides={**OFF_POLICY, "gamma": 0.5})
    model, _ = attached(config)
    model.learn(80)
    samples = model.replay_buffer.sample(64)
    powers = np.log2(samples.discounts.numpy())
    assert set(np.unique(powers).tolist()) == {-1.0, -2.0, -3.0, -4.0, -5.0}

    per_frame, per_step = (
        weights_after(config_of("ppo", discount_per=unit), tmp_path / unit) for unit in ("frame", "step")
    )
    assert any(not torch.equal(per_frame[name], per_step[name]) for name in per_frame)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("ppo", {"actors": 3}, "4 lanes cannot be divided evenly among 3 actors"),
        ("ppo", {"order": "free"}, "sync is always strict"),
        ("ppo", {"order": "bounded"}, "not strict, bounded:K"),
        ("ppo", {"sampler": "rays"}, "sampler 'rays': Input should be 'sync', 'async' or 'ray'"),
        ("ppo", {"sampler": "async", "address": "auto"}, "--address is that of a Ray cluster"),
        ("ppo", {"pools": 2}, "ppo keeps no replay"),
        ("recurrentppo", {"store": "transitions"}, "use --store segments"),
        ("recurrentppo", {"sampler": "async", "order": "bounded:1"}, "use --order strict"),
        ("dqn", {"overrides": {"train_freq": [1, "episode"]}}, "needs --lanes 1, not 4"),
        ("dqn", {"pools": 9, "overrides": {"buffer_size": 8}}, "9 pools need a buffer_size"),
    ],
)
def test_what_does_not_fit_together_is_refused(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        config_of(name, **settings)
    assert "\n" not in str(refusal.value)
