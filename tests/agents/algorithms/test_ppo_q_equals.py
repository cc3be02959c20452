"""PPO-Q's settings make it SAC, TD3, DDPG and PPO: the same losses and gradients on the same batch."""

from __future__ import annotations

import math
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents.algorithms.ppo_q import PPOQ, losses
from mario_agents.algorithms.ppo_q.losses import Gaussian
from mario_agents.algorithms.ppo_q.policies import StackedLinear
from mario_agents.storage.replay import StoreReplay
from stable_baselines3 import DDPG, PPO, SAC, TD3
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.logger import configure
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from torch import nn

BATCH, GAMMA = 64, 0.97
PLAIN = {"net_arch": [32, 32], "layer_norm": False}


class Empty(gymnasium.Env[Any, Any]):
    """Spaces, and nothing to play."""

    def __init__(self, buttons: int) -> None:
        self.observation_space = spaces.Box(-1, 1, (5,), np.float32)
        self.action_space = spaces.Box(-1, 1, (buttons,), np.float32)


def a_batch(buttons: int) -> ReplayBufferSamples:
    draw = torch.Generator().manual_seed(3)
    observations, next_observations = torch.randn(2, BATCH, 5, generator=draw)
    return ReplayBufferSamples(
        observations=observations,
        actions=torch.rand(BATCH, buttons, generator=draw) * 2 - 1,
        next_observations=next_observations,
        dones=(torch.rand(BATCH, 1, generator=draw) < 0.2).float(),
        rewards=torch.randn(BATCH, 1, generator=draw),
        discounts=torch.full((BATCH, 1), GAMMA),
    )


def copy_networks(theirs: OffPolicyAlgorithm, ours: PPOQ) -> None:
    """Give ours the weights of theirs: their list of critics stacked, their target actor as the anchor."""
    for name in ("critic", "critic_target"):
        networks = list(getattr(theirs, name).q_networks)
        stacked = [layer for layer in getattr(ours, name).q_networks if isinstance(layer, StackedLinear)]
        for at, layer in enumerate(stacked):
            linears = [[one for one in network if isinstance(one, nn.Linear)][at] for network in networks]
            layer.weight.data = torch.stack([linear.weight.data.T for linear in linears])
            layer.bias.data = torch.stack([linear.bias.data[None] for linear in linears])
    their_actor: Any = theirs.actor
    ours.actor.load_state_dict(actor_state(their_actor), strict=False)
    ours.anchor.load_state_dict(actor_state(getattr(theirs, "actor_target", their_actor)), strict=False)


def actor_state(actor: Any) -> dict[str, torch.Tensor]:
    """Name a deterministic actor's one network as SAC's: hidden layers, then the mean."""
    state: dict[str, torch.Tensor] = actor.state_dict()
    if not any(name.startswith("latent_pi") for name in state):
        last = max(int(name.split(".")[1]) for name in state if name.startswith("mu."))
        state = {
            (f"mu.{name.split('.')[2]}" if name.startswith(f"mu.{last}.") else f"latent_pi.{name[3:]}"): part
            for name, part in state.items()
        }
    return state


class OneBatch(StoreReplay):
    """A replay that holds one batch and always gives it."""

    def __init__(self, batch: ReplayBufferSamples) -> None:
        self.batch = batch

    def sample(self, *_: object, **__: object) -> ReplayBufferSamples:
        return self.batch


def losses_of(model: OffPolicyAlgorithm, batch: ReplayBufferSamples) -> dict[str, float]:
    """Train on the batch once, and return what was logged."""
    model.set_logger(configure(None, []))
    model.replay_buffer = OneBatch(batch)  # type: ignore[assignment]
    torch.manual_seed(7)
    model.train(gradient_steps=1, batch_size=BATCH)
    return {name.removeprefix("train/"): value for name, value in model.logger.name_to_value.items()}


def gradients(module: nn.Module) -> list[float]:
    """Return the size of each layer's gradient, however its weights are laid out."""
    return [float(one.grad.norm()) for one in module.parameters() if one.grad is not None]


@pytest.mark.parametrize("ent_coef", ["auto_0.3", 0.2])
def test_unclipped_and_off_policy_its_losses_are_sacs(ent_coef: str | float) -> None:
    same = {"gamma": GAMMA, "ent_coef": ent_coef, "tau": 0.02, "learning_rate": 1e-3}
    sac = SAC("MlpPolicy", Empty(3), policy_kwargs={"net_arch": [32, 32]}, **same)  # type: ignore[arg-type]
    ours = PPOQ(
        "MlpPolicy", Empty(3), data="off-policy", clip_range=None, target_kl=None, dual_learning_rate=None,
        policy_kwargs={**PLAIN, "log_std_min": -20.0}, **same,  # type: ignore[arg-type]
    )  # fmt: skip
    copy_networks(sac, ours)
    theirs, found = losses_of(sac, a_batch(3)), losses_of(ours, a_batch(3))
    for name in ("critic_loss", "actor_loss", "ent_coef", *(["ent_coef_loss"] if ent_coef != 0.2 else [])):
        assert found[name] == pytest.approx(theirs[name], abs=1e-6), name
    assert gradients(ours.actor) == pytest.approx(gradients(sac.actor), abs=1e-6)
    # One more on the networks as they are now: critics, their targets, actor and α have moved alike.
    theirs, found = losses_of(sac, a_batch(3)), losses_of(ours, a_batch(3))
    for name in ("critic_loss", "actor_loss", "ent_coef"):
        assert found[name] == pytest.approx(theirs[name], abs=1e-6), name


@pytest.mark.parametrize("algorithm", [TD3, DDPG])
def test_with_a_deterministic_actor_its_losses_are_td3s_and_ddpgs(algorithm: type[TD3]) -> None:
    same = {"gamma": GAMMA, "tau": 0.02, "learning_rate": 1e-3}
    noise = {"target_noise": 0.2, "policy_delay": 2} if algorithm is TD3 else {"target_noise": 0.0}
    arch = {"net_arch": [32, 32]}
    their: Any = algorithm("MlpPolicy", Empty(3), policy_kwargs=arch, **same)  # type: ignore[arg-type]
    ours = PPOQ(
        "MlpPolicy", Empty(3), data="off-policy", actor_pool="first",
        policy_kwargs={**PLAIN, "deterministic": True, "n_critics": 2 if algorithm is TD3 else 1},
        **noise, **same,  # type: ignore[arg-type]
    )  # fmt: skip
    copy_networks(their, ours)
    for _ in range(4):  # every second has an actor's step
        theirs, found = losses_of(their, a_batch(3)), losses_of(ours, a_batch(3))
        assert found["critic_loss"] == pytest.approx(theirs["critic_loss"], abs=1e-6)
        assert found.get("actor_loss") == pytest.approx(theirs.get("actor_loss"), abs=1e-6)
    assert gradients(ours.actor)[:4] == pytest.approx(gradients(their.actor)[:4], abs=1e-6)


def test_with_one_button_ratio_and_clip_are_ppos() -> None:
    """PPO's own loss and gradient, from PPO's unclipped gradient sent through our gate."""
    clip = 0.2
    ppo = PPO(
        "MlpPolicy", Empty(1), n_steps=BATCH, batch_size=BATCH, n_epochs=1, normalize_advantage=False,
        vf_coef=0.0, max_grad_norm=1e9, clip_range=clip, policy_kwargs={"net_arch": [32]}, seed=1,
    )  # fmt: skip
    buffer: RolloutBuffer = ppo.rollout_buffer
    draw = np.random.default_rng(5)
    buffer.observations[:] = draw.standard_normal(buffer.observations.shape)
    buffer.actions[:] = draw.uniform(-1.2, 1.2, buffer.actions.shape)
    buffer.advantages[:] = draw.standard_normal(buffer.advantages.shape)
    buffer.pos, buffer.full = BATCH, True
    observations = torch.as_tensor(buffer.observations[:, 0])
    unsquashed = torch.as_tensor(buffer.actions[:, 0])
    advantages = torch.as_tensor(buffer.advantages[:, 0])

    normal: Any = ppo.policy.get_distribution(observations).distribution
    # Tanh's part of the density is the same in both policies: it goes out of the ratio.
    actions = unsquashed.tanh()
    shown = Gaussian(normal.mean.detach().requires_grad_(), normal.stddev.log().detach().requires_grad_())
    old = Gaussian(
        shown.mean.detach() + 0.4 * torch.as_tensor(draw.standard_normal((BATCH, 1)), dtype=torch.float32),
        shown.log_std.detach() + 0.2,
    )
    ours = losses.ratio(shown.log_prob(actions), old.log_prob(actions))
    buffer.log_probs[:, 0] = torch.distributions.Normal(old.mean, old.log_std.exp()).log_prob(unsquashed)[
        :, 0
    ]
    ppo.set_logger(configure(None, []))
    ppo.train()
    logged = ppo.logger.name_to_value

    outside = (ours - 1.0).abs() > clip
    assert 0.2 < outside.float().mean() < 0.9
    assert outside.float().mean().item() == pytest.approx(logged["train/clip_fraction"])
    clipped = torch.min(ours[:, 0] * advantages, ours[:, 0].clamp(1 - clip, 1 + clip) * advantages)
    assert -clipped.mean().item() == pytest.approx(logged["train/policy_gradient_loss"], abs=1e-6)

    unclipped_loss = -(ours[:, 0] * advantages).mean()
    grads = torch.autograd.grad(unclipped_loss, (shown.mean, shown.log_std))
    gate = losses.is_open(ours, losses.rise_of_ratio(shown, actions, *grads), clip)
    assert gate.float().mean() < 1.0
    # PPO's std is one number for all states.
    assert (grads[1] * gate).sum().item() == pytest.approx(ppo.policy.log_std.grad.item(), abs=1e-6)
    assert ppo.policy.action_net.bias.grad is not None
    assert (grads[0] * gate).sum().item() == pytest.approx(ppo.policy.action_net.bias.grad.item(), abs=1e-6)


def test_corrected_a_blind_critic_leaves_ppos_gradient() -> None:
    """A critic that sees no action has no slope: what it missed is PPO's advantage, and the loss is PPO's."""
    draw = torch.Generator().manual_seed(2)
    shown = Gaussian(*(torch.randn(BATCH, 3, generator=draw).mul(0.3).requires_grad_() for _ in range(2)))
    old = Gaussian(*(part.detach() + 0.1 for part in (shown.mean, shown.log_std)))
    actions, _ = old.act(torch.randn(BATCH, 3, generator=draw))
    advantages = torch.randn(BATCH, generator=draw)
    ratios = losses.ratio(shown.log_prob(actions), old.log_prob(actions))
    clip = 0.2

    ppos = torch.min(ratios * advantages[:, None], ratios.clamp(1 - clip, 1 + clip) * advantages[:, None])
    # An action that has grown likely and was bad: PPO's gradient grows with ρ, ours as far as the clip's end.
    runs_away = (ratios > 1 + clip) & (advantages < 0)[:, None]
    theirs = torch.autograd.grad(-(ppos * ~runs_away).sum(dim=1).mean(), (shown.mean, shown.log_std))
    loss = losses.correction_loss(shown.log_prob(actions), ratios, advantages, 1 + clip)
    ours = torch.autograd.grad(loss, (shown.mean, shown.log_std))
    gate = losses.is_open(ratios, losses.rise_of_ratio(shown, actions, *ours), clip)
    assert 0.2 < gate.float().mean() < 1.0
    for our, their in zip(ours, theirs, strict=True):
        assert torch.allclose(our * gate * ~runs_away, their, atol=1e-6)


def test_the_correction_makes_up_for_a_critic_that_is_wrong() -> None:
    """Of a known reward, through a critic with the wrong slope: the sum of both gradients is the true one."""
    rows, mean, std = 400_000, 0.3, 0.5
    torch.manual_seed(4)
    policy = Gaussian(torch.full((rows, 1), mean).requires_grad_(), torch.full((rows, 1), std).log())

    def reward(actions: torch.Tensor) -> torch.Tensor:
        return -(actions - 0.7).square()

    def critic(actions: torch.Tensor) -> torch.Tensor:
        return -2.0 * actions

    def slope(loss: torch.Tensor) -> float:
        return float(torch.autograd.grad(loss, policy.mean)[0].sum())

    def drawn() -> torch.Tensor:
        return policy.act(torch.randn(rows, 1))[0]

    true = slope(-reward(drawn()).mean())
    through_q = slope(-critic(drawn()).mean())
    actions = drawn().detach()
    missed = (reward(actions) - critic(actions))[:, 0]
    loss = losses.correction_loss(policy.log_prob(actions), torch.ones(rows, 1), missed, math.inf)
    corrected = through_q + slope(loss)
    assert abs(through_q - true) > 1.0
    assert corrected == pytest.approx(true, abs=0.03)


def test_clipping_is_button_by_button() -> None:
    """A button whose ratio has left the range stops; the others go on (G4)."""
    here = Gaussian(torch.tensor([[0.5, 0.0]]), torch.zeros(1, 2))
    old = Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))
    action = torch.tensor([[0.9, 0.9]])
    up = torch.tensor([[-1.0, -1.0]])  # descent raises both means, towards the action
    ratios = losses.ratio(here.log_prob(action), old.log_prob(action))
    rises = losses.rise_of_ratio(here, action, up, torch.zeros(1, 2))
    assert losses.is_open(ratios, rises, 0.2).tolist() == [[False, True]]
    assert losses.is_open(ratios, -rises, 0.2).tolist() == [[True, True]]
