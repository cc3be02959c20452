"""One store made of several small ones; learning starts each time a small one fills (the manual's T5)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_agents.storage.batch import Batch
from mario_agents.storage.returns import Discount
from mario_agents.storage.saved import SavedArrays, grouped
from mario_agents.storage.segment import Segment
from mario_agents.storage.store import Store


class Pools:
    """Several small stores: one is being filled, the full ones are sampled, the oldest goes whole.

    Args:
        pools: how many are kept, the one being filled included; at least 2.
        size: transitions in each, at least.
        make: makes one of a capacity.

    Attributes:
        filled: pools that have been filled so far. When it grows, it is time to learn.

    Example:
        >>> from mario_agents.storage.transitions import TransitionStore
        >>> pools = Pools(2, 3, TransitionStore)
        >>> piece = Segment.from_steps(
        ...     lane=0, policy_version=0, observations={"": np.arange(3.0)}, finals={}, actions=np.zeros(2),
        ...     rewards=np.ones(2), terminated=np.zeros(2, bool), truncated=np.zeros(2, bool),
        ...     frames=np.ones(2))
        >>> for _ in range(3):
        ...     pools.add(piece)
        ...     print(pools.filled, len(pools))
        0 0
        1 4
        1 4
    """

    def __init__(self, pools: int, size: int, make: Callable[[int], Store]) -> None:
        if pools < 2:
            raise ValueError(f"one pool is filled while others are learned from: 2 at least, not {pools}")
        self.capacity, self.added, self.filled = pools * size, 0, 0
        self._size, self._make = size, make
        self._filling = make(self.capacity)
        self._full: deque[Store] = deque(maxlen=pools - 1)

    def __len__(self) -> int:
        return sum(map(len, self._full))

    @property
    def nbytes(self) -> int:
        """Bytes that transitions hold, in the pool being filled, too."""
        return self._filling.nbytes + sum(store.nbytes for store in self._full)

    def add(self, segment: Segment) -> None:
        """Take a segment into the pool being filled; a segment is not divided between two.

        Raises:
            ValueError: the segment is longer than a pool.
        """
        if len(segment) > self._size:
            raise ValueError(f"a segment of {len(segment)} steps does not fit into a pool of {self._size}")
        self._filling.add(segment)
        self.added += len(segment)
        if len(self._filling) >= self._size:
            self._full.append(self._filling)
            self._filling = self._make(self.capacity)
            self.filled += 1

    def save(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give all that :meth:`restore` needs; see :meth:`Store.save`."""
        yield "counts", np.array([self.added, self.filled, len(self._full)], np.int64)
        for number, store in enumerate((*self._full, self._filling)):
            yield from grouped(f"{number}/", store.save())

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another saved; see :meth:`Store.restore`."""
        self.added, self.filled, full = saved["counts"].tolist()
        stores = [self._make(self.capacity) for _ in range(full + 1)]
        for number, store in enumerate(stores):
            store.restore(saved.under(f"{number}/"))
        *whole, self._filling = stores
        self._full.extend(whole)

    def forget_before(self, version: int) -> None:
        """Let go of what is older in each pool."""
        for store in (*self._full, self._filling):
            store.forget_before(version)

    def sample(self, size: int, discount: Discount, rng: np.random.Generator, *, steps: int = 1) -> Batch:
        """Draw transitions from the full pools, uniformly over all of theirs; see :meth:`Store.sample`."""
        if not len(self):
            raise ValueError("the store is empty: no pool is full")
        counts = rng.multinomial(size, np.array([len(store) for store in self._full]) / len(self))
        parts = [
            store.sample(int(count), discount, rng, steps=steps)
            for store, count in zip(self._full, counts, strict=True)
            if count
        ]
        return Batch.joined(parts)
