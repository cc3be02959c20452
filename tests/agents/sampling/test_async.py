"""Actor processes: equal to the synchronous sampler where that is promised, and never staler than allowed."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mario_agents import experiment
from mario_agents.checkpoints import read_checkpoint
from mario_agents.recording import RecordEpisodes
from mario_agents.sampling.actor import Actor, Clock
from mario_agents.sampling.asynchronous import AsyncSampler
from mario_agents.sampling.block import Block
from mario_agents.sampling.learner import Learner
from mario_agents.sampling.processes import ProcessActors
from mario_agents.sampling.protocol import SamplerCounts
from mario_agents.sampling.remote import AHEAD
from mario_agents.sampling.shared import PREFIX
from mario_agents.sampling.spaces_only import SpacesOnlyVecEnv
from mario_agents.sampling.sync import SyncSampler
from stable_baselines3 import PPO
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from .test_sync import OFF_POLICY, TIMED, assert_equal, config_of

pytestmark = pytest.mark.timed

TWO_NETWORKS = {**OFF_POLICY, "policy_kwargs": {"net_arch": [8], "n_actors": 2}}


@pytest.fixture(autouse=True)
def _nothing_is_left_in_shared_memory() -> Iterator[None]:
    yield
    assert not list(Path("/dev/shm").glob(f"{PREFIX}{os.getpid()}_*"))


def call_of(run: Path) -> dict[str, Any]:
    call: dict[str, Any] = json.loads((run / "manifest.json").read_text())["calls"][-1]
    return call


@pytest.mark.parametrize(
    ("name", "env_id", "settings"),
    [
        ("ppo", TIMED, {}),
        ("recurrentppo", TIMED, {}),
        ("dqn", TIMED, {}),
        ("td3", "Pendulum-v1", {}),
        ("sac", "Pendulum-v1", {}),
        ("ppo_q", "Pendulum-v1", {"overrides": TWO_NETWORKS}),
        ("ppo_max", "Pendulum-v1", {}),
    ],
)
def test_strict_equals_sync_bit_for_bit(
    name: str, env_id: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    settings = {"actors": 2, "steps": 240, **settings}
    found = []
    for sampler in ("sync", "async"):
        outcome = experiment.train(config_of(name, env_id, sampler=sampler, **settings), tmp_path / sampler)
        info, tensors = read_checkpoint(outcome.checkpoint)
        lines = (tmp_path / sampler / "training" / "0.monitor.csv").read_text().splitlines()[2:]
        # All but the time at which an episode ended.
        episodes = [[part for i, part in enumerate(line.split(",")) if i != 2] for line in lines]
        found.append((tensors, info.counters, info.frames, episodes))
    assert_equal(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]
    assert list(call_of(tmp_path / "async")["sampling"]["lags"]) == ["0"]


@pytest.mark.parametrize(("order", "most"), [("bounded:0", 0), ("bounded:1", 1), ("free", None)])
@pytest.mark.parametrize("name", ["ppo", "a2c", "dqn"])
def test_no_data_lags_more_than_the_order_allows(
    name: str, order: str, most: int | None, tmp_path: Path
) -> None:
    settings: dict[str, Any] = {"overrides": {"n_steps": 4}} if name == "a2c" else {}
    config = config_of(name, sampler="async", order=order, actors=2, steps=2000, **settings)
    outcome = experiment.train(config, tmp_path / "run")
    sampling = call_of(outcome.run)["sampling"]
    lags = {int(lag): count for lag, count in sampling["lags"].items()}
    assert outcome.steps >= 2000
    assert sum(lags.values()) == outcome.steps
    assert min(lags) >= 0
    if most is not None:
        assert max(lags) <= most
    assert 0 <= sampling["learner_idle"] <= 1
    assert set(sampling["actor_idle"]) <= {"0", "1"}
    log = EventAccumulator(str(outcome.run / "tensorboard"))
    log.Reload()
    assert "sampling/lag" in log.Tags()["histograms"]
    assert {"sampling/actor_idle", "sampling/learner_idle", "sampling/lag_max"} <= set(log.Tags()["scalars"])


@pytest.mark.parametrize(
    ("name", "env_id"),
    [("qrdqn", TIMED), ("ddpg", "Pendulum-v1"), ("tqc", "Pendulum-v1"), ("crossq", "Pendulum-v1")],
)
def test_every_off_policy_algorithm_learns_from_actors(name: str, env_id: str, tmp_path: Path) -> None:
    config = config_of(name, env_id, sampler="async", order="free", actors=2, steps=400)
    outcome = experiment.train(config, tmp_path / "run")
    info, tensors = read_checkpoint(outcome.checkpoint)
    assert info.counters["_n_updates"] > 10
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert sum(call_of(outcome.run)["sampling"]["lags"].values()) == outcome.steps >= 400


def test_actors_wait_for_a_learner_that_takes_nothing(tmp_path: Path) -> None:
    """Back-pressure: an actor is never more than its slots ahead, however long the learner takes."""
    config = config_of("ppo", sampler="async", order="free", actors=2)
    actor = Actor(config, 0, 3)
    sampler = AsyncSampler(config, 3, ProcessActors(config, actor.model.observation_space))
    try:
        sampler.publish(0, actor.model.policy.state_dict())
        blocks = sampler.collect(TrainFreq(24, TrainFrequencyUnit.STEP), Clock(0, 1000), lambda: True, 2)
        assert blocks is not None
        played, since = [-1, -1], time.monotonic()
        while time.monotonic() < since + 1.5:  # nothing has moved for so long
            now = [handle.steps for handle in sampler._handles]
            if now != played:
                played, since = now, time.monotonic()
            time.sleep(0.05)
        taken = [sum(block.actor == number for block in [*blocks, *sampler._pieces]) for number in range(2)]
        assert played == [24 * (count + AHEAD) for count in taken]
    finally:
        sampler.close()
        actor.close()


class Lagging:
    """A sampler whose actor never gets new weights after the first."""

    def __init__(self, sampler: SyncSampler) -> None:
        self._sampler, self.counts = sampler, SamplerCounts()
        self._given = False

    def publish(self, version: int, weights: Any) -> None:
        if not self._given:
            self._sampler.publish(version, weights)
            self._given = True

    def collect(self, *arguments: Any) -> list[Block] | None:
        self.blocks = self._sampler.collect(*arguments)
        return self.blocks

    def close(self) -> None:
        self._sampler.close()


@pytest.mark.parametrize("env_id", [TIMED, "Pendulum-v1"])
def test_lagging_data_is_weighed_by_the_policy_of_now(
    env_id: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    overrides = {"n_steps": 24, "batch_size": 96, "n_epochs": 6, "learning_rate": 0.05, "use_sde": False}
    config = config_of("ppo", env_id, sampler="async", order="free", overrides=overrides)
    sampler = Lagging(SyncSampler(config, 3, "cpu"))
    actor = sampler._sampler._actors[0]
    spaces = actor.model.observation_space, actor.model.action_space
    model = PPO(config.policy, SpacesOnlyVecEnv(*spaces, 4), **config.hyperparams, device="cpu", seed=3)
    recorder = RecordEpisodes(4, tmp_path / "0.monitor.csv", env_id=env_id)
    request.addfinalizer(recorder.close)
    request.addfinalizer(sampler.close)
    learner = Learner(model, sampler, config, recorder)
    model.learn(96)
    before = {name: tensor.clone() for name, tensor in model.policy.state_dict().items()}
    model.learning_rate, model.n_epochs = 0.0, 1
    model._setup_lr_schedule()
    model.learn(96, reset_num_timesteps=False)
    assert_equal(before, model.policy.state_dict())
    assert learner.counts.lags == {0: 96, 1: 96}

    policy, buffer = model.policy, model.rollout_buffer
    assert isinstance(policy, ActorCriticPolicy)
    (block,) = sampler.blocks or []
    for lane in range(4):
        observations = torch.as_tensor(block.observations[""][:, lane])
        actions = torch.as_tensor(block.actions[:, lane])
        with torch.no_grad():
            values, log_probs, _ = policy.evaluate_actions(
                observations[:-1], actions.flatten() if env_id == TIMED else actions
            )
            following = policy.predict_values(observations).flatten()[1:].clone()
            for number, (step, of) in enumerate(np.argwhere(block.done).tolist()):
                if of == lane:
                    final = torch.as_tensor(block.finals[""][number])[None]
                    following[step] = policy.predict_values(final)[0, 0] * float(block.truncated[step, lane])
        rho = np.exp(log_probs.numpy() - block.extras["log_probs"][:, lane]).clip(max=1.0)
        assert rho.min() < 0.9, "the policies do not differ enough to test anything"
        expected, carry = np.zeros(24), 0.0
        for step in reversed(range(24)):
            error = block.rewards[step, lane] + model.gamma * float(following[step]) - float(values[step, 0])
            going_on = not block.done[step, lane]
            carry = rho[step] * (error + model.gamma * model.gae_lambda * going_on * carry)
            expected[step] = carry
        rows = slice(24 * lane, 24 * (lane + 1))  # minibatches were drawn, so the buffer is flat
        np.testing.assert_allclose(buffer.advantages[rows, 0], expected, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(buffer.log_probs[rows, 0], log_probs, atol=1e-5)
