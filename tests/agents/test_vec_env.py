"""The lanes behave as Stable-Baselines3's own DummyVecEnv does."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_agents.env_ids import find_env
from mario_agents.sampling.vec_env import LaneVecEnv, make_lanes, split_infos
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

LANES = 3


def dummy(env_id: str, **kwargs: Any) -> DummyVecEnv:
    return DummyVecEnv([lambda: gymnasium.make(env_id, **kwargs) for _ in range(LANES)])


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_equals_dummy_vec_env_step_for_step(env_id: str) -> None:
    ours, theirs = make_lanes(find_env(env_id), LANES, {}), dummy(env_id)
    ours.seed(7)
    theirs.seed(7)
    np.testing.assert_array_equal(ours.reset(), theirs.reset())
    theirs.action_space.seed(7)
    ends = 0
    for _ in range(450):
        actions = np.array([theirs.action_space.sample() for _ in range(LANES)])
        observations, rewards, dones, infos = ours.step(actions)
        their_observations, their_rewards, their_dones, their_infos = theirs.step(actions)
        np.testing.assert_array_equal(observations, their_observations)
        np.testing.assert_allclose(rewards, their_rewards, rtol=1e-6)
        np.testing.assert_array_equal(dones, their_dones)
        for lane in np.flatnonzero(dones):
            ends += 1
            assert infos[lane]["TimeLimit.truncated"] == their_infos[lane]["TimeLimit.truncated"]
            np.testing.assert_array_equal(
                infos[lane]["terminal_observation"], their_infos[lane]["terminal_observation"]
            )
    assert ends >= LANES


def test_pendulum_ends_by_truncation_and_cartpole_by_termination() -> None:
    pendulum = make_lanes(find_env("Pendulum-v1"), LANES, {})
    pendulum.reset()
    for _ in range(200):
        _, _, dones, infos = pendulum.step(np.zeros((LANES, 1), np.float32))
    assert dones.all()
    assert all(info["TimeLimit.truncated"] for info in infos)

    pole = make_lanes(find_env("CartPole-v1"), 1, {})
    pole.reset()
    done = False
    while not done:
        _, _, (done,), (info,) = pole.step(np.array([0]))
    assert info["TimeLimit.truncated"] is False


def test_truncated_episodes_are_bootstrapped_alike() -> None:
    """The same seeds give the same advantages, which hold the value of the terminal observation."""

    def collect(venv: Any) -> Any:
        model = PPO("MlpPolicy", venv, n_steps=250, batch_size=50, n_epochs=1, seed=3, device="cpu")
        model.learn(250 * LANES)
        return model.rollout_buffer

    ours = collect(make_lanes(find_env("Pendulum-v1"), LANES, {}))
    theirs = collect(dummy("Pendulum-v1"))
    np.testing.assert_allclose(ours.rewards, theirs.rewards, rtol=1e-5)
    np.testing.assert_allclose(ours.advantages, theirs.advantages, rtol=1e-4, atol=1e-4)


class Counting(gymnasium.Env[Any, Any]):
    """Observes the steps so far and tells infos of every shape; ends after four steps."""

    observation_space = spaces.Dict({"count": spaces.Box(0, 9, (1,), np.float32)})
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        self.count = 0
        return self._observation(), {"start": True}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.count += 1
        infos = {"frames": self.count, "terms": {"a": 0.5}, "stage": "1-1", "holds": np.arange(2)}
        return self._observation(), 1.0, False, self.count == 4, infos

    def _observation(self) -> dict[str, Any]:
        return {"count": np.array([self.count], np.float32)}


def counting_lanes() -> LaneVecEnv:
    modes = {"autoreset_mode": AutoresetMode.SAME_STEP}
    return LaneVecEnv(gymnasium.vector.SyncVectorEnv([Counting, Counting], **modes))


def test_infos_of_the_last_step_belong_to_the_episode_that_ended() -> None:
    lanes = counting_lanes()
    lanes.reset()
    assert lanes.reset_infos == [{"start": True}, {"start": True}]
    for _ in range(3):
        _, _, _, infos = lanes.step(np.zeros(2, int))
    assert infos[1]["frames"] == 3
    assert infos[1]["terms"] == {"a": 0.5}
    assert infos[1]["stage"] == "1-1"
    np.testing.assert_array_equal(infos[1]["holds"], [0, 1])
    observations, _, dones, infos = lanes.step(np.zeros(2, int))
    assert dones.all()
    assert observations["count"].tolist() == [[0], [0]]
    assert infos[0]["frames"] == 4
    assert infos[0]["terminal_observation"]["count"] == 4
    assert "start" not in infos[0]
    assert lanes.reset_infos[0] == {"start": True}


def test_a_batch_that_reuses_its_buffer_does_not_change_earlier_observations() -> None:
    batch = gymnasium.vector.SyncVectorEnv([Counting], copy=False, autoreset_mode=AutoresetMode.SAME_STEP)
    lanes = LaneVecEnv(batch)
    first = lanes.reset()
    second = lanes.step(np.zeros(1, int))[0]
    third = lanes.step(np.zeros(1, int))[0]
    del first  # the buffer itself; what follows are copies
    assert (second["count"].item(), third["count"].item()) == (1, 2)


def test_a_batch_that_resets_a_step_late_is_refused() -> None:
    with pytest.raises(ValueError, match="SAME_STEP"):
        LaneVecEnv(gymnasium.vector.SyncVectorEnv([Counting]))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), st.integers(0, 9)), min_size=1, max_size=5))
def test_split_infos_undoes_gymnasiums_batching(lane_infos: list[dict[str, int]]) -> None:
    batch = gymnasium.vector.VectorEnv[Any, Any, Any]()
    batch.num_envs = len(lane_infos)
    infos: dict[str, Any] = {}
    for lane, info in enumerate(lane_infos):
        infos = batch._add_info(infos, info, lane)
    assert split_infos(infos, len(lane_infos)) == lane_infos
