"""The protocol of stores."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mario_agents.storage.batch import Batch
from mario_agents.storage.returns import Discount
from mario_agents.storage.saved import SavedArrays
from mario_agents.storage.segment import Segment


class Store(Protocol):
    """Keeps the newest transitions up to a limit, and gives batches of them.

    The loop around it::

        for segment in sampler.collect(...):
            store.add(segment)
        batch = store.sample(256, Discount(0.99), rng, steps=1)
        loss = f(batch.rewards + batch.discounts * ~batch.terminated * q(batch.next_observations))

    Attributes:
        capacity: transitions kept at most.
        added: transitions added so far, those let go included.
    """

    capacity: int
    added: int

    def __len__(self) -> int:
        """Transitions that can be drawn."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that transitions hold; Python's own overhead is not counted."""
        ...

    def add(self, segment: Segment) -> None:
        """Take a segment in; the oldest transitions beyond the capacity go.

        A segment that continues the lane's last one (its ``first_step`` tells) is joined to it for n-step
        returns where the store can.
        """
        ...

    def save(self) -> Iterable[tuple[str, NDArray[Any]]]:
        """Give everything that :meth:`restore` needs, by name.

        Arrays are views where they can be; they are written before the next one is asked for.
        """
        ...

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another store of the same kind and capacity saved.

        Batches are drawn from it as from that one. Segments that come do not continue what it holds.
        """
        ...

    def forget_before(self, version: int) -> None:
        """Let go of every transition whose policy_version is below ``version``, and perhaps of some newer.

        This is what keeps bounded staleness true for a replay: nothing older reaches the loss.
        """
        ...

    def sample(self, size: int, discount: Discount, rng: np.random.Generator, *, steps: int = 1) -> Batch:
        """Draw transitions with replacement.

        Args:
            size: how many.
            discount: γ, per frame or per step.
            rng: where chance comes from.
            steps: n of n-step returns; stretches end sooner where an episode does.

        Raises:
            ValueError: the store is empty.
        """
        ...
