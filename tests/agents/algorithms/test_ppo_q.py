"""PPO-Q as Stable-Baselines3's users know an algorithm, and its parts against their definitions."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents import PPOQ, experiment
from mario_agents.algorithms.ppo_q import losses
from mario_agents.algorithms.ppo_q.losses import Gaussian
from mario_agents.algorithms.ppo_q.policies import StackedCritic, StackedLinear
from mario_agents.algorithms.ppo_q.rollout import Rollout, q_lambda
from mario_agents.configure import configure_run
from mario_agents.errors import AgentsError
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Segment
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import FlattenExtractor
from torch import nn

from .conftest import Count

SMALL = {"train_freq": 16, "gradient_steps": 2, "batch_size": 32, "policy_kwargs": {"net_arch": [16]}}
VECTOR = spaces.Box(-1, 1, (3,), np.float32)


class Any6(gymnasium.Env[Any, Any]):
    """Six buttons; episodes of 5 steps of 1 to 3 frames; any observation; NaN as reward if told so."""

    action_space = spaces.Box(0.0, 2.0, (6,), np.float32)

    def __init__(self, observation_space: spaces.Space[Any] = VECTOR, reward: float = 1.0) -> None:
        self.observation_space, self.reward = observation_space, reward

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.steps += 1
        frames = {"frames": 1 + self.steps % 3}
        return self.observation_space.sample(), self.reward, self.steps == 5, False, frames


@pytest.mark.parametrize("data", ["on-policy", "mixed", "off-policy"])
def test_learns_saves_and_comes_back(data: Any, tmp_path: Path) -> None:
    count = Count()
    model = PPOQ(
        "MlpPolicy", make_vec_env(Any6, 4), data=data, seed=1, tensorboard_log=str(tmp_path), **SMALL
    )
    model.learn(256, count)
    assert (model.num_timesteps, count.steps, count.rollouts) == (256, 64, 4)
    assert model._n_updates == 4 * 2
    assert list(tmp_path.glob("PPOQ_1/events*"))

    model.save(tmp_path / "model.zip")
    again = PPOQ.load(tmp_path / "model.zip", env=make_vec_env(Any6, 4))
    observations = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    actions, _ = model.predict(observations, deterministic=True)
    assert actions == pytest.approx(again.predict(observations, deterministic=True)[0])
    assert model.log_ent_coef.item() == again.log_ent_coef.item()
    assert again.learn(64, reset_num_timesteps=False).num_timesteps == 320


@pytest.mark.parametrize(
    ("policy", "space"),
    [
        ("CnnPolicy", spaces.Box(0, 255, (4, 36, 36), np.uint8)),
        ("MultiInputPolicy", spaces.Dict({"tiles": spaces.MultiBinary((2, 5, 5)), "vector": VECTOR})),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_serves_pictures_and_dicts(policy: str, space: spaces.Space[Any], shared: bool) -> None:
    arguments = {**SMALL, "policy_kwargs": {"net_arch": [16], "share_features_extractor": shared}}
    model = PPOQ(policy, Any6(space), seed=1, **arguments)
    model.learn(32)
    assert Any6.action_space.contains(model.predict(space.sample())[0])


@pytest.mark.skipif(not os.environ.get("MARIO_LONG"), reason="takes two minutes: set MARIO_LONG=1")
def test_it_learns_to_hold_the_pendulum_up(tmp_path: Path) -> None:
    """Hyper-parameters as shipped. Random play returns about -1,200; upright all the time, about -150."""
    config = configure_run("ppo_q", "Pendulum-v1", steps=64_000, seed=1)
    assert experiment.train(config, tmp_path / "run").means["return"] > -400


def test_the_same_seed_gives_the_same_weights() -> None:
    def weights() -> torch.Tensor:
        model = PPOQ("MlpPolicy", "Pendulum-v1", seed=4, **SMALL).learn(64)
        return torch.cat([part.flatten() for part in model.policy.state_dict().values()])

    assert torch.equal(weights(), weights())


def test_a_loss_that_is_no_number_stops_before_it_touches_a_weight() -> None:
    model = PPOQ("MlpPolicy", Any6(reward=float("nan")), seed=1, **SMALL)
    before = {name: part.clone() for name, part in model.policy.state_dict().items()}
    with pytest.raises(AgentsError, match="critic's loss is nan in update 1"):
        model.learn(64)
    assert all(torch.equal(part, before[name]) for name, part in model.policy.state_dict().items())


def test_settings_that_do_not_exist_are_refused() -> None:
    with pytest.raises(
        AgentsError, match="data must be one of on-policy, mixed, off-policy, not 'offpolicy'"
    ):
        PPOQ("MlpPolicy", "Pendulum-v1", data="offpolicy")  # type: ignore[arg-type]
    with pytest.raises(AgentsError, match="a correction weighs the likelihood of what was just played"):
        PPOQ("MlpPolicy", "Pendulum-v1", data="off-policy", correction=1.0)
    with pytest.raises(AgentsError, match="a correction weighs the likelihood of what was just played"):
        PPOQ("MlpPolicy", "Pendulum-v1", correction=1.0, policy_kwargs={"deterministic": True})


def test_a_correction_of_what_older_policies_played_is_refused() -> None:
    for order in ("free", "bounded:1"):
        with pytest.raises(AgentsError, match="use --order strict, or --set correction=0"):
            configure_run(
                "ppo_q", "Pendulum-v1", steps=100, sampler="async", order=order, overrides={"correction": 1.0}
            )


@pytest.mark.parametrize("clip_range", [0.2, None])
def test_a_correction_moves_the_actor(clip_range: float | None) -> None:
    moved = {}
    for correction in (0.0, 1.0):
        model = PPOQ(
            "MlpPolicy", "Pendulum-v1", correction=correction, clip_range=clip_range, target_kl=None,
            gradient_steps=1, batch_size=64, policy_kwargs={"net_arch": [16]}, seed=0, device="cpu",
        )  # fmt: skip
        model.learn(64)
        moved[correction] = [part.detach().clone() for part in model.actor.parameters()]
        assert ("train/missed" in model.logger.name_to_value) == (correction > 0)
    assert not all(torch.equal(*pair) for pair in zip(moved[0.0], moved[1.0], strict=True))


def test_adam_steps_as_it_is_asked_to() -> None:
    for asked, fused in ((None, True), ({"foreach": True}, None), ({"fused": False}, False)):
        model = PPOQ("MlpPolicy", "Pendulum-v1", policy_kwargs={"optimizer_kwargs": asked}, device="cpu")
        model.learn(64)
        assert model.actor.optimizer.defaults["fused"] is fused


@pytest.mark.parametrize("n_actors", [1, 2])
def test_what_the_critics_missed_is_what_their_loss_is_of(n_actors: int) -> None:
    # One critic that learns nothing, and a batch that the actors alone have played, each its own rows.
    model = PPOQ(
        "MlpPolicy", make_vec_env(Any6, 2), data="on-policy", learning_rate=0.0, correction=1.0,
        target_kl=None, gradient_steps=1, batch_size=64,
        policy_kwargs={"net_arch": [16], "n_critics": 1, "n_actors": n_actors}, seed=0, device="cpu",
    )  # fmt: skip
    model.learn(64)
    logged = model.logger.name_to_value
    assert logged["train/missed"] ** 2 * n_actors == pytest.approx(2 * logged["train/critic_loss"], rel=1e-5)


@pytest.mark.parametrize("action_net", [None, [8, 4]])
def test_a_critic_judges_several_actions_at_once_as_one_by_one(action_net: list[int] | None) -> None:
    critic = StackedCritic(
        VECTOR, spaces.Box(-1, 1, (6,)), [16], FlattenExtractor(VECTOR), 3, n_critics=2, action_net=action_net
    )
    observations, actions = torch.randn(5, 3), torch.rand(4, 5, 6) * 2 - 1
    if action_net is not None:
        assert not critic(observations, actions).any(), "before anything was seen no action is better"
        nn.init.normal_(critic.q_networks[-1].weight)
    values = critic(observations, actions)
    assert values.shape == (2, 4, 5)
    one_by_one = torch.stack([critic(observations, each) for each in actions], dim=1)
    torch.testing.assert_close(values, one_by_one)
    assert values.std(dim=1).min() > 0, "the action counts"


def test_several_actions_in_each_state_and_an_action_net_of_its_own_learn() -> None:
    arguments = {**SMALL, "policy_kwargs": {"net_arch": [16], "action_net": [8]}}
    model = PPOQ("MlpPolicy", Any6(), data="on-policy", action_samples=3, seed=1, **arguments)
    model.learn(64)
    assert model.critic.action_networks is not None
    assert all(
        part.grad is not None and part.grad.any() for part in model.critic.action_networks.parameters()
    )


def test_minibatches_come_from_the_newest_rollouts(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    set_targets = Rollout.set_targets

    def measure(self: Rollout, *arguments: Any) -> None:
        sizes.append(len(self))
        set_targets(self, *arguments)

    monkeypatch.setattr(Rollout, "set_targets", measure)
    PPOQ("MlpPolicy", Any6(), data="on-policy", rollouts=3, seed=1, **SMALL).learn(16 * 5)
    assert sizes == [16, 32, 48, 48, 48]


def test_alpha_follows_its_schedule() -> None:
    model = PPOQ("MlpPolicy", Any6(), ent_coef=lambda left: 0.1 + 0.4 * left, seed=1, **SMALL)
    assert model.log_ent_coef.exp().item() == pytest.approx(0.5)
    model.learn(64)
    assert model.log_ent_coef.exp().item() == pytest.approx(0.1)


def test_targets_are_q_lambdas_over_lanes_ends_and_frames() -> None:
    """Two lanes in three segments, an episode's end, a time limit: against the recursion written out."""
    draw = np.random.default_rng(2)

    def segment(lane: int, first: int, terminated: list[int], truncated: list[int]) -> Segment:
        ends = np.isin(np.arange(4), terminated), np.isin(np.arange(4), truncated)
        return Segment.from_steps(
            lane=lane, policy_version=0, first_step=first, observations={"": draw.normal(size=(5, 1))},
            finals={step: {"": draw.normal(size=1)} for step in (*terminated, *truncated)},
            actions=draw.uniform(-1, 1, (4, 2)).astype(np.float32), rewards=draw.normal(size=4),
            terminated=ends[0], truncated=ends[1], frames=draw.integers(1, 5, 4),
        )  # fmt: skip

    segments = [segment(0, 0, [1], []), segment(0, 4, [], [2]), segment(1, 0, [], [])]
    # The second goes on from the first: the same moment.
    segments[1].observations[""][0] = segments[0].observations[""][4]
    discount, alpha = Discount(0.9, 0.8), 0.3

    def value(observations: Any) -> Any:
        return 2.0 * observations[:, 0]

    def cost(observations: Any, actions: Any) -> Any:
        return alpha * (observations[:, 0] + actions[:, 0] - actions[:, 1])

    rollout = Rollout(segments, torch.device("cpu"))
    rollout.set_targets(discount, lambda o, a, _: (value(o), cost(o, a)), batch_size=5)

    steps = [(one, step) for one in segments for step in range(4)]
    expected: list[float] = []
    for at in reversed(range(len(steps))):
        one, step = steps[at]
        gamma, lam = 0.9 ** one.frames[step], 0.8 ** one.frames[step]
        after = one.observations[""][one.next[step : step + 1]]
        goes_on = not one.done[step] and at not in (7, 11)
        if one.terminated[step]:
            follows = 0.0
        elif not goes_on:
            follows = value(after)[0]
        else:
            following, next_step = steps[at + 1]
            action = following.actions[next_step : next_step + 1]
            follows = (1 - lam) * value(after)[0] + lam * (expected[0] - cost(after, action)[0])
        expected.insert(0, float(one.rewards[step] + gamma * follows))
    assert rollout.targets == pytest.approx(np.array(expected), abs=1e-5)


def test_a_return_does_not_depend_on_how_time_is_cut() -> None:
    """Six frames of reward 1 each, as six decisions, as two, as one: worth the same at the start."""
    gamma = 0.9

    def worth(frames: list[int]) -> float:
        rewards = np.array([sum(gamma**frame for frame in range(k)) for k in frames])
        end = np.arange(len(frames)) == len(frames) - 1
        zero = np.zeros(len(frames))
        return q_lambda(
            Discount(gamma, 1.0), rewards=rewards, next_values=zero + 5.0, next_costs=zero,
            terminated=np.zeros(len(frames), bool), cut=end, frames=np.array(frames),
        )[0]  # fmt: skip

    assert worth([1] * 6) == pytest.approx(worth([4, 2])) == pytest.approx(worth([6]))


def test_frames_of_infos_reach_the_discounts() -> None:
    model = PPOQ("MlpPolicy", Any6(), data="off-policy", gamma=0.5, **SMALL).learn(16)
    batch = model._replay.sample(64)
    assert batch.discounts is not None
    assert set(batch.discounts.flatten().tolist()) == {0.5, 0.25, 0.125}


def test_stacked_critics_are_separate_networks_in_one_product() -> None:
    critic = StackedCritic(
        VECTOR, Any6.action_space, [8], FlattenExtractor(VECTOR), 3, n_critics=3, layer_norm=True
    )
    observations, actions = torch.randn(5, 3), torch.randn(5, 6)
    together = critic(observations, actions)
    assert together.shape == (3, 5)
    first, norm, _, last = critic.q_networks
    assert isinstance(first, StackedLinear)
    for number in range(3):
        x = torch.cat([observations, actions], dim=1) @ first.weight[number] + first.bias[number]
        x = torch.nn.functional.layer_norm(x, (8,), norm.weight[number, 0], norm.bias[number, 0]).relu()
        assert torch.allclose(
            together[number], (x @ last.weight[number] + last.bias[number])[:, 0], atol=1e-6
        )


def test_a_shared_extractor_is_trained_by_the_critics_alone() -> None:
    model = PPOQ("MlpPolicy", Any6(), policy_kwargs={"share_features_extractor": True})
    policy = model.policy
    assert policy.actor.features_extractor is policy.critic.features_extractor
    assert policy.anchor.features_extractor is not policy.critic.features_extractor
    image = spaces.Box(0, 255, (4, 36, 36), np.uint8)
    kwargs = {"share_features_extractor": True, "net_arch": [8]}
    policy = PPOQ("CnnPolicy", Any6(image), buffer_size=8, policy_kwargs=kwargs).policy
    observation = torch.randint(0, 255, (2, 4, 36, 36), dtype=torch.uint8)
    policy.actor.gaussian(observation).mean.sum().backward()
    assert all(weight.grad is None for weight in policy.critic.features_extractor.parameters())
    policy.critic(observation, torch.zeros(2, 6)).sum().backward()
    assert all(weight.grad is not None for weight in policy.critic.features_extractor.parameters())


def test_densities_and_divergences_are_torchs() -> None:
    draw = torch.Generator().manual_seed(1)
    parts = torch.randn(4, 7, 2, generator=draw)
    one, other = Gaussian(parts[0], parts[1] / 3), Gaussian(parts[2], parts[3] / 3)
    actions = torch.rand(7, 2, generator=draw) * 1.8 - 0.9
    normal = torch.distributions.Normal(one.mean, one.log_std.exp())
    squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform())
    assert torch.allclose(one.log_prob(actions), squashed.log_prob(actions), atol=1e-4)
    divergence = torch.distributions.kl_divergence(
        normal, torch.distributions.Normal(other.mean, other.log_std.exp())
    )
    assert torch.allclose(losses.kl_divergence(one, other), divergence.sum(dim=1), atol=1e-5)


def test_duals_rise_while_their_constraint_is_broken() -> None:
    log_multiplier = torch.zeros(1, requires_grad=True)
    losses.dual_loss(log_multiplier, torch.tensor([0.5, 0.1])).backward()
    assert log_multiplier.grad is not None
    assert log_multiplier.grad.item() < 0  # descent raises it
