"""A store in the place of Stable-Baselines3's replay buffer."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.type_aliases import DictReplayBufferSamples, ReplayBufferSamples

from mario_agents.storage.batch import Batch
from mario_agents.storage.pictures import is_stack
from mario_agents.storage.pools import Pools
from mario_agents.storage.priorities import Priorities
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Leaves, Segment, from_leaves
from mario_agents.storage.segments import SegmentStore
from mario_agents.storage.store import Store
from mario_agents.storage.transitions import TransitionStore

STORES: dict[str, type[SegmentStore] | type[TransitionStore]] = {
    "segments": SegmentStore,
    "transitions": TransitionStore,
}


def stacks_of(space: spaces.Space[Any]) -> frozenset[str]:
    """Return the keys of observations that are stacks of pictures."""
    parts = space.spaces.items() if isinstance(space, spaces.Dict) else [("", space)]
    return frozenset(key for key, part in parts if is_stack(part))


def make_store(
    kind: str, capacity: int, space: spaces.Space[Any], pools: int = 1, priority_exponent: float = 0.0
) -> Store:
    """Make the store of that name.

    Args:
        kind: ``segments`` or ``transitions``.
        capacity: transitions.
        space: observation space of one lane.
        pools: small stores that make it up; 1 is one store.
        priority_exponent: α of prioritised sampling, which one store of transitions has; 0 is uniform.
    """
    make, stacks = STORES[kind], stacks_of(space)
    if priority_exponent > 0:
        return TransitionStore(capacity, stacks, Priorities(capacity, priority_exponent))
    if pools > 1:
        return Pools(pools, max(capacity // pools, 1), lambda size: make(size, stacks))
    return make(capacity, stacks)


class StoreReplay(BaseBuffer):
    """What the off-policy algorithms' ``train`` samples from.

    A truncated episode is bootstrapped, a terminated one is not. With one step and a discount per step,
    batches are what Stable-Baselines3's own replay gives; otherwise they bring their discounts along, which
    every off-policy algorithm here heeds.

    Args:
        store: where transitions lie.
        observation_space: of one lane.
        action_space: of one lane.
        device: where batches go.
        discount: γ, per step or per frame.
        steps: n of n-step returns.
        seed: of the drawing of batches; None draws one.
        keep_fresh: hold what arrives until :meth:`take_fresh`, for algorithms that learn from whole rollouts.

    Attributes:
        store: where transitions lie.
        discount: γ.
    """

    def __init__(
        self,
        store: Store,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: torch.device | str,
        discount: Discount,
        steps: int,
        seed: int | None,
        *,
        keep_fresh: bool = False,
    ) -> None:
        super().__init__(1, observation_space, action_space, device)
        self.store, self.rng = store, np.random.default_rng(seed)
        self.discount, self._steps = discount, steps
        self._fresh: list[Segment] | None = [] if keep_fresh else None
        self._shown: tuple[Store, float] | None = None

    def show(self, demonstrations: Store, share: float) -> None:
        """Draw a share of each batch from demonstrations, which the run's own transitions never push out.

        Ball et al. (2023, RLPD, arXiv 2302.02948, section 4.1) draw half and half; other shares are the
        demo ratio of Paine et al. (2019, R2D3, arXiv 1909.01387).

        Args:
            demonstrations: of the same spaces; nothing is added to it, and it is not saved with the run's.
            share: of a batch, 0 to 1, rounded to whole transitions.
        """
        self._shown = demonstrations, share

    def add_segment(self, segment: Segment) -> None:
        """Take in what an actor played."""
        self.store.add(segment)
        if self._fresh is not None:
            self._fresh.append(segment)

    def take_fresh(self) -> list[Segment]:
        """Return what has arrived since the last call, in order of lanes and time, and let go of it."""
        fresh = sorted(self._fresh or [], key=lambda segment: (segment.lane, segment.first_step))
        if self._fresh is not None:
            self._fresh.clear()
        return fresh

    def sample(self, batch_size: int, env: object = None) -> ReplayBufferSamples | DictReplayBufferSamples:
        """Draw a batch.

        Args:
            batch_size: transitions.
            env: not used; Stable-Baselines3 passes its normalising wrapper here, and there is none.

        Raises:
            ValueError: the store is empty.
        """
        return self._samples(self._draw(batch_size))

    def sample_by_priority(
        self, batch_size: int, correction: float
    ) -> tuple[ReplayBufferSamples | DictReplayBufferSamples, NDArray[np.int64], torch.Tensor]:
        """Draw a batch from a store that has priorities.

        Args:
            batch_size: transitions.
            correction: β of the importance weights, 0 to 1.

        Returns:
            The batch, the names of its transitions, and their importance weights, float32 ``[B]``.
        """
        assert isinstance(self.store, TransitionStore)
        assert self.store.priorities is not None
        self.store.priorities.correction = correction
        batch = self._draw(batch_size)
        return self._samples(batch), batch.ids, self.to_torch(batch.weights)

    def update_priorities(self, ids: NDArray[np.int64], errors: torch.Tensor) -> None:
        """Tell the store the errors of transitions that were learned from.

        Args:
            ids: their names.
            errors: ``[B]``, of any sign.
        """
        assert isinstance(self.store, TransitionStore)
        self.store.update_priorities(ids, errors.cpu().numpy().astype(np.float64))

    def _draw(self, batch_size: int) -> Batch:
        demonstrations, share = (self.store, 0.0) if self._shown is None else self._shown
        shown = round(share * batch_size)
        parts = [
            store.sample(count, self.discount, self.rng, steps=self._steps)
            for store, count in ((self.store, batch_size - shown), (demonstrations, shown))
            if count
        ]
        return Batch.joined(parts) if len(parts) > 1 else parts[0]

    def _samples(self, batch: Batch) -> ReplayBufferSamples | DictReplayBufferSamples:
        usual = self._steps == 1 and not self.discount.per_frame
        columns = {
            "actions": self._column(batch.actions),
            "dones": self._column(batch.terminated.astype(np.float32)),
            "rewards": self._column(batch.rewards),
            "discounts": None if usual else self._column(batch.discounts),
        }
        kind: Any = (
            DictReplayBufferSamples
            if isinstance(self.observation_space, spaces.Dict)
            else ReplayBufferSamples
        )
        samples: ReplayBufferSamples | DictReplayBufferSamples = kind(
            observations=self._tensors(batch.observations),
            next_observations=self._tensors(batch.next_observations),
            **columns,
        )
        return samples

    def _column(self, values: NDArray[Any]) -> torch.Tensor:
        return self.to_torch(values.reshape(len(values), -1))

    def _tensors(self, leaves: Leaves) -> Any:
        return from_leaves({key: self.to_torch(part) for key, part in leaves.items()})

    def _get_samples(self, batch_inds: NDArray[Any], env: object = None) -> Any:
        raise NotImplementedError("batches are drawn by the store")
