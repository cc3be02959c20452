"""A store of whole segments: adding is keeping a reference, sampling gathers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mario_agents.storage.batch import Batch
from mario_agents.storage.pictures import PackedPictures
from mario_agents.storage.returns import Discount, n_step
from mario_agents.storage.segment import Leaves, Segment


class _Kept:
    """A segment with its stacks of pictures packed."""

    def __init__(self, segment: Segment, stacks: frozenset[str]) -> None:
        self.packed = {key: PackedPictures(segment.observations[key], segment.in_time) for key in stacks}
        plain = {key: part for key, part in segment.observations.items() if key not in stacks}
        self.segment = replace(segment, observations=plain)

    def __len__(self) -> int:
        return len(self.segment)

    @property
    def nbytes(self) -> int:
        one = self.segment
        columns = (
            one.now, one.next, one.actions, one.rewards, one.terminated, one.truncated, one.frames,
            *one.observations.values(),
        )  # fmt: skip
        return sum(column.nbytes for column in columns) + sum(part.nbytes for part in self.packed.values())

    def rows(self, moments: NDArray[np.int32]) -> Leaves:
        plain = {key: part[moments] for key, part in self.segment.observations.items()}
        return plain | {key: part.rows(moments) for key, part in self.packed.items()}


class SegmentStore:
    """Keeps segments whole (the manual's T4), each observation once and each picture once (T8).

    n-step stretches end with the segment: it is then bootstrapped from what follows, sooner than n. Best with
    segments of 32 steps and more; with shorter ones the bookkeeping outweighs the transitions.

    Args:
        capacity: transitions; the oldest segments go whole.
        stacks: keys of observations that are stacks of pictures, see
            :func:`~mario_agents.storage.pictures.is_stack`.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> store = SegmentStore(100)
        >>> store.add(Segment.from_steps(
        ...     lane=0, policy_version=0, observations={"": np.arange(4.0)}, finals={}, actions=np.zeros(3),
        ...     rewards=np.ones(3), terminated=np.zeros(3, bool), truncated=np.zeros(3, bool),
        ...     frames=np.ones(3)))
        >>> batch = store.sample(2, Discount(0.5), rng, steps=3)
        >>> batch.observations[""], batch.rewards, batch.next_observations[""]
        (array([2., 1.]), array([1. , 1.5], dtype=float32), array([3., 3.]))
    """

    def __init__(self, capacity: int, stacks: frozenset[str] = frozenset()) -> None:
        if capacity < 1:
            raise ValueError(f"a store must have room for a transition, not {capacity}")
        self.capacity, self.added = capacity, 0
        self._stacks = stacks
        self._segments: deque[_Kept] = deque()
        self._length = 0
        # For sampling, made anew after each addition: segments by number, and where each begins.
        self._list: list[_Kept] = []
        self._starts: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self._length

    @property
    def nbytes(self) -> int:
        """Bytes that transitions hold."""
        return sum(kept.nbytes for kept in self._segments)

    def add(self, segment: Segment) -> None:
        """Take a segment in; the oldest segments that no longer fit go whole, the newest one never."""
        self._segments.append(_Kept(segment, self._stacks))
        self.added += len(segment)
        self._length += len(segment)
        while self._length > self.capacity and len(self._segments) > 1:
            self._length -= len(self._segments.popleft())
        self._starts = None

    def forget_before(self, version: int) -> None:
        """Let go of every segment whose policy_version is below ``version``."""
        self._segments = deque(kept for kept in self._segments if kept.segment.policy_version >= version)
        self._length = sum(map(len, self._segments))
        self._starts = None

    def sample(self, size: int, discount: Discount, rng: np.random.Generator, *, steps: int = 1) -> Batch:
        """Draw transitions with replacement; see :meth:`Store.sample`."""
        if not self._length:
            raise ValueError("the store is empty")
        return self.gather(rng.integers(self._length, size=size), discount, steps=steps)

    def observations(self, indices: NDArray[np.int64]) -> Leaves:
        """Return the observations before transitions, by their place in the store, oldest segment first."""
        found: Leaves = {}
        for kept, rows, at in self._by_segment(indices):
            _write(found, rows, kept.rows(kept.segment.now[at]), len(indices))
        return found

    def gather(self, indices: NDArray[np.int64], discount: Discount, *, steps: int = 1) -> Batch:
        """Return transitions by their place in the store, oldest segment first.

        Args:
            indices: int64 ``[B]``, each below ``len(store)``.
            discount: γ.
            steps: n of n-step returns.
        """
        size = len(indices)
        columns: Leaves = {}
        now: Leaves = {}
        following: Leaves = {}
        for kept, rows, at in self._by_segment(indices):
            one = kept.segment
            window = at[:, None] + np.arange(steps)
            exists = window < len(one)
            window = np.minimum(window, len(one) - 1)
            done = one.done[window]
            inside = exists & (np.cumsum(done, axis=1) - done == 0)
            last = at + inside.sum(axis=1) - 1
            sums, discounts = n_step(
                discount, rewards=one.rewards[window], frames=one.frames[window], inside=inside
            )
            part = {
                "actions": one.actions[at],
                "rewards": sums,
                "discounts": discounts,
                "terminated": one.terminated[last],
            }
            _write(columns, rows, part, size)
            _write(now, rows, kept.rows(one.now[at]), size)
            _write(following, rows, kept.rows(one.next[last]), size)
        return Batch(
            observations=now,
            next_observations=following,
            ids=np.asarray(indices, np.int64),
            weights=np.ones(size, np.float32),
            **columns,
        )

    def _by_segment(
        self, indices: NDArray[np.int64]
    ) -> Iterator[tuple[_Kept, NDArray[np.int64], NDArray[np.int64]]]:
        """Give each segment that is asked for, the rows of the batch it fills, and its steps."""
        if self._starts is None:
            self._starts = np.cumsum([0, *map(len, self._segments)])
            self._list = list(self._segments)
        which = np.searchsorted(self._starts, indices, side="right") - 1
        order = np.argsort(which, kind="stable")
        cuts = np.flatnonzero(np.diff(which[order])) + 1
        for rows in np.split(order, cuts):
            number = which[rows[0]]
            yield self._list[number], rows, indices[rows] - self._starts[number]


def _write(batch: Leaves, rows: NDArray[np.int64], part: Leaves, size: int) -> None:
    """Write rows into the arrays of a batch, made when the first of them come."""
    for key, values in part.items():
        if key not in batch:
            batch[key] = np.empty((size, *values.shape[1:]), values.dtype)
        batch[key][rows] = values
