"""Returns of semi-Markov processes: discounts per frame, bootstrapping through time limits.

A transition that spans k frames is discounted by γ^k and, in λ returns, mixed by λ^k (Sutton, Precup and
Singh 1999, "Between MDPs and semi-MDPs", section 3), so that a return does not depend on how time is cut into
decisions. With one frame per transition all of this is the usual GAE and n-step return.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Discount:
    """How rewards later in time count less.

    Attributes:
        gamma: per frame, or per step if ``per_frame`` is False; 0 to 1.
        lam: λ of λ returns, in the same unit; 0 to 1.
        per_frame: whether to use the frames of each transition, or to count each as one.
    """

    gamma: float
    lam: float = 1.0
    per_frame: bool = True

    def powers(self, frames: NDArray[Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return γ and λ to the number of frames of each transition, both of the shape of ``frames``.

        >>> Discount(0.5, 1.0).powers(np.array([1, 3]))[0]
        array([0.5  , 0.125])
        """
        spans = np.asarray(frames, np.float64) if self.per_frame else np.ones(np.shape(frames))
        return np.power(self.gamma, spans), np.power(self.lam, spans)


def advantages(
    discount: Discount,
    *,
    rewards: NDArray[Any],
    values: NDArray[Any],
    next_values: NDArray[Any],
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    frames: NDArray[Any],
    weights: NDArray[Any] | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return λ advantages and the targets of the value function, corrected for another policy's actions.

    With weights ρ (importance weights of the actions, clipped at 1) these are V-trace's targets (Espeholt et
    al. 2018, arXiv 1802.01561, equations 1 and 2, c = λρ) and advantages ρ·(r + γ·vs' − V). Without
    them, GAE (Schulman et al. 2016, arXiv 1506.02438, equation 16) and its λ return.

    Args:
        discount: γ and λ.
        rewards: ``[T, ...]``; further axes are lanes.
        values: ``[T, ...]``, V before each transition.
        next_values: ``[T, ...]``, V after it; of the final observation where an episode was truncated.
            Ignored where it terminated.
        terminated: ``[T, ...]``.
        truncated: ``[T, ...]``.
        frames: ``[T, ...]``.
        weights: ``[T, ...]``, or None for 1.

    Returns:
        Advantages and targets, float64, both of the shape of ``rewards``.

    Example:
        >>> one, zero, no = np.ones(2), np.zeros(2), np.zeros(2, bool)
        >>> advantages(Discount(0.5), rewards=one, values=zero, next_values=np.array([0.0, 8.0]),
        ...            terminated=no, truncated=no, frames=one)[1]
        array([3.5, 5. ])
    """
    gammas, lams = discount.powers(frames)
    rewards, values = np.asarray(rewards, np.float64), np.asarray(values, np.float64)
    next_values = np.where(terminated, 0.0, np.asarray(next_values, np.float64))
    errors = rewards + gammas * next_values - values
    going_on = ~(np.asarray(terminated, bool) | np.asarray(truncated, bool))
    carried = gammas * lams * going_on
    rho = np.ones_like(errors) if weights is None else np.asarray(weights, np.float64)
    result = np.empty_like(errors)
    following = np.zeros_like(errors[0])  # vs' - V' of the next step
    for step in reversed(range(len(errors))):
        following = rho[step] * (errors[step] + carried[step] * following)
        result[step] = following
    return result, values + result


def n_step(
    discount: Discount,
    *,
    rewards: NDArray[Any],
    frames: NDArray[Any],
    inside: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the sum of up to n discounted rewards, and the discount of what follows them.

    Args:
        discount: γ; λ is not used.
        rewards: ``[batch, n]``, in order of time.
        frames: ``[batch, n]``.
        inside: bool ``[batch, n]``; False from the first transition on that does not belong to the window,
            because an episode or the data ended before it. The first is always inside.

    Returns:
        Sums and discounts, float32 ``[batch]`` each.

    Example:
        >>> n_step(Discount(0.5), rewards=np.array([[1.0, 1.0, 9.0]]), frames=np.array([[2, 1, 1]]),
        ...        inside=np.array([[True, True, False]]))
        (array([1.25], dtype=float32), array([0.125], dtype=float32))
    """
    gammas = np.where(inside, discount.powers(frames)[0], 1.0)
    through = np.cumprod(gammas, axis=1)
    before = np.concatenate([np.ones_like(through[:, :1]), through[:, :-1]], axis=1)
    sums = (np.where(inside, rewards, 0.0) * before).sum(axis=1)
    return sums.astype(np.float32), through[:, -1].astype(np.float32)
