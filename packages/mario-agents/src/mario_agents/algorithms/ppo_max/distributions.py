"""How actions are drawn: two heads for Boxes, and each button's log-probability of every head."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    DiagGaussianDistribution,
    Distribution,
    MultiCategoricalDistribution,
)
from torch import Tensor, nn
from torch.distributions import Bernoulli, Categorical, Normal
from torch.nn import functional

from mario_agents.algorithms.ppo_q.losses import Gaussian
from mario_agents.errors import AgentsError

#: Least and greatest log σ: what leaves them makes a button a constant, or a coin.
_LOG_STD_RANGE = (-5.0, 2.0)
#: |μ| stays below. tanh(8) is 1 to a float, so what was drawn there does not tell where from, and a small
#: step of μ changed ratios by more than floats hold (1-1 with holds: approx_kl 20, then a loss not finite).
_MEAN_LIMIT = 3.0

SelfHybrid = TypeVar("SelfHybrid", bound="Hybrid")
SelfTanhGaussian = TypeVar("SelfTanhGaussian", bound="TanhGaussian")


class Hybrid(BernoulliDistribution):
    """Each button is pressed or not, and if it is, for one of L lengths (H-PPO, arXiv 1903.01344).

    An action is one of L + 1 *levels* of each button: 0 is released and tells the Box's lower bound; l from 1
    to L is the centre of the l-th of L equal parts of the Box above 0.

    Args:
        space: a Box that reaches above 0; n numbers.
        lengths: L.

    Attributes:
        values: of each button's levels, ``[n, 1 + L]``.
        press: x with p(press_j) = sigmoid(x), ``[B, n]``.
        length: log p(length_j), ``[B, n, L]``.

    Raises:
        AgentsError: the Box does not, or there are no lengths.

    Example:
        >>> head = Hybrid(spaces.Box(-1.0, 1.0, (2,)), lengths=2)
        >>> head.values
        tensor([[-1.0000,  0.2500,  0.7500],
                [-1.0000,  0.2500,  0.7500]])
        >>> _ = head.proba_distribution(torch.tensor([[9.0, 0.0, 4.0, -9.0, 0.0, 0.0]]))
        >>> head.mode()  # the first pressed for long, the second released
        tensor([[ 0.7500, -1.0000]])
    """

    def __init__(self, space: spaces.Box, lengths: int) -> None:
        low, high = space.low.flatten().astype(np.float64), space.high.flatten().astype(np.float64)
        if lengths < 1 or np.any(high <= 0):
            raise AgentsError(
                f"the hybrid head needs one length or more and a Box that reaches above 0, not {lengths} and "
                f"{space}: use head plain or gaussian"
            )
        super().__init__(len(low) * (1 + lengths))
        self.buttons, self.lengths = len(low), lengths
        start = np.maximum(low, 0.0)[:, None]
        centres = start + (np.arange(lengths) + 0.5) / lengths * (high[:, None] - start)
        self.values = torch.as_tensor(np.concatenate([low[:, None], centres], axis=1), dtype=torch.float32)

    def proba_distribution(self: SelfHybrid, action_logits: Tensor) -> SelfHybrid:
        """Set the distribution from ``[B, n · (1 + L)]``: of each button, press and lengths."""
        logits = action_logits.reshape(-1, self.buttons, 1 + self.lengths)
        self.press, self.length = logits[..., 0], functional.log_softmax(logits[..., 1:], dim=-1)
        return self

    def log_prob_of_buttons(self, actions: Tensor) -> Tensor:
        """Return log p(press_j) + press_j · log p(length_j), ``[B, n]``, of actions ``[B, n]``."""
        levels = self.levels_of(actions)
        pressed = levels > 0
        log_press = functional.logsigmoid(torch.where(pressed, self.press, -self.press))
        log_length = self.length.gather(-1, (levels - 1).clamp(min=0).unsqueeze(-1)).squeeze(-1)
        return log_press + pressed * log_length

    def log_prob(self, actions: Tensor) -> Tensor:
        """Return log π(a), ``[B]``."""
        return self.log_prob_of_buttons(actions).sum(dim=1)

    def entropy(self) -> Tensor:
        """Return Σ_j [ H(press_j) + p(press_j) · H(length_j) ], ``[B]``, exactly."""
        p = self.press.sigmoid()
        of_press = -p * functional.logsigmoid(self.press) - (1 - p) * functional.logsigmoid(-self.press)
        of_length = -(self.length.exp() * self.length).sum(dim=-1)
        return (of_press + p * of_length).sum(dim=1)

    def sample(self) -> Tensor:
        """Draw actions, ``[B, n]``."""
        pressed = torch.rand_like(self.press) < self.press.sigmoid()
        lengths = self.length.exp().flatten(0, 1).multinomial(1).reshape(self.press.shape)
        return self.actions_of(pressed * (1 + lengths))

    def mode(self) -> Tensor:
        """Return ``[B, n]``: pressed where that is more likely than not, for the likeliest length."""
        return self.actions_of((self.press > 0) * (1 + self.length.argmax(dim=-1)))

    def actions_of(self, levels: Tensor) -> Tensor:
        """Return the actions of levels, int64 ``[B, n]``."""
        values = self.values.to(levels.device)
        return values[torch.arange(self.buttons, device=levels.device), levels]

    def levels_of(self, actions: Tensor) -> Tensor:
        """Undo :meth:`actions_of`: int64 ``[B, n]``; the nearest level of other numbers."""
        return (actions.unsqueeze(-1) - self.values.to(actions.device)).abs().argmin(dim=-1)


class TanhGaussian(DiagGaussianDistribution):
    """a = tanh(μ + σ·ε): a Gaussian that ends at the Box's bounds, with the density of what came out.

    Args:
        buttons: n. Actions are in (-1, 1) and stretched to the Box while playing.
        state_dependent_std: let σ depend on the state: log σ_j(s) = log σ_j + g_j(s), where g is the second
            half of the network's outputs.
    """

    gaussian: Gaussian

    def __init__(self, buttons: int, state_dependent_std: bool) -> None:
        super().__init__(buttons)
        self.state_dependent_std = state_dependent_std

    def proba_distribution_net(
        self, latent_dim: int, log_std_init: float = 0.0
    ) -> tuple[nn.Module, nn.Parameter]:
        """Return the layer to μ (and g), and log σ."""
        outputs = self.action_dim * (2 if self.state_dependent_std else 1)
        return nn.Linear(latent_dim, outputs), nn.Parameter(torch.full((self.action_dim,), log_std_init))

    def proba_distribution(self: SelfTanhGaussian, mean_actions: Tensor, log_std: Tensor) -> SelfTanhGaussian:
        """Set the distribution from the layer's outputs, ``[B, n]`` or ``[B, 2n]``, and log σ, ``[n]``.

        μ is the output x bent to 3 tanh(x / 3).
        """
        if self.state_dependent_std:
            mean_actions, shift = mean_actions.chunk(2, dim=1)
            log_std = log_std + shift
        log_std = log_std.clamp(*_LOG_STD_RANGE).expand_as(mean_actions)
        self.gaussian = Gaussian(_MEAN_LIMIT * (mean_actions / _MEAN_LIMIT).tanh(), log_std)
        return self

    def log_prob_of_buttons(self, actions: Tensor) -> Tensor:
        """Return log π_j(a_j), ``[B, n]``, of actions in (-1, 1), ``[B, n]``."""
        return self.gaussian.log_prob(actions)

    def log_prob(self, actions: Tensor) -> Tensor:
        """Return log π(a), ``[B]``."""
        return self.log_prob_of_buttons(actions).sum(dim=1)

    def entropy(self) -> Tensor:
        """Return an estimate of the entropy from one action that is drawn here, ``[B]``.

        There is no closed form. −log π of the action that was played, which Stable-Baselines3 takes in such a
        case, has no gradient on average; that of one drawn through μ and σ has.
        """
        _, log_prob = self.gaussian.act(torch.randn_like(self.gaussian.mean))
        return -log_prob.sum(dim=1)

    def sample(self) -> Tensor:
        """Draw actions, ``[B, n]`` in (-1, 1)."""
        return self.gaussian.act(torch.randn_like(self.gaussian.mean))[0]

    def mode(self) -> Tensor:
        """Return tanh(μ), ``[B, n]``."""
        return self.gaussian.mean.tanh()


def log_prob_of_buttons(distribution: Distribution, actions: Tensor) -> Tensor:
    """Return the log-probability of each number of an action by itself; they add up to the joint one.

    Args:
        distribution: as set by the policy's last evaluation.
        actions: as Stable-Baselines3 stores them, ``[B, n]``; ``[B]`` of a Discrete space.

    Returns:
        ``[B, n]``; n is 1 for a Discrete space.
    """
    match distribution:
        case Hybrid() | TanhGaussian():
            return distribution.log_prob_of_buttons(actions)
        case CategoricalDistribution():
            return distribution.log_prob(actions).unsqueeze(1)
        case MultiCategoricalDistribution():
            parts = zip(distribution.distribution, actions.unbind(dim=1), strict=True)
            return torch.stack([_density(one, action) for one, action in parts], dim=1)
        case BernoulliDistribution() | DiagGaussianDistribution():
            return _density(distribution.distribution, actions)
        case _:
            raise TypeError(f"{type(distribution).__name__} has no log-probability of each button")


def _density(distribution: Bernoulli | Categorical | Normal, actions: Tensor) -> Tensor:
    log_prob: Tensor = distribution.log_prob(actions)  # type: ignore[no-untyped-call] # as torch has it
    return log_prob
