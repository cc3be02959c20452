"""What was played since the last update, with Q(λ)'s targets."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mario_agents.storage.returns import Discount, advantages
from mario_agents.storage.segment import Leaves, Segment, from_leaves

#: Observations after transitions, the actions taken there and by which actor → V of the observations, and
#: α log π of those actions.
Judge = Callable[[Any, Tensor, Tensor], tuple[Tensor, Tensor]]


class Rollout:
    """N transitions in order of lanes and time, drawn without replacement.

    Args:
        segments: sorted by lane and time.
        device: where minibatches go.
        n_actors: M; actor i played the lanes l with l % M = i.
    """

    def __init__(self, segments: Sequence[Segment], device: torch.device, n_actors: int = 1) -> None:
        def column(name: str) -> NDArray[Any]:
            return np.concatenate([getattr(segment, name) for segment in segments])

        self._device = device
        self._observations = _at(segments, "now")
        self._next_observations = _at(segments, "next")
        self._actions: NDArray[np.float32] = column("actions")
        self._rewards, self._frames = column("rewards"), column("frames")
        lanes = np.repeat([segment.lane for segment in segments], [len(segment) for segment in segments])
        self._players = lanes % n_actors
        self._terminated, truncated = column("terminated"), column("truncated")
        # A lane's stretch ends where its next segment does not go on from it: what follows is not known.
        ends = np.zeros(len(self._rewards), bool)
        ends[np.cumsum([len(segment) for segment in segments]) - 1] = [
            (after.lane, after.first_step) != (one.lane, one.first_step + len(one))
            for one, after in zip(segments, [*segments[1:], segments[0]], strict=True)
        ]
        self._cut = truncated | (ends & ~self._terminated)
        self.targets = np.zeros(len(self), np.float32)
        self._order = np.arange(0)

    def __len__(self) -> int:
        return len(self._rewards)

    def set_targets(self, discount: Discount, judge: Judge, batch_size: int) -> None:
        """Compute the targets of Q; see :func:`q_lambda`.

        Args:
            discount: γ and λ.
            judge: the policy and the critics of now.
            batch_size: observations judged at once.
        """
        following = torch.as_tensor(np.roll(self._actions, -1, axis=0), device=self._device)
        players = torch.as_tensor(self._players, device=self._device)
        values, costs = [], []
        for first in range(0, len(self), batch_size):
            rows = np.arange(first, min(first + batch_size, len(self)))
            seen = self._tensors(self._next_observations, rows)
            value, cost = judge(seen, following[rows], players[rows])
            values.append(value.cpu().numpy())
            costs.append(cost.cpu().numpy())
        self.targets = q_lambda(
            discount,
            rewards=self._rewards,
            next_values=np.concatenate(values),
            next_costs=np.concatenate(costs),
            terminated=self._terminated,
            cut=self._cut,
            frames=self._frames,
        ).astype(np.float32)

    def draw(self, size: int, rng: np.random.Generator) -> tuple[Any, Tensor, Tensor, Tensor]:
        """Return the next ``size`` of an order drawn at random.

        Returns:
            Observations, actions, targets, and which actor played each, int64 ``[size]``.
        """
        while len(self._order) < size:
            self._order = np.concatenate([self._order, rng.permutation(len(self))])
        rows, self._order = self._order[:size], self._order[size:]
        actions, targets, players = (
            torch.as_tensor(column[rows], device=self._device)
            for column in (self._actions, self.targets, self._players)
        )
        return self._tensors(self._observations, rows), actions, targets, players

    def _tensors(self, leaves: Leaves, rows: NDArray[np.int64]) -> Any:
        return from_leaves(
            {key: torch.as_tensor(part[rows], device=self._device) for key, part in leaves.items()}
        )


def q_lambda(
    discount: Discount,
    *,
    rewards: NDArray[Any],
    next_values: NDArray[Any],
    next_costs: NDArray[Any],
    terminated: NDArray[np.bool_],
    cut: NDArray[np.bool_],
    frames: NDArray[Any],
) -> NDArray[np.float64]:
    """Return G = r + γ^k [(1 − λ^k) V(s') + λ^k (G' − α log π(a'|s'))], the λ return of a soft Q.

    G' is that of the next transition, whose action a' was played. This is Peng's Q(λ) with the policy's own
    expectation V in the place of a maximum: REPPO's target (arXiv 2507.11019, equation 9) with discounts per
    frame.

    Args:
        discount: γ and λ.
        rewards: r, ``[N]``, in order of time.
        next_values: V(s'), ``[N]``.
        next_costs: α log π(a'|s') of the action played next, ``[N]``.
        terminated: nothing follows, ``[N]``.
        cut: what follows is not known and counts as V(s'), ``[N]``.
        frames: k, ``[N]``.

    Example:
        >>> no, zero = np.zeros(2, bool), np.zeros(2)
        >>> q_lambda(Discount(0.5), rewards=np.ones(2), next_values=np.array([0.0, 8.0]), next_costs=zero,
        ...          terminated=no, cut=np.array([False, True]), frames=np.ones(2))
        array([3.5, 5. ])
    """
    gammas, lams = discount.powers(frames)
    going_on = ~(terminated | cut)
    # The value before a transition is the value after the one before it, where they belong together.
    values = np.roll(next_values, 1)
    _, targets = advantages(
        discount,
        rewards=rewards - gammas * lams * going_on * next_costs,
        values=values,
        next_values=next_values,
        terminated=terminated,
        truncated=cut,
        frames=frames,
    )
    return targets


def _at(segments: Sequence[Segment], which: str) -> Leaves:
    def rows() -> Iterator[Leaves]:
        for segment in segments:
            moments = getattr(segment, which)
            yield {key: part[moments] for key, part in segment.observations.items()}

    parts = list(rows())
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
