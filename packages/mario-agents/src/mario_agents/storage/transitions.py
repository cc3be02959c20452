"""A store of single transitions: adding cuts and copies, sampling is one look-up per column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_agents.storage.batch import Batch
from mario_agents.storage.pictures import PictureQueue, RecentPictures
from mario_agents.storage.priorities import Priorities
from mario_agents.storage.returns import Discount, n_step
from mario_agents.storage.saved import SavedArrays, grouped
from mario_agents.storage.segment import Leaves, Segment


class TransitionStore:
    """Keeps transitions cut from their segments in a ring of columns (the manual's T4).

    Vectors are kept twice, before and after each transition, so that a batch is one look-up; stacks of
    pictures by the names of their pictures, each picture once (T8). n-step stretches go on from one segment
    of a lane into the next.

    Args:
        capacity: transitions.
        stacks: keys of observations that are stacks of pictures.
        priorities: sample in proportion to these instead of uniformly; made for ``capacity`` slots.

    Attributes:
        priorities: the same; None where it samples uniformly.

    Example:
        >>> store = TransitionStore(100)
        >>> for first in (0.0, 2.0):
        ...     store.add(Segment.from_steps(
        ...         lane=0, policy_version=0, observations={"": first + np.arange(3.0)}, finals={},
        ...         first_step=int(first), actions=np.zeros(2), rewards=np.ones(2),
        ...         terminated=np.zeros(2, bool), truncated=np.zeros(2, bool), frames=np.ones(2)))
        >>> batch = store.gather(np.array([1]), Discount(0.5), steps=3)
        >>> batch.observations[""], batch.rewards, batch.next_observations[""]
        (array([1.]), array([1.75], dtype=float32), array([4.]))
    """

    def __init__(
        self, capacity: int, stacks: frozenset[str] = frozenset(), priorities: Priorities | None = None
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a store must have room for a transition, not {capacity}")
        self.capacity, self.added = capacity, 0
        self._oldest = 0  # transitions are named by how many were added before them; slot = name % capacity
        self._stacks = stacks
        self.priorities = priorities
        self._columns: Leaves = {}
        self._now: Leaves = {}
        self._next: Leaves = {}
        self._pictures: dict[str, PictureQueue] = {}
        self._recent: dict[tuple[int, str], RecentPictures] = {}
        # Each lane's transition that is not yet followed, by name, and the step that would follow it.
        self._tails: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return self.added - self._oldest

    @property
    def nbytes(self) -> int:
        """Bytes that transitions hold: of the rings what was written so far, and the pictures."""
        rings = [*self._columns.values(), *self._now.values(), *self._next.values()]
        written = min(self.added, self.capacity) / self.capacity
        return round(sum(ring.nbytes for ring in rings) * written) + sum(
            queue.nbytes for queue in self._pictures.values()
        )

    def add(self, segment: Segment) -> None:
        """Cut a segment up and take its transitions in; of one longer than the store, the newest."""
        names = self.added + np.arange(len(segment))
        self.added += len(segment)
        self._let_go(max(self._oldest, self.added - self.capacity))
        kept = slice(max(len(segment) - self.capacity, 0), None)
        slots = names[kept] % self.capacity
        following = names + 1
        following[segment.done] = -1
        following[-1] = -1
        columns = {
            "actions": segment.actions,
            "rewards": segment.rewards,
            "terminated": segment.terminated,
            "frames": segment.frames,
            "version": np.full(len(segment), segment.policy_version, np.int64),
            "following": following,
        }
        self._write(self._columns, slots, {key: column[kept] for key, column in columns.items()})
        for key, moments in segment.observations.items():
            rows = self._name_pictures(segment, key) if key in self._stacks else moments
            self._write(self._now, slots, {key: rows[segment.now[kept]]})
            self._write(self._next, slots, {key: rows[segment.next[kept]]})
        tail, next_step = self._tails.pop(segment.lane, (-1, -1))
        if tail >= self._oldest and next_step == segment.first_step:
            self._columns["following"][tail % self.capacity] = names[0]
        if not segment.done[-1]:
            self._tails[segment.lane] = (int(names[-1]), segment.first_step + len(segment))
        if self.priorities is not None:
            self.priorities.add(slots)

    def save(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give all that :meth:`restore` needs; see :meth:`Store.save`."""
        yield "counts", np.array([self.added, self._oldest], np.int64)
        written = min(self.added, self.capacity)
        for group, rings in self._rings():
            yield from ((group + key, ring[:written]) for key, ring in rings.items())
        for key, queue in self._pictures.items():
            yield f"stacks/{key}", np.array(queue.shape, np.int64)
            yield from grouped(f"pictures/{key}/", queue.save())
        if self.priorities is not None:
            yield from grouped("priorities/", self.priorities.save())

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another saved; see :meth:`Store.restore`."""
        self.added, self._oldest = saved["counts"].tolist()
        slots = np.arange(min(self.added, self.capacity))
        for group, rings in self._rings():
            for key in saved.names(group):
                self._write(rings, slots, {key: saved[group + key]})
        for key in saved.names("stacks/"):
            self._pictures[key] = PictureQueue(tuple(saved[f"stacks/{key}"].tolist()))
            self._pictures[key].restore(saved.under(f"pictures/{key}/"))
        if self.priorities is not None:
            self.priorities.restore(saved.under("priorities/"))

    def _rings(self) -> tuple[tuple[str, Leaves], ...]:
        return ("columns/", self._columns), ("now/", self._now), ("next/", self._next)

    def _name_pictures(self, segment: Segment, key: str) -> NDArray[np.int64]:
        moments = segment.observations[key]
        queue = self._pictures.setdefault(key, PictureQueue(moments.shape[2:]))
        recent = self._recent.setdefault((segment.lane, key), RecentPictures())
        chunks_before = queue.next_id // queue.CHUNK
        names = np.empty(moments.shape[:2], np.int64)
        for moment in segment.in_time.tolist():
            names[moment], new = recent.identify(moments[moment], queue.next_id)
            queue.append(new)
        if queue.next_id // queue.CHUNK > chunks_before and key in self._now:
            self._let_go_of_pictures(key, names)
        return names

    def _let_go_of_pictures(self, key: str, arriving: NDArray[np.int64]) -> None:
        # What the lanes showed last counts, too: their next stacks will name it again.
        latest = np.array(
            [name for (_, of), recent in self._recent.items() if of == key for name in recent.names], np.int64
        )
        live = np.arange(self._oldest, self.added) % self.capacity
        used = [self._now[key][live].ravel(), self._next[key][live].ravel(), arriving.ravel(), latest]
        self._pictures[key].keep_only(np.concatenate(used))

    def _write(self, rings: Leaves, slots: NDArray[np.int64], part: Leaves) -> None:
        for key, rows in part.items():
            if key not in rings:
                # Pages are taken from the system when they are first written.
                rings[key] = np.empty((self.capacity, *rows.shape[1:]), rows.dtype)
            rings[key][slots] = rows

    def _let_go(self, oldest: int) -> None:
        if oldest == self._oldest:
            return
        if self.priorities is not None:
            gone = np.arange(self._oldest, min(oldest, self._oldest + self.capacity))
            self.priorities.remove(gone % self.capacity)
        self._oldest = oldest

    def forget_before(self, version: int) -> None:
        """Let go of all up to the newest transition whose policy_version is below ``version``."""
        if not len(self):
            return
        versions = self._columns["version"][np.arange(self._oldest, self.added) % self.capacity]
        old = np.flatnonzero(versions < version)
        if len(old):
            self._let_go(self._oldest + int(old[-1]) + 1)

    def sample(self, size: int, discount: Discount, rng: np.random.Generator, *, steps: int = 1) -> Batch:
        """Draw transitions with replacement; see :meth:`Store.sample`."""
        if not len(self):
            raise ValueError("the store is empty")
        if self.priorities is None:
            return self.gather(rng.integers(len(self), size=size), discount, steps=steps)
        slots, weights = self.priorities.draw(size, len(self), rng)
        return self.gather((slots - self._oldest) % self.capacity, discount, steps=steps, weights=weights)

    def update_priorities(self, ids: NDArray[np.int64], errors: NDArray[np.float64]) -> None:
        """Set the priorities of a batch's transitions from their errors; those let go since are left out.

        Raises:
            ValueError: the store samples uniformly, or an error is not finite.
        """
        if self.priorities is None:
            raise ValueError("this store samples uniformly: give it priorities when it is made")
        here = ids >= self._oldest
        self.priorities.update(ids[here] % self.capacity, np.asarray(errors, np.float64)[here])

    def gather(
        self,
        indices: NDArray[np.int64],
        discount: Discount,
        *,
        steps: int = 1,
        weights: NDArray[np.float32] | None = None,
    ) -> Batch:
        """Return transitions by their place in the store, oldest first.

        Args:
            indices: int64 ``[B]``, each below ``len(store)``.
            discount: γ.
            steps: n of n-step returns.
            weights: of the transitions, 1 if None.
        """
        names = self._oldest + np.asarray(indices, np.int64)
        window = np.empty((len(names), steps), np.int64)
        inside = np.empty((len(names), steps), bool)
        at, going = names, np.ones(len(names), bool)
        for step in range(steps):
            window[:, step], inside[:, step] = at % self.capacity, going
            after = self._columns["following"][at % self.capacity]
            going = going & (after >= 0)
            at = np.where(going, after, at)
        sums, discounts = n_step(
            discount,
            rewards=self._columns["rewards"][window],
            frames=self._columns["frames"][window],
            inside=inside,
        )
        first, last = window[:, 0], window[np.arange(len(names)), inside.sum(axis=1) - 1]
        return Batch(
            observations=self._observations(self._now, first),
            next_observations=self._observations(self._next, last),
            actions=self._columns["actions"][first],
            rewards=sums,
            discounts=discounts,
            terminated=self._columns["terminated"][last],
            ids=names,
            weights=np.ones(len(names), np.float32) if weights is None else weights,
        )

    def observations(self, indices: NDArray[np.int64]) -> Leaves:
        """Return the observations before transitions, by their place in the store, oldest first."""
        return self._observations(self._now, (self._oldest + indices) % self.capacity)

    def _observations(self, rings: Leaves, slots: NDArray[np.int64]) -> Leaves:
        return {
            key: self._pictures[key].rows(ring[slots]) if key in self._stacks else ring[slots]
            for key, ring in rings.items()
        }
