"""PPO-max against independent references: Stable-Baselines3's PPO, and what its README defines."""

from __future__ import annotations

from itertools import product
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_agents import PPOMax
from mario_agents.algorithms.ppo_max import losses
from mario_agents.algorithms.ppo_max.distributions import Hybrid, TanhGaussian, log_prob_of_buttons
from mario_agents.algorithms.ppo_max.moments import NormalizedFeatures, RunningMoments, ScaledValue
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.torch_layers import FlattenExtractor
from stable_baselines3.common.vec_env import DummyVecEnv

#: Every switch off that PPO does not have.
OFF: dict[str, Any] = {"ratio": "joint", "scale_rewards": False, "ent_coef": 0.0, "learning_rate": 3e-4}
PLAIN = {"normalize_features": False}
BUTTONS = spaces.Box(-1.0, 1.0, (2,), np.float32)


class Walk(gymnasium.Env[Any, Any]):
    """Pays what the action says; steps of 1 to 3 frames if told so; episodes end, or are cut at 7 steps."""

    observation_space = spaces.Box(-1.0, 1.0, (3,), np.float32)

    def __init__(self, action_space: spaces.Space[Any] = BUTTONS, frames: bool = False) -> None:
        self.action_space, self.frames = action_space, frames

    def _observe(self) -> Any:
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.steps += 1
        info = {"frames": 1 + self.steps % 3} if self.frames else {}
        ended = bool(self.np_random.random() < 0.1)
        return self._observe(), float(np.sum(action)), ended, self.steps == 7 and not ended, info


def lanes(action_space: spaces.Space[Any] = BUTTONS, frames: bool = False) -> DummyVecEnv:
    return make_vec_env(Walk, 2, seed=5, env_kwargs={"action_space": action_space, "frames": frames})


def weights(model: PPO) -> torch.Tensor:
    return torch.cat([part.detach().flatten() for part in model.policy.parameters()])


@pytest.mark.parametrize(
    "action_space",
    [BUTTONS, spaces.Discrete(3), spaces.MultiDiscrete([2, 3]), spaces.MultiBinary(4)],
    ids=lambda space: type(space).__name__,
)
@pytest.mark.parametrize(
    ("arguments", "network"),
    [
        ({}, {}),
        # What PPO can switch off, too; and what it can switch on.
        (
            {"normalize_advantage": False, "clip_range_vf": 0.1, "gamma": 0.9, "target_kl": 0.02},
            {"ortho_init": False, "activation_fn": torch.nn.ReLU, "optimizer_kwargs": {"eps": 1e-8}},
        ),
    ],
)
def test_with_every_switch_off_it_is_ppo(
    action_space: spaces.Space[Any], arguments: dict[str, Any], network: dict[str, Any]
) -> None:
    common = {"n_steps": 32, "batch_size": 16, "n_epochs": 1, "seed": 1, "device": "cpu", **arguments}
    theirs = PPO("MlpPolicy", lanes(action_space), policy_kwargs=network, **common).learn(192)
    ours = PPOMax(
        "MlpPolicy", lanes(action_space), policy_kwargs={**network, **PLAIN}, **{**OFF, **common}
    ).learn(192)
    before = PPO("MlpPolicy", lanes(action_space), policy_kwargs=network, **common)
    assert not torch.allclose(weights(before), weights(theirs), atol=1e-3)
    assert torch.allclose(weights(ours), weights(theirs), atol=1e-5)
    for name in ("loss", "value_loss", "approx_kl", "clip_fraction", "explained_variance", "entropy_loss"):
        found, expected = (model.logger.name_to_value[f"train/{name}"] for model in (ours, theirs))
        if name != "loss":  # PPO's is the last minibatch's
            assert found == pytest.approx(expected, abs=1e-4), name


def test_it_is_ppo_over_epochs_too() -> None:
    # One minibatch: the order within it changes nothing.
    common: dict[str, Any] = {"n_steps": 32, "batch_size": 64, "n_epochs": 4, "seed": 1, "device": "cpu"}
    theirs = PPO("MlpPolicy", lanes(), **common).learn(192)
    ours = PPOMax("MlpPolicy", lanes(), policy_kwargs=PLAIN, **OFF, **common).learn(192)
    assert torch.allclose(weights(ours), weights(theirs), atol=1e-5)


@pytest.mark.parametrize(
    ("action_space", "network"),
    [
        (spaces.Discrete(3), {}),
        (spaces.MultiBinary(1), {}),
        (spaces.MultiDiscrete([4]), {}),
        *(
            (spaces.Box(-1.0, 1.0, (1,), np.float32), {"head": head})
            for head in ("plain", "gaussian", "hybrid")
        ),
    ],
)
def test_the_ratio_of_one_button_is_the_joint_one(
    action_space: spaces.Space[Any], network: dict[str, Any]
) -> None:
    def trained(ratio: Any) -> torch.Tensor:
        model = PPOMax(
            "MlpPolicy", lanes(action_space), ratio=ratio, n_steps=32, batch_size=16, n_epochs=3, seed=1,
            ent_coef=0.0, policy_kwargs=network, device="cpu",
        )  # fmt: skip
        return weights(model.learn(64))

    assert torch.allclose(trained("joint"), trained("per-button"), atol=1e-5)


def test_each_button_is_clipped_by_itself() -> None:
    """Two buttons, one of which has left the range: the joint ratio stops both, its own stops it alone."""
    log_probs = torch.tensor([[0.5, 0.0]], requires_grad=True)
    for ratios, expected in (
        (log_probs.exp(), [[0.0, -1.0]]),
        (log_probs.sum(dim=1, keepdim=True).exp(), [[0.0, 0.0]]),
    ):
        (gradient,) = torch.autograd.grad(losses.policy_loss(ratios, torch.ones(1), 0.2), log_probs)
        assert gradient.tolist() == expected


@pytest.mark.parametrize(
    ("action_space", "network"),
    [
        (spaces.MultiDiscrete([2, 3]), {}),
        (spaces.MultiBinary(4), {}),
        (spaces.Discrete(3), {}),
        *((BUTTONS, {"head": head}) for head in ("plain", "gaussian", "hybrid")),
        (BUTTONS, {"head": "gaussian", "state_dependent_std": True, "log_std_init": -1.0}),
    ],
)
def test_log_probabilities_of_buttons_add_up_to_the_joint_one(
    action_space: spaces.Space[Any], network: dict[str, Any]
) -> None:
    policy = PPOMax("MlpPolicy", lanes(action_space), policy_kwargs=network, seed=1).policy
    with torch.no_grad():
        observations = torch.rand(8, 3)
        actions, _, played = policy(observations)
        _, joint, _ = policy.evaluate_actions(observations, actions)
        parts = log_prob_of_buttons(policy.action_dist, actions)
    assert parts.shape == (8, 1 if isinstance(action_space, spaces.Discrete) else actions.shape[1])
    assert torch.allclose(parts.sum(dim=1), joint)
    assert torch.allclose(played, joint)


@pytest.mark.parametrize("frames", [True, False])
def test_advantages_are_gae_over_frames(frames: bool) -> None:
    """Against the recursion written out, with the rewards, frames and ends that the lanes told."""
    gamma, lam = 0.9, 0.8
    told: list[tuple[Any, Any, Any]] = []
    envs = lanes(frames=frames)
    step = envs.step_wait

    def spy() -> Any:
        _, rewards, dones, infos = result = step()
        told.append((rewards.copy(), dones.copy(), list(infos)))
        return result

    envs.step_wait = spy  # type: ignore[method-assign]
    model = PPOMax(
        "MlpPolicy", envs, n_steps=40, batch_size=80, gamma=gamma, gae_lambda=lam, seed=1, learning_rate=0.0
    ).learn(80)
    buffer = model.rollout_buffer
    found, values = (getattr(buffer, name).reshape(2, 40) for name in ("advantages", "values"))
    cut = 0
    for lane in range(2):
        following = 0.0
        for at in reversed(range(40)):
            rewards, dones, infos = told[at]
            info, k = infos[lane], infos[lane].get("frames", 1)
            seen = None
            if dones[lane] and info.get("TimeLimit.truncated"):
                seen, cut = info["terminal_observation"], cut + 1
            elif at == 39 and not dones[lane]:
                seen = model._last_obs[lane]  # type: ignore[index]
            after = 0.0
            if seen is not None:
                with torch.no_grad():
                    # Not counted as the rollout's own: the update has changed features and scale since.
                    after = model_value(model, seen)
            elif not dones[lane]:
                after = values[lane, at + 1]
            error = rewards[lane] + gamma**k * after - values[lane, at]
            following = error + (0.0 if dones[lane] else (gamma * lam) ** k * following)
            assert found[lane, at] == pytest.approx(following, abs=1e-4)
    assert cut > 2


def model_value(model: PPOMax, observation: Any) -> float:
    """V as it was before the first update: at a learning rate of 0 only moments have changed."""
    extractor = model.policy.features_extractor
    assert isinstance(extractor, NormalizedFeatures)
    now, extractor.moments = extractor.moments, RunningMoments(3)
    try:
        return float(model.policy.predict_values(torch.as_tensor(observation)[None]))
    finally:
        extractor.moments = now


@given(
    low=st.floats(-50, 5),
    reach=st.floats(0.1, 50),
    lengths=st.integers(1, 40),
    seed=st.integers(0, 2**31 - 1),
)
@settings(max_examples=60, deadline=None)
def test_levels_come_back_from_the_actions_that_were_stored(
    low: float, reach: float, lengths: int, seed: int
) -> None:
    space = spaces.Box(low, max(low, 0.0) + reach, (3,), np.float32)
    head = Hybrid(space, lengths)
    levels = torch.randint(0, lengths + 1, (20, 3), generator=torch.Generator().manual_seed(seed))
    actions = head.actions_of(levels).numpy()
    assert all(space.contains(action) for action in actions)
    assert np.all((actions > max(float(space.low[0]), 0.0)) == (levels.numpy() > 0))
    stored = torch.as_tensor(np.array(actions, space.dtype))
    assert torch.equal(head.levels_of(stored), levels)


def test_the_hybrid_heads_numbers_are_those_of_its_definition() -> None:
    """Log-probability and entropy against every one of its (1 + L)ⁿ actions; samples against both."""
    torch.manual_seed(3)
    head = Hybrid(BUTTONS, lengths=3)
    logits = torch.randn(1, 2, 4)
    head.proba_distribution(logits.flatten(1))
    chances = [
        [(1 - press).item(), *(press * length).tolist()]
        for press, length in zip(logits[0, :, 0].sigmoid(), logits[0, :, 1:].softmax(dim=1), strict=True)
    ]
    every = list(product(range(4), repeat=2))
    expected = torch.tensor([chances[0][one] * chances[1][other] for one, other in every])
    head.proba_distribution(logits.flatten(1).expand(16, -1))
    actions = head.actions_of(torch.tensor(every))
    assert torch.allclose(head.log_prob(actions).exp(), expected, atol=1e-6)
    assert torch.allclose(head.entropy(), -(expected * expected.log()).sum(), atol=1e-5)
    head.proba_distribution(logits.flatten(1).expand(40_000, -1))
    drawn = head.levels_of(head.sample())
    shares = torch.bincount(drawn[:, 0] * 4 + drawn[:, 1], minlength=16) / 40_000
    assert torch.allclose(shares, expected, atol=0.015)


def test_lengths_count_only_where_a_button_is_pressed() -> None:
    logits = torch.randn(1, 8, requires_grad=True)
    head = Hybrid(BUTTONS, lengths=3).proba_distribution(logits)
    released, pressed = head.actions_of(torch.tensor([[0, 2]]))[:, 0], 2
    (gradient,) = torch.autograd.grad(head.log_prob(torch.tensor([[released.item(), 0.5]])), logits)
    of_lengths = gradient.reshape(2, 4)[:, 1:]
    assert torch.all(of_lengths[0] == 0)
    assert torch.all(of_lengths[1] != 0)
    assert head.levels_of(torch.tensor([[-1.0, 0.5]])).tolist() == [[0, pressed]]


def test_the_gaussian_heads_density_is_torchs_and_its_entropy_has_a_gradient() -> None:
    mean, log_std = torch.tensor([[0.3, -0.8]]), torch.tensor([-0.5, 0.2])
    head = TanhGaussian(2, state_dependent_std=False).proba_distribution(mean, log_std)
    normal = torch.distributions.Normal(head.gaussian.mean, log_std.exp())
    squashed = torch.distributions.TransformedDistribution(normal, torch.distributions.TanhTransform())
    actions = torch.tensor([[0.6, -0.9], [0.0, 0.95]])
    assert torch.allclose(head.log_prob(actions), squashed.log_prob(actions).sum(dim=1), atol=1e-4)

    torch.manual_seed(0)
    log_std = log_std.requires_grad_()
    many = head.proba_distribution(mean.expand(20_000, 2), log_std).entropy().mean()
    exact = -squashed.log_prob(squashed.sample((20_000,))).sum(dim=-1).mean()
    assert many.item() == pytest.approx(exact.item(), abs=0.05)
    (gradient,) = torch.autograd.grad(many, log_std)
    # d/dlog σ of E[log σ + Σ log(1 − tanh²(μ + σε))] by finite differences of the same noise.
    raised = []
    for button in range(2):
        torch.manual_seed(0)
        shifted = log_std.detach() + 1e-2 * torch.eye(2)[button]
        raised.append(head.proba_distribution(mean.expand(20_000, 2), shifted).entropy().mean())
    assert gradient.tolist() == pytest.approx([(one - many).item() / 1e-2 for one in raised], abs=0.02)


def test_ratios_of_the_gaussian_head_stay_finite_wherever_its_network_goes() -> None:
    outputs, log_std = torch.tensor([[40.0, -40.0]]), torch.tensor([-5.0, -5.0])
    head = TanhGaussian(2, state_dependent_std=False).proba_distribution(outputs, log_std)
    actions = head.sample()
    old = head.log_prob_of_buttons(actions)
    new = head.proba_distribution(outputs * 0.9, log_std).log_prob_of_buttons(actions)
    assert torch.all((new - old).exp() < 10.0)
    assert head.mode()[0].tolist() == pytest.approx([0.995, -0.995], abs=1e-3)


def test_moments_are_those_of_everything_seen() -> None:
    draw = np.random.default_rng(0)
    parts = [draw.normal(3.0, 2.0, (size, 4)) for size in (1, 7, 100)]
    moments = RunningMoments(4)
    for part in parts:
        moments.update(torch.as_tensor(part))
    everything = np.concatenate(parts)
    np.testing.assert_allclose(moments.mean, everything.mean(axis=0))
    np.testing.assert_allclose(moments.var, everything.var(axis=0))
    assert moments.count == 108
    features = NormalizedFeatures(Walk.observation_space, FlattenExtractor(Walk.observation_space))
    seen = torch.as_tensor(everything[:, :3], dtype=torch.float32)
    features.see(seen)
    normal = features(seen)
    assert torch.allclose(normal.mean(dim=0), torch.zeros(3), atol=1e-5)
    assert torch.allclose(normal.std(dim=0, unbiased=False), torch.ones(3), atol=1e-4)
    assert features(seen + 1e6).max() == 10.0


def test_scaled_values_stay_what_they_were_while_their_scale_changes() -> None:
    value = ScaledValue(torch.nn.Linear(3, 1))
    latent, returns = torch.randn(5, 3), torch.randn(50) * 40.0 + 7.0
    before = value(latent)
    value.update(returns)
    assert value.scale.item() == pytest.approx(returns.std(unbiased=False).item(), rel=1e-5)
    assert torch.allclose(value(latent), before, atol=1e-5)
