"""PPO-max's mathematics as pure functions on tensors; README.md beside this file has it in symbols.

B is the batch, n the number of buttons (numbers in an action), or 1 where the ratio is the joint one.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def standardize(advantages: Tensor) -> Tensor:
    """Return advantages with mean 0 and std 1, ``[B]``; a single one as it is.

    >>> standardize(torch.tensor([1.0, 3.0]))
    tensor([-0.7071,  0.7071])
    """
    if len(advantages) < 2:
        return advantages
    return (advantages - advantages.mean()) / (advantages.std() + 1e-8)


def policy_loss(ratios: Tensor, advantages: Tensor, clip_range: float) -> Tensor:
    """Return −mean_B Σ_j min(ρ_j A, clip(ρ_j, 1 − ε, 1 + ε) A) (arXiv 1707.06347, equation 7).

    The sum over buttons, not their mean: where all ρ_j are 1 its gradient is the joint ratio's.

    Args:
        ratios: ρ, ``[B, n]``.
        advantages: A, ``[B]``.
        clip_range: ε.

    Example:
        >>> policy_loss(torch.tensor([[1.5, 0.9]]), torch.tensor([1.0]), 0.2)
        tensor(-2.1000)
    """
    gains = advantages.unsqueeze(1)
    clipped = ratios.clamp(1.0 - clip_range, 1.0 + clip_range)
    return -torch.min(ratios * gains, clipped * gains).sum(dim=1).mean()


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip_range: float | None) -> Tensor:
    """Return the batch's mean of (R − V)², V kept within ``clip_range`` of what it was.

    Args:
        values: V, ``[B]``.
        old_values: V as the rollout has it, ``[B]``.
        returns: R, ``[B]``.
        clip_range: None does not clip.
    """
    if clip_range is not None:
        values = old_values + (values - old_values).clamp(-clip_range, clip_range)
    return functional.mse_loss(returns, values)


def approximate_kl(log_ratio: Tensor) -> Tensor:
    """Return the mean of ρ − 1 − log ρ, an estimate of KL(π_old ‖ π) from joint log ratios, ``[B]``.

    Schulman 2020, "Approximating KL divergence", the estimator k3.
    """
    return (log_ratio.exp() - 1.0 - log_ratio).mean()
