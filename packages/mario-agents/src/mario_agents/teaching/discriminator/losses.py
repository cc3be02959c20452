"""What the discriminator descends, and what it pays; README.md here has the symbols."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import softplus


def discriminator_loss(shown: Tensor, played: Tensor) -> Tensor:
    """Return the mean cross-entropy of telling the demonstrator's sights from the agent's.

    Goodfellow et al. 2014 (arXiv 1406.2661, equation 1), of pairs of observations as Torabi et al. 2018
    (arXiv 1807.06158, algorithm 1) have it. It is least where f = log p_shown − log p_played.

    Args:
        shown: f of demonstrated pairs, ``[B]``; D = 1 / (1 + e⁻ᶠ).
        played: f of the agent's, ``[B']``.

    Example:
        >>> discriminator_loss(torch.zeros(2), torch.zeros(3)).item()  # log 2
        0.6931471824645996
    """
    return 0.5 * (softplus(-shown).mean() + softplus(played).mean())


def gradient_penalty(shown: Tensor, pairs: Mapping[str, Tensor]) -> Tensor:
    """Return the mean squared length of f's gradient by what it saw.

    Mescheder et al. 2018 (arXiv 1801.04406, R₁), at the demonstrations alone, as Peng et al. 2021
    (arXiv 2104.02180, equation 8) have it for pairs of states.

    Args:
        shown: f of demonstrated pairs, ``[B]``.
        pairs: what it was computed from, ``[B, …]`` each, which require a gradient.

    Example:
        >>> x = torch.tensor([[1.0], [2.0]], requires_grad=True)
        >>> gradient_penalty((x**2).sum(dim=1), {"x": x}).item()  # of 2² and 4²
        10.0
    """
    gradients = torch.autograd.grad(shown.sum(), list(pairs.values()), create_graph=True)
    return sum((part.flatten(1).square().sum(dim=1) for part in gradients), torch.zeros(())).mean()


def likeness_rewards(
    likeness: NDArray[Any], stays: NDArray[Any], discounts: NDArray[Any], terminated: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the rewards whose return is the discounted mean of f over all time to come.

    (1 − Γ) f(s, s') for a decision, and at an episode's end Γ f(s', s') for ever after (Kostrikov et al.
    2019, arXiv 1809.02925, section 4.2, with the last observation as the absorbing state).

    Args:
        likeness: f(s, s'), ``[…]``.
        stays: f(s', s'), ``[…]``; used where an episode ended.
        discounts: Γ of each decision, ``[…]``, 0 to 1.
        terminated: bool ``[…]``.

    Example:
        >>> likeness_rewards(np.full(2, 3.0), np.full(2, -1.0), np.full(2, 0.75), np.array([False, True]))
        array([0.75, 0.  ])
    """
    rewards: NDArray[np.float64] = (1.0 - discounts) * likeness + discounts * np.where(terminated, stays, 0.0)
    return rewards
