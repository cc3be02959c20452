"""Self-imitation's mathematics as pure functions on tensors; README.md beside this file has it in symbols.

B is the batch, N the number of estimates of a value.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def gaps(above: Tensor, below: Tensor, scale: float, most: float) -> Tensor:
    """Return min((above − below)₊ / σ, c), ``[B]``.

    Args:
        above: ``[B]``.
        below: ``[B]``.
        scale: σ, the standard deviation of returns.
        most: c.

    Example:
        >>> gaps(torch.tensor([1.0, 4.0, 9.0]), torch.tensor([2.0, 2.0, 2.0]), 2.0, 3.0)
        tensor([0., 1., 3.])
    """
    return torch.clamp((above - below) / scale, 0.0, most)


def imitation_loss(log_probs: Tensor, gap: Tensor, weights: Tensor) -> Tensor:
    """Return −mean_B w g log π(a|s) (Oh et al. 2018, arXiv 1806.05635, equation 2).

    Args:
        log_probs: log π(a|s), ``[B]``.
        gap: g, how far the return lay above what was expected, ``[B]``.
        weights: w, importance weights of the draw, ``[B]``.
    """
    return -(weights * gap * log_probs).mean()


def avoidance_loss(
    log_probs: Tensor, first_log_probs: Tensor, gap: Tensor, weights: Tensor, least_ratio: float
) -> Tensor:
    """Return mean_B w g (log π(a|s) − log π₀(a|s) − log ρ)₊.

    A probability is pushed down until it is ρ of what it was, and then no further: log π has no lower bound,
    neither of one action among few nor of a density.

    Args:
        log_probs: log π(a|s), ``[B]``.
        first_log_probs: log π₀(a|s), when the episode was taken in, ``[B]``.
        gap: g, how far what followed lay below what was expected, ``[B]``.
        weights: w, ``[B]``.
        least_ratio: ρ, above 0 and below 1.

    Example:
        >>> log_probs = torch.tensor([0.5, 0.2]).log()
        >>> avoidance_loss(log_probs, torch.tensor([0.5, 0.5]).log(), torch.ones(2), torch.ones(2), 0.5)
        tensor(0.3466)
    """
    excess = log_probs - first_log_probs - math.log(least_ratio)
    return (weights * gap * excess.clamp(min=0.0)).mean()


def bound_loss(above: Tensor, below: Tensor, weights: Tensor, scale: float, most: float) -> Tensor:
    """Return Σ_N mean_B w h(x), x = (above − below)₊ / σ, h(x) = ½x² up to c and c(x − ½c) beyond.

    One of the two is learned: an estimate that is to rise to a bound, or to fall to it. The gradient is that
    of ½x² (Oh et al., equation 3) with x no larger than c.

    Args:
        above: ``[N, B]`` or ``[B]``.
        below: ``[B]`` or ``[N, B]``.
        weights: w, ``[B]``.
        scale: σ.
        most: c.

    Example:
        >>> bound_loss(torch.tensor([3.0, 9.0]), torch.tensor([[2.0, 2.0]]), torch.ones(2), 1.0, 2.0)
        tensor(6.2500)
    """
    excess = ((above - below) / scale).clamp(min=0.0)
    inner = excess.clamp(max=most)
    return (weights * inner * (excess - 0.5 * inner)).mean(dim=-1).sum()
