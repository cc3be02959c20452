"""A segment: a contiguous stretch of transitions from one lane, collected by one policy_version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Observations by key of a Dict space; of any other space under the key ``""``.
Leaves = dict[str, NDArray[Any]]
#: Columns of a segment that have a row per transition.
BY_STEP = ("now", "next", "actions", "rewards", "terminated", "truncated", "frames")


def to_leaves(observations: Any) -> Leaves:
    """Return observations, an array or a mapping of arrays, by key.

    >>> sorted(to_leaves(np.zeros(3)))
    ['']
    """
    if isinstance(observations, Mapping):
        return {key: np.asarray(part) for key, part in observations.items()}
    return {"": np.asarray(observations)}


def from_leaves(leaves: Mapping[str, Any]) -> Any:
    """Undo :func:`to_leaves`."""
    return leaves[""] if leaves.keys() == {""} else leaves


@dataclass(frozen=True)
class Segment:
    """T transitions of one lane in order of time, each observation once.

    ``observations`` has a row per *moment*: the T + 1 observations between the steps, then what episodes
    ended with inside the segment. ``now`` and ``next`` say which moments a transition lies between, so that
    an observation that is the end of one transition and the beginning of the next is stored once.

    Attributes:
        lane: which lane.
        policy_version: updates that the acting weights have had.
        first_step: steps that the lane had played before; what continues it begins at this plus T.
        observations: key → ``[moments, ...]``.
        now: int32 ``[T]``, the moment before each transition.
        next: int32 ``[T]``, the moment after it; at an episode's end, what the episode ended with.
        actions: ``[T, ...]`` as the algorithm stores them.
        rewards: float32 ``[T]``.
        terminated: bool ``[T]``; the episode ended and there is nothing to bootstrap from.
        truncated: bool ``[T]``; the episode was cut by a limit and ``next`` has a value.
        frames: int32 ``[T]``, emulated frames that a transition spans; 1 where the environment tells none.

    Example:
        >>> one = Segment.from_steps(
        ...     lane=0, policy_version=3, observations={"": np.arange(4.0)},
        ...     finals={1: {"": np.float64(9.0)}},
        ...     actions=np.zeros(3), rewards=np.ones(3), terminated=np.array([False, True, False]),
        ...     truncated=np.zeros(3, bool), frames=np.full(3, 4))
        >>> one.observations[""][one.next]
        array([1., 9., 3.])
    """

    lane: int
    policy_version: int
    first_step: int
    observations: Leaves
    now: NDArray[np.int32]
    next: NDArray[np.int32]
    actions: NDArray[Any]
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    frames: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.rewards)

    @property
    def done(self) -> NDArray[np.bool_]:
        """Bool ``[T]``: an episode ended in this step, either way."""
        return self.terminated | self.truncated

    @property
    def in_time(self) -> NDArray[np.int32]:
        """Int32 ``[moments]``: the moments in order of time; an episode's end before the next one's start."""
        order = np.stack([self.next, np.where(self.done, self.now + 1, -1)], axis=1).ravel()
        return np.concatenate([self.now[:1], order[order >= 0]])

    def part(self, first: int, last: int) -> Segment:
        """Return transitions ``first`` to ``last`` (not included) as a segment; moments are shared.

        Args:
            first: at least 0.
            last: above ``first``, at most T.
        """
        columns: dict[str, Any] = {name: getattr(self, name)[first:last] for name in BY_STEP}
        return replace(self, first_step=self.first_step + first, **columns)

    @classmethod
    def joined(cls, parts: Sequence[Segment]) -> Segment:
        """Put the segments of one episode together; the whole counts as the last one's policy's.

        Args:
            parts: one or more, each going on where the one before it ends.
        """
        if len(parts) == 1:
            return parts[0]
        moments = [len(next(iter(part.observations.values()))) for part in parts]
        before = np.cumsum([0, *moments[:-1]], dtype=np.int32)
        columns: dict[str, Any] = {
            name: np.concatenate([getattr(part, name) for part in parts]) for name in BY_STEP
        }
        for name in ("now", "next"):
            shifted = [getattr(part, name) + shift for part, shift in zip(parts, before, strict=True)]
            columns[name] = np.concatenate(shifted)
        # What one part ends with and the next begins with is one moment.
        starts = np.cumsum([len(part) for part in parts[:-1]])
        columns["now"][starts] = columns["next"][starts - 1]
        return replace(
            parts[-1],
            first_step=parts[0].first_step,
            observations={
                key: np.concatenate([part.observations[key] for part in parts])
                for key in parts[0].observations
            },
            **columns,
        )

    @classmethod
    def from_steps(
        cls,
        *,
        lane: int,
        policy_version: int,
        observations: Leaves,
        finals: Mapping[int, Leaves],
        first_step: int = 0,
        actions: NDArray[Any],
        rewards: NDArray[Any],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        frames: NDArray[Any],
    ) -> Segment:
        """Put a segment together.

        Args:
            lane: which lane.
            policy_version: of the acting weights.
            observations: key → ``[T + 1, ...]``; where an episode ended in step t, row t + 1 is the first of
                the next episode.
            finals: step → what the episode that ended in it ended with.
            first_step: steps that the lane had played before.
            actions: ``[T, ...]``.
            rewards: ``[T]``.
            terminated: ``[T]``.
            truncated: ``[T]``.
            frames: ``[T]``.

        Raises:
            ValueError: lengths differ, or a step that ends an episode has no final observation.
        """
        steps = len(rewards)
        columns = {"actions": actions, "terminated": terminated, "truncated": truncated, "frames": frames}
        wrong = [name for name, column in columns.items() if len(column) != steps]
        wrong += [f"observations {key}" for key, part in observations.items() if len(part) != steps + 1]
        if wrong:
            raise ValueError(f"a segment of {steps} steps has another length of {', '.join(wrong)}")
        ended = np.flatnonzero(terminated | truncated).tolist()
        if sorted(finals) != ended:
            raise ValueError(
                f"episodes end in steps {ended}, but there are final observations of {sorted(finals)}"
            )
        following = np.arange(1, steps + 1, dtype=np.int32)
        following[ended] = steps + 1 + np.arange(len(ended))
        moments = {
            key: np.concatenate([part, *(finals[step][key][None] for step in ended)]) if ended else part
            for key, part in observations.items()
        }
        return cls(
            lane=lane,
            policy_version=policy_version,
            first_step=first_step,
            observations=moments,
            now=np.arange(steps, dtype=np.int32),
            next=following,
            actions=np.asarray(actions),
            rewards=np.asarray(rewards, np.float32),
            terminated=np.asarray(terminated, bool),
            truncated=np.asarray(truncated, bool),
            frames=np.asarray(frames, np.int32),
        )
