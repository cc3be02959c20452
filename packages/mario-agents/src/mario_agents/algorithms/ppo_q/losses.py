"""PPO-Q's mathematics as pure functions on tensors; README.md beside this file has it in symbols.

B is the batch, n the number of buttons (numbers in an action), N the number of critics.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

#: Keeps the logarithm of the squashing finite; Stable-Baselines3's SAC has the same.
_EPSILON = 1e-6
#: Farthest from 0 that an action may lie to be unsquashed: atanh(1) is infinite.
_MOST = 1.0 - 1e-6

Pool = Literal["min", "mean", "first"]


@dataclass(frozen=True)
class Gaussian:
    """A diagonal Gaussian before tanh, for a batch of states.

    Attributes:
        mean: μ, ``[B, n]``.
        log_std: log σ, ``[B, n]``.
    """

    mean: Tensor
    log_std: Tensor

    def act(self, noise: Tensor) -> tuple[Tensor, Tensor]:
        """Return actions a = tanh(μ + σ·ε) and each button's log π(a), both ``[B, n]``, differentiable.

        Args:
            noise: ε, standard normal, ``[B, n]``.
        """
        unsquashed = self.mean + self.log_std.exp() * noise
        actions = unsquashed.tanh()
        return actions, self._log_prob(unsquashed, actions)

    def log_prob(self, actions: Tensor) -> Tensor:
        """Return each button's log π(a), ``[B, n]``; their sum is the joint one.

        Args:
            actions: in (-1, 1), ``[B, n]``.

        Example:
            >>> one = Gaussian(torch.zeros(1, 1), torch.zeros(1, 1))
            >>> one.log_prob(torch.zeros(1, 1)).exp()  # 1 / sqrt(2 π)
            tensor([[0.3989]])
        """
        return self._log_prob(unsquash(actions), actions)

    def _log_prob(self, unsquashed: Tensor, actions: Tensor) -> Tensor:
        normal = torch.distributions.Normal(self.mean, self.log_std.exp(), validate_args=False)
        # Haarnoja et al. 2018 (arXiv 1801.01290), appendix C: the density of tanh(u).
        density: Tensor = normal.log_prob(unsquashed)  # type: ignore[no-untyped-call] # as torch has it
        return density - torch.log(1.0 - actions.square() + _EPSILON)

    def detach(self) -> Gaussian:
        """Return it cut off from the graph."""
        return Gaussian(self.mean.detach(), self.log_std.detach())


def unsquash(actions: Tensor) -> Tensor:
    """Return u with tanh(u) = a, for actions in [-1, 1]."""
    return torch.atanh(actions.clamp(-_MOST, _MOST))


def pool(values: Tensor, how: Pool) -> Tensor:
    """Make one value of N critics': ``[N, B]`` → ``[B]``.

    "min" is SAC's and TD3's defence against overestimation, "mean" REDQ's and REPPO's, "first" what TD3 and
    DDPG drive their actor with.

    >>> pool(torch.tensor([[1.0], [3.0]]), "mean")
    tensor([2.])
    """
    if how == "min":
        return values.min(dim=0).values
    return values.mean(dim=0) if how == "mean" else values[0]


def soft_value(values: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """Return V(s) = Q(s, a) − α log π(a|s) of an action a that the policy drew, ``[B]``.

    Args:
        values: Q(s, a), pooled, ``[B]``.
        log_prob: log π(a|s) of all buttons together, ``[B]``; zeros of a deterministic actor.
        alpha: the entropy's temperature.
    """
    return values - alpha * log_prob


def one_step_target(rewards: Tensor, discounts: Tensor, terminated: Tensor, next_values: Tensor) -> Tensor:
    """Return y = r + γ^k (1 − d) V(s'), ``[B]``.

    Args:
        rewards: r, already summed and discounted over n steps where there are several, ``[B]``.
        discounts: γ to the number of frames that they span, ``[B]``.
        terminated: d, 1 where the episode ended of itself, ``[B]``.
        next_values: V(s'), ``[B]``.
    """
    return rewards + (1.0 - terminated) * discounts * next_values


def critic_loss(values: Tensor, targets: Tensor, weight: float = 0.5) -> Tensor:
    """Return weight · Σ over critics of the batch's mean of (Q − y)².

    Args:
        values: Q of each critic, ``[N, B]``.
        targets: y, ``[B]``.
        weight: SAC has ½; TD3 and DDPG have 1.
    """
    return weight * functional.mse_loss(values, targets.expand_as(values), reduction="none").mean(dim=1).sum()


def actor_loss(values: Tensor, log_prob: Tensor, alpha: Tensor) -> Tensor:
    """Return the batch's mean of α log π(a|s) − Q(s, a), with a drawn by the actor.

    Args:
        values: Q(s, a), pooled, ``[B]``.
        log_prob: log π(a|s), all buttons together, ``[B]``.
        alpha: the entropy's temperature.
    """
    return (alpha * log_prob - values).mean()


def correction_loss(log_prob: Tensor, ratios: Tensor, missed: Tensor, limit: float) -> Tensor:
    """Return minus the batch's mean of Σ over buttons of ρ log π(a|s) · (y − Q(s, a)).

    The gradient through Q is as right as Q is. What came of an action says what Q missed of it; moving the
    action's likelihood by that much corrects the gradient, Q being an action-dependent control variate (Liu
    et al. 2018, arXiv 1710.11198, equation 6; Gu et al. 2017, arXiv 1611.02247).

    Args:
        log_prob: log π(a|s) of each button, ``[B, n]``.
        ratios: ρ of each button, ``[B, n]``; no gradient is taken through it.
        missed: y − Q(s, a) of the action, ``[B]``; 0 where nothing is known of what came of it.
        limit: the most that ρ counts, as in V-trace; infinity is no limit.
    """
    weights = ratios.detach().clamp(max=limit)
    return -(weights * log_prob).sum(dim=1).mul(missed.detach()).mean()


def excess(mean: Tensor, limit: float) -> Tensor:
    """Return Σ over buttons of max(|μ| − limit, 0)², ``[B]``.

    Where tanh is flat no noise reaches the other side of 0: a button that is pressed is never seen not to be,
    and no gradient leads back.

    >>> excess(torch.tensor([[0.5, -3.0]]), 1.0)
    tensor([4.])
    """
    return (mean.abs() - limit).clamp(min=0.0).square().sum(dim=1)


def dual_loss(log_multiplier: Tensor, excess: Tensor) -> Tensor:
    """Return the loss whose descent raises a multiplier where its constraint is broken.

    Args:
        log_multiplier: log of α or β.
        excess: how far what is constrained lies above its limit; no gradient is taken through it, ``[B]``.
    """
    return -(log_multiplier * excess.detach()).mean()


def kl_divergence(old: Gaussian, new: Gaussian) -> Tensor:
    """Return KL(π_old ‖ π) of each state, ``[B]``; squashing both alike does not change it.

    >>> same = Gaussian(torch.zeros(1, 2), torch.zeros(1, 2))
    >>> kl_divergence(same, same)
    tensor([0.])
    """
    between = (old.mean - new.mean).square() + (2.0 * old.log_std).exp()
    per_button = new.log_std - old.log_std + between / (2.0 * (2.0 * new.log_std).exp()) - 0.5
    return per_button.sum(dim=1)


def ratio(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """Return ρ = π(a|s) / π_old(a|s), of each button by itself if log-probabilities are (G4)."""
    return (log_prob - old_log_prob).exp()


def is_open(ratios: Tensor, rises: Tensor, clip_range: float) -> Tensor:
    """Tell where PPO's clipped objective lets a gradient through.

    min(ρA, clip(ρ)A) has no gradient where ρ has left [1 − ε, 1 + ε] *and* following it would take ρ
    farther out (Schulman et al. 2017, arXiv 1707.06347, equation 7). In PPO the advantage's sign tells
    whether ρ would rise; here the change of log π(a) does.

    Args:
        ratios: ρ.
        rises: above 0 where a step of descent would raise ρ, below 0 where it would lower it.
        clip_range: ε.

    Example:
        >>> is_open(torch.tensor([1.5, 1.5, 1.1]), torch.tensor([1.0, -1.0, 1.0]), 0.2)
        tensor([False,  True,  True])
    """
    above = (ratios > 1.0 + clip_range) & (rises > 0)
    below = (ratios < 1.0 - clip_range) & (rises < 0)
    return ~(above | below)


def rise_of_ratio(policy: Gaussian, actions: Tensor, mean_grad: Tensor, log_std_grad: Tensor) -> Tensor:
    """Return how log π(a) changes as μ and log σ descend a gradient, to first order, ``[B, n]``.

    Args:
        policy: π.
        actions: a, ``[B, n]``.
        mean_grad: ∂loss/∂μ.
        log_std_grad: ∂loss/∂log σ.
    """
    std = policy.log_std.exp()
    standard = (unsquash(actions) - policy.mean) / std
    return -(mean_grad * standard / std + log_std_grad * (standard.square() - 1.0))
