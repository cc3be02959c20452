"""Environments that fail now and then, and a run that goes on: nothing of a failed step is learned."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from mario_agents import experiment
from mario_agents.sampling.actor import Actor, Clock
from mario_agents.sampling.block import Block
from mario_agents.sampling.skipping import MOST_FAILURES
from mario_agents.sampling.trouble import EnvironmentTroubleError
from mario_agents.sampling.vec_env import LaneVecEnv
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from .test_sync import TIMED, Attach, attached, config_of

__all__ = ["attached"]  # a fixture


def blocks_of(name: str, trouble: str, **settings: Any) -> tuple[Block, Block]:
    """The second block of two lanes, both of which fail in step 30; and the same without a failure."""
    blocks = []
    for at in (30, -1):
        env_kwargs = {"at": at, "trouble": trouble}
        config = config_of(name, lanes=2, on_trouble="skip", env_kwargs=env_kwargs, **settings)
        actor = Actor(config, 0, 3)
        for _ in range(2):
            block = actor.collect(TrainFreq(24, TrainFrequencyUnit.STEP), Clock(0, 1000), lambda: True)
            assert block is not None
        actor.close()
        blocks.append(block)
    return blocks[0], blocks[1]


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        ("raise", "RuntimeError: the console caught fire"),
        ("no-number", "gave a reward that is not finite"),
    ],
)
@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_a_step_that_fails_is_cut_out_and_named(name: str, trouble: str, reason: str) -> None:
    block, smooth = blocks_of(name, trouble)
    assert block.troubles == tuple(
        f"lane {lane} (seed {3 + lane}) failed in step 29: {reason}" for lane in (0, 1)
    )
    failed = 29 - 24
    assert np.argwhere(block.skipped).tolist() == [[failed, 0], [failed, 1]]
    # Until then nothing is different, and afterwards the lane goes on with a new episode.
    np.testing.assert_array_equal(block.observations[""][: failed + 1], smooth.observations[""][: failed + 1])
    assert block.rewards[failed].tolist() == [0.0, 0.0]
    assert block.truncated[failed].all()
    assert not (block.observations[""][failed + 1] == block.observations[""][failed]).all()
    before, after, *_ = block.segments()
    assert (len(before), len(after)) == (failed, 24 - failed - 1)
    assert after.first_step > before.first_step + len(before)  # no stretch of n steps crosses the gap
    assert not before.done[-1]


def test_a_failed_step_teaches_a_policy_nothing(attached: Attach) -> None:
    overrides = {"n_steps": 24, "batch_size": 48, "n_epochs": 1, "learning_rate": 0.0}
    config = config_of(
        "ppo", lanes=2, on_trouble="skip", overrides=overrides, env_kwargs={"at": 10, "trouble": "raise"}
    )
    model, learner = attached(config)
    model.learn(48)
    buffer = model.rollout_buffer
    values, returns, advantages = (
        getattr(buffer, name).reshape(2, 24) for name in ("values", "returns", "advantages")
    )
    np.testing.assert_allclose(advantages[:, 9], 0.0, atol=1e-6)
    np.testing.assert_allclose(returns[:, 9], values[:, 9], atol=1e-6)
    # The step before it is bootstrapped from where the episode was when it was cut.
    rewards = buffer.rewards.T[:, 8]
    going_on = ~buffer.episode_starts.T[:, 9].astype(bool)
    expected = rewards + model.gamma * values[:, 9] - values[:, 8]
    np.testing.assert_allclose(advantages[going_on, 8], expected[going_on], atol=1e-5)
    assert going_on.any()
    assert learner.sampler.counts.skipped == 2


@pytest.mark.parametrize("sampler", ["sync", "async"])
def test_training_goes_on_and_says_what_happened(
    sampler: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    trouble = {"at": 30, "trouble": "raise"}
    config = config_of("dqn", TIMED, sampler=sampler, on_trouble="skip", env_kwargs=trouble, actors=2)
    config = config.model_copy(update={"exact_resume": False})
    outcome = experiment.train(config, tmp_path / "run")
    sampling = json.loads((tmp_path / "run" / "manifest.json").read_text())["calls"][0]["sampling"]
    assert outcome.steps == 240
    assert sampling["skipped"] == 4
    assert sum(sampling["lags"].values()) == 240 - 4
    assert sampling["replaced"] == 0
    told = [line for line in capfd.readouterr().err.splitlines() if "failed in step" in line]
    assert len(told) == len(sampling["troubles"]) == 4
    assert told[0].endswith("caught fire; its episode is dropped; training goes on")
    lines = (tmp_path / "run" / "training" / "0.monitor.csv").read_text().splitlines()[2:]
    assert len(lines) == outcome.episodes
    assert all(int(line.split(",")[1]) <= 11 for line in lines)  # none goes on through a failure


def test_a_lane_that_always_fails_stops_the_run(tmp_path: Path) -> None:
    config = config_of("ppo", on_trouble="skip", env_kwargs={"at": 1, "trouble": "always"})
    with pytest.raises(EnvironmentTroubleError, match=r"lane \d \(seed \d\) failed in step"):
        experiment.train(config, tmp_path / "run")


class Batch(VectorEnv[Any, Any, Any]):
    """A batch of its own whose third step gives a reward that is none, and whose fifth raises."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012
    num_envs = 2
    single_observation_space = spaces.Box(-1, 1, (1,), np.float32)
    single_action_space = spaces.Discrete(2)

    def __init__(self, always: bool = False) -> None:
        self.steps, self.resets, self.always = 0, 0, always

    def reset(self, **_: Any) -> Any:
        self.resets += 1
        return np.zeros((2, 1), np.float32), {}

    def step(self, actions: Any) -> Any:
        self.steps += 1
        if self.steps == 5 or self.always:
            raise RuntimeError("no power")
        rewards = np.array([1.0, np.nan if self.steps == 3 else 1.0])
        no = np.zeros(2, bool)
        return np.full((2, 1), 0.5, np.float32), rewards, no, no, {}


def test_a_batch_of_its_own_begins_anew_as_a_whole() -> None:
    batch = Batch()
    lanes = LaneVecEnv(batch, skip=True)
    lanes.reset()
    found = [lanes.step(np.zeros(2, int)) for _ in range(6)]
    troubles = [[info.get("trouble") for info in step[3]] for step in found]
    assert troubles[2] == ["gave a reward that is not finite"] * 2
    assert troubles[4] == ["RuntimeError: no power"] * 2
    assert [any(row) for row in troubles] == [False, False, True, False, True, False]
    assert [bool(step[2].all()) for step in found] == [False, False, True, False, True, False]
    assert batch.resets == 3
    broken = LaneVecEnv(Batch(always=True), skip=True)
    broken.reset()
    for _ in range(MOST_FAILURES - 1):
        broken.step(np.zeros(2, int))
    with pytest.raises(RuntimeError, match="no power"):
        broken.step(np.zeros(2, int))


def test_an_episode_begins_again_where_a_reset_failed() -> None:
    from mario_agents.sampling.skipping import SkipTrouble

    class Sulky(gymnasium.Env[Any, Any]):
        observation_space, action_space = spaces.Discrete(2), spaces.Discrete(2)
        tried = 0

        def reset(self, **_: Any) -> Any:
            self.tried += 1
            if self.tried < 3:
                raise OSError("not now")
            return 0, {}

    env = Sulky()
    assert SkipTrouble(env).reset() == (0, {})
    assert env.tried == 3
