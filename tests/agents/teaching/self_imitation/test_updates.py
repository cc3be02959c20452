"""One update on episodes that are known: losses by hand, and where they lead."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents.errors import AgentsError
from mario_agents.sampling.block import Block
from mario_agents.storage.returns import Discount
from mario_agents.teaching.self_imitation.callback import ImitateItself
from mario_agents.teaching.self_imitation.settings import SelfImitation
from mario_agents.teaching.students import student_of
from stable_baselines3 import DQN, PPO, SAC, TD3
from stable_baselines3.common.logger import Logger

START, LEFT_OF_IT = np.eye(2, dtype=np.float32)


class Task(gymnasium.Env[Any, Any]):
    """Two places, and actions of either kind; nobody plays it here."""

    observation_space = spaces.Box(0, 1, (2,), np.float32)

    def __init__(self, action_space: spaces.Space[Any]) -> None:
        self.action_space = action_space

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        return START, {}


def block_of(*steps: tuple[Any, Any, float], first: int = 0) -> Block:
    """One episode of one lane that ends of itself: (observation, action, reward), each step 2 frames."""
    count = len(steps)
    observations, actions, rewards = (list(column) for column in zip(*steps, strict=True))
    ends = np.arange(count)[:, None] == count - 1
    return Block(
        actor=0,
        first_lane=0,
        first_step=first,
        policy_version=0,
        observations={"": np.array([*observations, START])[:, None]},
        finals={"": START[None]},
        final_values=np.zeros(1),
        actions=np.array(actions).reshape(count, 1, -1),
        rewards=np.array(rewards, np.float64)[:, None],
        terminated=ends,
        truncated=np.zeros_like(ends),
        frames=np.full((count, 1), 2, np.int32),
        last_values=np.zeros(1, np.float32),
    )


class Taught:
    """An algorithm with networks of one layer, which learns from given episodes and from nothing else."""

    def __init__(
        self, kind: Any, action_space: spaces.Space[Any], learning_rate: float = 1e-3, **settings: Any
    ) -> None:
        self.model = kind(
            "MlpPolicy", Task(action_space), learning_rate, policy_kwargs={"net_arch": []}, seed=0
        )
        self.model.set_logger(Logger(None, []))
        self.callback = ImitateItself(SelfImitation(**settings), self.model, Discount(0.5), seed=0)
        self.callback.init_callback(self.model)

    def values_are(self, start: float, left: float) -> None:
        with torch.no_grad():
            self.model.policy.value_net.weight.copy_(torch.tensor([[start, left]]))
            self.model.policy.action_net.weight.zero_()

    def learn(self, *blocks: Block, times: int = 1) -> dict[str, float]:
        self.callback.see(blocks)
        for _ in range(times):
            self.model._n_updates += 1
            self.callback.on_rollout_start()
        logged = self.model.logger.name_to_value
        return {name.removeprefix("imitation/"): float(value) for name, value in logged.items()}

    def probability(self, observation: Any, action: int) -> float:
        seen = torch.as_tensor(observation)[None]
        with torch.no_grad():
            distribution: Any = self.model.policy.get_distribution(seen)
        return float(distribution.distribution.probs[0, action])


TWO = spaces.Discrete(2)
BOX = spaces.Box(-1, 1, (1,))


def test_what_returned_more_than_v_is_imitated_as_the_paper_says() -> None:
    taught = Taught(PPO, TWO, imitate=2.0, avoid=0.0, value=0.1, updates=1)
    taught.values_are(0.5, 0.0)

    logged = taught.learn(block_of((START, 1, 2.0)))

    # -(R - V)+ log pi and (R - V)+^2 / 2, where pi is 1/2.
    assert logged["policy_loss"] == pytest.approx(2.0 * 1.5 * math.log(2))
    assert logged["value_loss"] == pytest.approx(2.0 * 0.1 * 1.5**2 / 2)
    assert (logged["imitate_gap"], logged["imitate_share"], logged["remembered"]) == (1.5, 1.0, 1.0)
    assert taught.probability(START, 1) > 0.5
    assert taught.model.policy.predict_values(torch.as_tensor(START)[None]).detach().item() > 0.5


def test_a_gap_is_no_larger_than_it_may_be_and_what_returned_less_is_let_be() -> None:
    taught = Taught(PPO, TWO, avoid=0.0, value=1.0, most=1.0, updates=1)
    taught.values_are(0.5, 0.0)
    logged = taught.learn(block_of((START, 1, 3.5)))
    assert logged["policy_loss"] == pytest.approx(math.log(2))
    assert logged["value_loss"] == pytest.approx(3.0 - 0.5), "in a line from 1 on"

    taught = Taught(PPO, TWO, avoid=0.0, updates=1)
    taught.values_are(0.5, 0.0)
    logged = taught.learn(block_of((START, 1, 0.25)))
    assert (logged["policy_loss"], logged["value_loss"]) == (0.0, 0.0)
    assert taught.probability(START, 1) == 0.5


def test_what_led_to_less_than_v_is_avoided() -> None:
    taught = Taught(PPO, TWO, imitate=0.0, avoid=3.0, least_ratio=0.25, updates=1)
    taught.values_are(0.5, 0.0)

    logged = taught.learn(block_of((START, 1, -1.0)))

    assert logged["policy_loss"] == pytest.approx(3.0 * 1.5 * math.log(4))
    assert logged["value_loss"] == 0.0
    assert taught.probability(START, 1) < 0.5


def test_what_led_to_a_good_place_is_not_avoided_though_the_episode_was_lost_there() -> None:
    taught = Taught(PPO, TWO, imitate=0.0, avoid=1.0, updates=20)
    # Two frames lie between the places: 0.5² · 3.6 is more than 0.8.
    taught.values_are(0.8, 3.6)
    taught.learn(block_of((START, 1, 0.0), (LEFT_OF_IT, 0, -1.0)))
    assert taught.probability(LEFT_OF_IT, 0) < 0.499
    spared = taught.probability(START, 1)
    assert spared >= 0.5

    taught = Taught(PPO, TWO, imitate=0.0, avoid=1.0, updates=20)
    taught.values_are(0.8, 1.0)
    taught.learn(block_of((START, 1, 0.0), (LEFT_OF_IT, 0, -1.0)))
    assert taught.probability(START, 1) < spared - 0.005


@pytest.mark.parametrize(("kind", "space", "bad"), [(PPO, TWO, 1), (PPO, BOX, 0.4), (SAC, BOX, 0.4)])
def test_avoiding_ends_where_the_probability_has_fallen_to_its_share(
    kind: Any, space: spaces.Space[Any], bad: Any
) -> None:
    taught = Taught(kind, space, 3e-3, imitate=0.0, avoid=1.0, least_ratio=0.5, updates=20, batch_size=8)
    seen, action = torch.as_tensor(START)[None], torch.tensor([[float(bad)]])

    def log_prob() -> float:
        judged = student_of(taught.model).judge(seen, action)
        assert judged.log_probs is not None
        return judged.log_probs.item()

    first = log_prob()
    taught.learn(block_of((START, bad, -3.0)), times=10)
    after = log_prob()
    logged = taught.learn(times=10)

    assert after < first + math.log(0.51)
    # Adam's momentum carries it a little past the bound; a loss without one would go on and on.
    assert log_prob() > first + math.log(0.25)
    assert logged["policy_loss"] == 0.0


def test_q_rises_to_a_return_above_it_and_falls_to_what_is_better_of_two_below_it() -> None:
    taught = Taught(DQN, TWO, imitate=2.0, avoid=0.0)
    assert isinstance(taught.model, DQN)
    with torch.no_grad():
        taught.model.q_net.q_net[0].weight.copy_(torch.tensor([[0.0, 1.0], [0.5, 0.2]]))
        taught.model.q_net.q_net[0].bias.zero_()
    logged = taught.learn(block_of((START, 1, 2.0)))
    assert logged["value_loss"] == pytest.approx(2.0 * 1.5**2 / 2)
    assert logged["policy_loss"] == 0.0

    taught = Taught(DQN, TWO, imitate=0.0, avoid=1.0)
    with torch.no_grad():
        taught.model.q_net.q_net[0].weight.copy_(torch.tensor([[0.0, 1.0], [0.5, 0.2]]))
        taught.model.q_net.q_net[0].bias.zero_()
    taught.callback.see([block_of((START, 1, 0.125), (LEFT_OF_IT, 0, 0.5))])
    taught.callback.memory.update("avoid", np.array([0, 1]), np.array([1.0, 0.0]))
    logged = taught.learn()
    # The return is 1/8 + 1/4 · 1/2, the step's own target 1/8 + 1/4 · max(1, 0.2); σ that of 0.25 and 0.5.
    assert logged["value_loss"] == pytest.approx(((0.5 - 0.375) / 0.125) ** 2 / 2, rel=0.03)


@pytest.mark.parametrize(("kind", "has_policy"), [(SAC, True), (TD3, False)])
def test_an_actor_is_taught_by_v_and_critics_by_q(kind: Any, has_policy: bool) -> None:
    taught = Taught(kind, BOX, avoid=0.0, most=10.0)
    model, seen, action = taught.model, torch.as_tensor(START)[None], torch.tensor([[0.3]])
    with torch.no_grad():
        q = torch.cat(model.critic(seen, action))
        v = torch.cat(model.critic(seen, model.policy._predict(seen, deterministic=True))).min()
        policy_loss = 0.0
        if has_policy:
            mean, log_std, _ = model.actor.get_action_dist_params(seen)
            z = (torch.atanh(action) - mean) / log_std.exp()
            density = -0.5 * z**2 - log_std - 0.5 * math.log(2 * math.pi) - torch.log(1 - action**2)
            policy_loss = float(-(3.0 - v) * density)
            # SAC's value is soft: alpha, e^0 here, times the entropy that the most likely action has.
            most_likely = -log_std - 0.5 * math.log(2 * math.pi) - torch.log(1 - mean.tanh() ** 2)
            v_soft = student_of(model).values(seen)
            assert v_soft.item() == pytest.approx((v - most_likely).item(), abs=1e-5)

    logged = taught.learn(block_of((START, 0.3, 3.0)))

    assert logged["policy_loss"] == pytest.approx(policy_loss, rel=1e-4)
    assert logged["value_loss"] == pytest.approx(((3.0 - q) ** 2 / 2).sum().item(), rel=1e-4)
    assert torch.cat(model.critic(seen, action)).min() > q.min()


def test_updates_follow_those_of_the_algorithm() -> None:
    taught = Taught(PPO, TWO)
    assert taught.learn(times=1) == {}, "nothing was played"
    taught.learn(block_of((START, 1, 2.0)))
    after = taught.model.policy.state_dict()["action_net.bias"].clone()
    taught.callback.on_rollout_start()
    assert torch.equal(taught.model.policy.state_dict()["action_net.bias"], after)


def test_a_loss_that_is_no_number_touches_no_weight() -> None:
    taught = Taught(PPO, TWO)
    before = {name: part.clone() for name, part in taught.model.policy.state_dict().items()}
    with pytest.raises(AgentsError, match=r"the imitate_gap of self-imitation is not finite in update 1"):
        taught.learn(block_of((START, 1, float("nan"))))
    for name, part in taught.model.policy.state_dict().items():
        assert torch.equal(part, before[name]), name
