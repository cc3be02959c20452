"""What a store gives a loss to learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_agents.storage.segment import Leaves


@dataclass(frozen=True)
class Batch:
    """B transitions, or n-step stretches, drawn from a store.

    Attributes:
        observations: key → ``[B, ...]``, before the transition.
        next_observations: key → ``[B, ...]``, after the last transition of the stretch.
        actions: ``[B, ...]``.
        rewards: float32 ``[B]``, discounted sum over the stretch.
        discounts: float32 ``[B]``, of what follows the stretch: γ to its frames.
        terminated: bool ``[B]``; nothing follows. An episode that a limit cut has False: it is bootstrapped.
        ids: int64 ``[B]``, the store's names of the transitions, for :meth:`Priorities.update`.
        weights: float32 ``[B]``, importance weights of prioritised sampling, at most 1; 1 if uniform.
    """

    observations: Leaves
    next_observations: Leaves
    actions: NDArray[Any]
    rewards: NDArray[np.float32]
    discounts: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    ids: NDArray[np.int64]
    weights: NDArray[np.float32]

    @classmethod
    def joined(cls, parts: Sequence[Batch]) -> Batch:
        """Return all of them as one."""

        def leaves(name: str) -> Leaves:
            first: Leaves = getattr(parts[0], name)
            return {key: np.concatenate([getattr(part, name)[key] for part in parts]) for key in first}

        columns = ("actions", "rewards", "discounts", "terminated", "ids", "weights")
        return cls(
            observations=leaves("observations"),
            next_observations=leaves("next_observations"),
            **{name: np.concatenate([getattr(part, name) for part in parts]) for name in columns},
        )
