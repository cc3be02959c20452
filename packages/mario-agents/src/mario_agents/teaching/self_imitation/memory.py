"""Episodes that an agent played, cut into transitions, each with the return that came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_agents.storage.batch import Batch
from mario_agents.storage.priorities import Priorities
from mario_agents.storage.replay import stacks_of
from mario_agents.storage.returns import Discount, advantages
from mario_agents.storage.saved import SavedArrays, grouped
from mario_agents.storage.segment import Leaves, Segment
from mario_agents.storage.transitions import TransitionStore

#: α and β of the draw by gaps: those of Oh et al. 2018 (arXiv 1806.05635).
_EXPONENT, _CORRECTION = 0.6, 0.1
#: What transitions are drawn for; each draw has priorities of its own.
PURPOSES = ("imitate", "avoid")


class EpisodeMemory:
    """Keeps the newest transitions of episodes that are over.

    Of an episode that was cut, by a limit or by a failure, the return goes on with the value of what it ended
    with. One that was broken off without an end (at a checkpoint of a run that resumes exactly, or because
    its actor was replaced) is forgotten: nobody knows what would have come.

    Args:
        capacity: transitions.
        space: observation space of one lane.
        discount: γ; λ is not used.
    """

    def __init__(self, capacity: int, space: spaces.Space[Any], discount: Discount) -> None:
        self._store = TransitionStore(capacity, stacks_of(space))
        self._discount = Discount(discount.gamma, per_frame=discount.per_frame)
        self._returns = np.zeros(capacity, np.float32)
        self._earned = np.zeros(capacity, np.float32)
        self._log_probs = np.zeros(capacity, np.float32)
        self._priorities = {purpose: Priorities(capacity, _EXPONENT, _CORRECTION) for purpose in PURPOSES}
        self._under_way: dict[int, list[Segment]] = {}
        self._scale: float | None = None

    def __len__(self) -> int:
        return len(self._store)

    @property
    def scale(self) -> float:
        """Standard deviation of what was earned after the transitions in memory; 1 while it is all the same.

        Without the values that cut episodes go on with: where nothing was found yet, nothing else differs.
        """
        if self._scale is None:
            spread = float(self._earned[: len(self)].std()) if len(self) else 0.0
            self._scale = spread if spread > 1e-8 else 1.0
        return self._scale

    def add(
        self,
        segment: Segment,
        value: Callable[[Leaves], NDArray[Any]],
        log_probs: Callable[[Leaves, NDArray[Any]], NDArray[Any]],
    ) -> None:
        """Take in what an actor played; episodes that end in it are remembered.

        Args:
            segment: what came next in its lane.
            value: from observations to V(s), float ``[B]``; asked of what cut episodes ended with.
            log_probs: from observations and actions to log π(a|s), float ``[B]``.
        """
        pieces = self._under_way.pop(segment.lane, [])
        if pieces and pieces[-1].first_step + len(pieces[-1]) != segment.first_step:
            pieces = []
        first = 0
        for end in np.flatnonzero(segment.done).tolist():
            episode = Segment.joined([*pieces, segment.part(first, end + 1)])
            self._remember(episode, value, log_probs)
            pieces, first = [], end + 1
        if first < len(segment):
            self._under_way[segment.lane] = [*pieces, segment.part(first, len(segment))]

    def _remember(
        self,
        episode: Segment,
        value: Callable[[Leaves], NDArray[Any]],
        log_probs: Callable[[Leaves, NDArray[Any]], NDArray[Any]],
    ) -> None:
        # The discount of what follows the episode, seen from each of its transitions.
        after = np.cumprod(self._discount.powers(episode.frames)[0][::-1])[::-1]
        earned = self._earned_in(episode)
        last_value = 0.0
        if episode.truncated[-1]:
            last = episode.next[-1:]
            last_value = value({key: part[last] for key, part in episode.observations.items()})[0]
        before = {key: part[episode.now] for key, part in episode.observations.items()}
        first_log_probs = log_probs(before, episode.actions)
        names = self._store.added + np.arange(len(episode))
        self._store.add(episode)
        kept = slice(max(len(episode) - self._store.capacity, 0), None)
        slots = names[kept] % self._store.capacity
        self._earned[slots] = earned[kept]
        self._returns[slots] = (earned + after * last_value)[kept]
        self._log_probs[slots] = first_log_probs[kept]
        for priorities in self._priorities.values():
            priorities.add(slots)
        self._scale = None

    def _earned_in(self, episode: Segment) -> NDArray[np.float64]:
        """Return the discounted sum of rewards from each transition on."""
        nothing = np.zeros(len(episode))
        # λ = 1 and no values in between.
        return advantages(
            self._discount,
            rewards=episode.rewards,
            values=nothing,
            next_values=nothing,
            terminated=episode.terminated,
            truncated=episode.truncated,
            frames=episode.frames,
        )[1]

    def draw(
        self, size: int, purpose: str, rng: np.random.Generator
    ) -> tuple[Batch, NDArray[np.float32], NDArray[np.float32]]:
        """Draw transitions in proportion to the gaps that they had when they were last drawn.

        Args:
            size: how many.
            purpose: one of :data:`PURPOSES`.
            rng: where chance comes from.

        Returns:
            The transitions, their returns, and log π(a|s) when they were taken in, float32 ``[size]`` each.
        """
        count, capacity = len(self), self._store.capacity
        slots, weights = self._priorities[purpose].draw(size, count, rng)
        oldest = self._store.added - count
        batch = self._store.gather((slots - oldest) % capacity, self._discount, weights=weights)
        return batch, self._returns[slots], self._log_probs[slots]

    def update(self, purpose: str, ids: NDArray[np.int64], gaps: NDArray[np.float64]) -> None:
        """Set the priorities of a batch that was drawn.

        Args:
            purpose: that it was drawn for.
            ids: of its transitions.
            gaps: at least 0, ``[size]``.
        """
        self._priorities[purpose].update(ids % self._store.capacity, gaps)

    def save(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give all that :meth:`restore` needs, by name; episodes under way are left out."""
        yield from grouped("transitions/", self._store.save())
        yield from ((name, ring[: len(self)]) for name, ring in self._rings())
        for purpose, priorities in self._priorities.items():
            yield from grouped(f"{purpose}/", priorities.save())

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another of the same capacity saved."""
        self._store.restore(saved.under("transitions/"))
        for name, ring in self._rings():
            ring[: len(self)] = saved[name]
        for purpose, priorities in self._priorities.items():
            priorities.restore(saved.under(f"{purpose}/"))
        self._scale = None

    def _rings(self) -> tuple[tuple[str, NDArray[np.float32]], ...]:
        return ("returns", self._returns), ("earned", self._earned), ("log_probs", self._log_probs)
