"""Lanes that do not wait for each other play what lanes that do would have played with the same actions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mario_agents import experiment
from mario_agents.env_ids import find_env
from mario_agents.errors import AgentsError
from mario_agents.sampling.actor import Actor, Clock
from mario_agents.sampling.block import Block
from mario_agents.sampling.own_pace import OwnPace
from mario_agents.sampling.vec_env import LaneVecEnv, make_lanes
from mario_agents.storage.segment import Leaves, from_leaves, to_leaves
from numpy.typing import NDArray
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.utils import obs_as_tensor

from .test_sync import OFF_POLICY, ON_POLICY, TIMED, config_of

pytest.importorskip("mario_envs")

LANES, STEPS, SEED = 4, 40, 3
HOLDS, FIXED = "MarioScore-1-1-ContinuousFrames-v0", "MarioScore-1-1-DiscreteFrames-v0"
# Episodes that end soon: some by dying, some by standing still.
SHORT = {"observation": {"tiles": {"count": 1}}, "max_still_seconds": 0.1}


def actor_of(name: str, env_id: str, **overrides: Any) -> Actor:
    base = ON_POLICY if name in ("ppo", "ppo_max") else OFF_POLICY
    config = config_of(
        name, env_id, sampler="async", order="free", pace="own", env_kwargs=SHORT,
        overrides={**base, **overrides},
    )  # fmt: skip
    return Actor(config, 0, SEED)


def assert_alike(leaves: Leaves, observations: Any) -> None:
    expected = to_leaves(observations)
    assert leaves.keys() == expected.keys()
    for key, part in expected.items():
        np.testing.assert_array_equal(leaves[key], part)


def tensors(leaves: Leaves) -> Any:
    return obs_as_tensor(from_leaves(leaves), torch.device("cpu"))


@pytest.mark.parametrize(
    ("name", "env_id", "overrides"),
    [
        ("ppo", HOLDS, {}),
        ("ppo", FIXED, {}),
        ("ppo_max", HOLDS, {"policy_kwargs": {"head": "gaussian", "net_arch": [8]}}),
        ("dqn", FIXED, {}),
        ("sac", HOLDS, {"learning_starts": 0}),
        ("td3", HOLDS, {"learning_starts": 0, "action_noise": "ou_0.5"}),
    ],
)
def test_every_lane_plays_what_its_actions_make_of_it(
    name: str, env_id: str, overrides: dict[str, Any]
) -> None:
    actor = actor_of(name, env_id, **overrides)
    model: Any = actor.model
    length = TrainFreq(STEPS, TrainFrequencyUnit.STEP)
    blocks: list[Block] = []
    # Which lane is first decides what is drawn for it, so that no two runs have as many endings.
    while len(blocks) < 2 or sum(len(block.endings) for block in blocks) <= LANES:
        assert len(blocks) < 20
        block = actor.collect(length, Clock(0, 1000), lambda: True)
        assert block is not None
        blocks.append(block)
    lanes = make_lanes(find_env(env_id), LANES, SHORT)
    lanes.seed(SEED)
    seen, endings = lanes.reset(), 0
    for number, block in enumerate(blocks):
        assert (block.first_step, block.steps, block.lanes) == (number * STEPS, STEPS, LANES)
        told = iter(block.endings)
        ended = 0
        for step in range(STEPS):
            assert_alike({key: part[step] for key, part in block.observations.items()}, seen)
            actions = block.actions[step]
            if env_id == FIXED:
                actions = actions.reshape(-1)
            elif name == "ppo":
                actions = np.clip(actions, model.action_space.low, model.action_space.high)
            else:
                actions = model.policy.unscale_action(actions)
            seen, rewards, dones, infos = lanes.step(actions)
            np.testing.assert_array_equal(block.rewards[step], rewards)
            np.testing.assert_array_equal(block.done[step], dones)
            np.testing.assert_array_equal(block.frames[step], [info["frames"] for info in infos])
            for lane in np.flatnonzero(dones).tolist():
                final = {key: part[ended] for key, part in block.finals.items()}
                assert_alike(final, infos[lane]["terminal_observation"])
                at, of, info = next(told)
                assert (at, of, info["score"]) == (step, lane, infos[lane]["score"])
                assert block.truncated[step, lane] == infos[lane]["TimeLimit.truncated"]
                ended += 1
        assert_alike({key: part[-1] for key, part in block.observations.items()}, seen)
        assert all(len(part) == ended for part in block.finals.values())
        assert next(told, None) is None
        endings += ended
    lanes.close()
    actor.close()
    assert endings > LANES


def test_values_and_log_probabilities_are_those_of_the_policy() -> None:
    actor = actor_of("ppo", HOLDS)
    policy = actor.model.policy
    assert isinstance(policy, ActorCriticPolicy)
    blocks = [
        actor.collect(TrainFreq(STEPS, TrainFrequencyUnit.STEP), Clock(0, 1000), lambda: True)
        for _ in range(2)
    ]
    starts = np.ones(LANES, bool)
    for block in blocks:
        assert block is not None
        flat = {key: part[:-1].reshape(-1, *part.shape[2:]) for key, part in block.observations.items()}
        with torch.no_grad():
            values, log_probs, _ = policy.evaluate_actions(
                tensors(flat), torch.as_tensor(block.actions).flatten(0, 1)
            )
            last = policy.predict_values(
                tensors({key: part[-1] for key, part in block.observations.items()})
            ).flatten()
            finals = policy.predict_values(tensors(block.finals)).flatten()
        np.testing.assert_allclose(block.extras["values"].reshape(-1), values.flatten(), atol=1e-4)
        np.testing.assert_allclose(block.extras["log_probs"].reshape(-1), log_probs, atol=1e-3)
        np.testing.assert_allclose(block.last_values, last, atol=1e-4)
        cut = block.truncated[block.done]
        np.testing.assert_allclose(block.final_values, np.where(cut, finals, 0.0), atol=1e-4)
        assert cut.any()
        np.testing.assert_array_equal(block.extras["episode_starts"][0], starts)
        np.testing.assert_array_equal(block.extras["episode_starts"][1:], block.done[:-1])
        starts = block.done[-1]
    actor.close()


class SlowestFirst:
    """Lanes of which the first comes back only when no other is on its way."""

    def __init__(self, lanes: LaneVecEnv) -> None:
        self._lanes, self.num_envs = lanes, lanes.num_envs
        self._others = 0

    def send(self, actions: Any, lanes: NDArray[np.intp]) -> None:
        now = lanes > 0
        self._others += int(now.sum())
        if not now.all():
            self._action = actions[~now]
        if now.any():
            self._lanes.send(actions[now], lanes[now])

    def recv(self, min_lanes: int) -> Any:
        if not self._others:
            self._lanes.send(self._action, np.array([0]))
            return self._lanes.recv(1)
        found = self._lanes.recv(min(min_lanes, self._others))
        self._others -= len(found[0])
        return found


def test_a_lane_with_long_holds_does_not_hold_up_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    actor = actor_of("ppo", HOLDS)
    own: Any = actor._own_pace
    own._lanes = SlowestFirst(own._lanes)
    ahead = 0
    send = OwnPace._send

    def spy(self: OwnPace, lanes: NDArray[np.intp]) -> None:
        nonlocal ahead
        ahead = max(ahead, int(np.ptp(self._played)))
        send(self, lanes)

    monkeypatch.setattr(OwnPace, "_send", spy)
    block = actor.collect(TrainFreq(STEPS, TrainFrequencyUnit.STEP), Clock(0, 1000), lambda: True)
    assert block is not None
    assert block.steps == actor.steps == STEPS
    assert ahead >= STEPS - 1, "the others waited for the first"
    actor.close()


@pytest.mark.parametrize(("name", "order"), [("ppo", "bounded:1"), ("sac", "free")])
def test_training_goes_on_with_it(name: str, order: str, tmp_path: Path) -> None:
    config = config_of(
        name, HOLDS, sampler="async", order=order, pace="own", actors=2, steps=600, env_kwargs=SHORT
    )
    outcome = experiment.train(config, tmp_path / "run")
    lags = json.loads((outcome.run / "manifest.json").read_text())["calls"][-1]["sampling"]["lags"]
    assert sum(lags.values()) == outcome.steps >= 600


@pytest.mark.parametrize(
    ("name", "env_id", "settings", "message"),
    [
        (
            "ppo",
            FIXED,
            {"sampler": "sync"},
            "--pace own plays what comes first, which --order strict",
        ),
        ("recurrentppo", FIXED, {"order": "free"}, "recurrentppo acts in all lanes at once"),
        ("ppo", HOLDS, {"order": "free", "overrides": {"use_sde": True}}, "ppo acts in all lanes at once"),
        ("ppo", TIMED, {"order": "free"}, "timed_env:Timed-v0 cannot send some lanes ahead of others"),
    ],
)
def test_who_cannot_is_refused(name: str, env_id: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentsError, match=message):
        config_of(name, env_id, **{"sampler": "async", "pace": "own", "overrides": {}, **settings})
