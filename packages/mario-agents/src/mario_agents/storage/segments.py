"""A store of whole segments: adding is keeping a reference, sampling gathers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_agents.storage.batch import Batch
from mario_agents.storage.pictures import PackedPictures
from mario_agents.storage.returns import Discount, n_step
from mario_agents.storage.saved import SavedArrays, grouped
from mario_agents.storage.segment import BY_STEP, Leaves, Segment


class _Kept:
    """A segment with its stacks of pictures packed."""

    def __init__(self, segment: Segment, packed: dict[str, PackedPictures]) -> None:
        self.segment, self.packed = segment, packed

    @classmethod
    def of(cls, segment: Segment, stacks: frozenset[str]) -> _Kept:
        packed = {key: PackedPictures(segment.observations[key], segment.in_time) for key in stacks}
        plain = {key: part for key, part in segment.observations.items() if key not in stacks}
        return cls(replace(segment, observations=plain), packed)

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
        self._segments.append(_Kept.of(segment, self._stacks))
        self.added += len(segment)
        self._length += len(segment)
        while self._length > self.capacity and len(self._segments) > 1:
            self._length -= len(self._segments.popleft())
        self._starts = None

    def save(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give all that :meth:`restore` needs; see :meth:`Store.save`.

        Segments are put together by the hundred, so that there are neither thousands of arrays nor a copy of
        all of them at once.
        """
        yield "added", np.array(self.added)
        kept = list(self._segments)
        for first in range(0, len(kept), _TOGETHER):
            yield from grouped(f"{first}/", _save_together(kept[first : first + _TOGETHER]))

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another saved; see :meth:`Store.restore`."""
        self.added = int(saved["added"])
        firsts = {int(name.partition("/")[0]) for name in saved.names("") if "/" in name}
        for first in sorted(firsts):
            self._segments += _saved_together(saved.under(f"{first}/"), self._stacks)
        self._length, self._starts = sum(map(len, self._segments)), None

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


_TOGETHER = 100


def _save_together(group: list[_Kept]) -> Iterator[tuple[str, NDArray[Any]]]:
    segments = [kept.segment for kept in group]
    heads = [(len(one), one.lane, one.policy_version, one.first_step) for one in segments]
    yield "heads", np.array(heads, np.int64)
    for name in BY_STEP:
        yield name, np.concatenate([getattr(one, name) for one in segments])
    for key in segments[0].observations:
        parts = [one.observations[key] for one in segments]
        yield f"moments/{key}", np.array([len(part) for part in parts], np.int64)
        yield f"observations/{key}", np.concatenate(parts)
    for key in group[0].packed:
        for number, kept in enumerate(group):
            yield from grouped(f"packed/{number}/{key}/", kept.packed[key].save())


def _saved_together(saved: SavedArrays, stacks: frozenset[str]) -> Iterator[_Kept]:
    heads = saved["heads"].tolist()
    # Copies: a view of one segment's rows would keep those of all the group.
    cuts = np.cumsum([head[0] for head in heads])[:-1]
    columns = {name: [part.copy() for part in np.split(saved[name], cuts)] for name in BY_STEP}
    observations = {
        key: [part.copy() for part in np.split(saved[f"observations/{key}"], np.cumsum(moments)[:-1])]
        for key in saved.names("moments/")
        for moments in [saved[f"moments/{key}"]]
    }
    for number, (_, lane, version, first_step) in enumerate(heads):
        segment = Segment(
            lane=lane,
            policy_version=version,
            first_step=first_step,
            observations={key: parts[number] for key, parts in observations.items()},
            **{name: parts[number] for name, parts in columns.items()},
        )
        packed = {key: PackedPictures.saved_by(saved.under(f"packed/{number}/{key}/")) for key in stacks}
        yield _Kept(segment, packed)


def _write(batch: Leaves, rows: NDArray[np.int64], part: Leaves, size: int) -> None:
    """Write rows into the arrays of a batch, made when the first of them come."""
    for key, values in part.items():
        if key not in batch:
            batch[key] = np.empty((size, *values.shape[1:]), values.dtype)
        batch[key][rows] = values
