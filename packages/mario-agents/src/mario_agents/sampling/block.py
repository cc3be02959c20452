"""What one actor collected in one go: equally long segments of all its lanes, side by side."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_agents.sampling.hold_counts import NO_HOLDS
from mario_agents.storage.segment import Leaves, Segment

#: A finished episode: the step and the lane of the block in which it ended, and what the environment told.
Ending = tuple[int, int, dict[str, Any]]


@dataclass(frozen=True)
class Block:
    """T steps of L lanes by one policy_version.

    Episodes that ended are counted in order of steps, then lanes; E is their number.

    Attributes:
        actor: which actor.
        first_lane: its first lane among those of all actors.
        first_step: steps that each lane had played before.
        policy_version: updates that the acting weights have had.
        observations: key → ``[T + 1, L, ...]``; after an episode's end the next one's first.
        finals: key → ``[E, ...]``, what episodes ended with.
        final_values: float64 ``[E]``, V of that where the episode was truncated; zeros off-policy.
        actions: ``[T, L, action size]`` as the algorithm stores them.
        rewards: float64 ``[T, L]``.
        terminated: bool ``[T, L]``.
        truncated: bool ``[T, L]``.
        frames: int32 ``[T, L]``; 1 where the environment tells none.
        last_values: float32 ``[L]``, V of the last observation; empty off-policy.
        extras: name → ``[T, ...]``, what on-policy algorithms keep of each step: ``values`` and ``log_probs``
            ``[T, L]``, ``episode_starts`` ``[T, L]``, and the states of recurrent networks. And ``skipped``,
            bool ``[T, L]``, if steps failed, of which nothing is learned: the episode was cut before them.
        endings: finished episodes.
        troubles: what happened in steps that failed, with lane, seed and step.
        holds: int64 ``[3, n]``, of n buttons: presses, the frames that they were held for, and squares of
            those; n is 0 where the environment tells of none.
        idle: share of the time since the actor's last block in which it waited, 0 to 1.
    """

    actor: int
    first_lane: int
    first_step: int
    policy_version: int
    observations: Leaves
    finals: Leaves
    final_values: NDArray[np.float64]
    actions: NDArray[Any]
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    frames: NDArray[np.int32]
    last_values: NDArray[np.float32]
    extras: Leaves = field(default_factory=dict)
    endings: tuple[Ending, ...] = ()
    troubles: tuple[str, ...] = ()
    holds: NDArray[np.int64] = field(default_factory=NO_HOLDS.copy)
    idle: float = 0.0

    @property
    def steps(self) -> int:
        """T."""
        return len(self.rewards)

    @property
    def lanes(self) -> int:
        """L."""
        return int(self.rewards.shape[1])

    @property
    def done(self) -> NDArray[np.bool_]:
        """Bool ``[T, L]``: an episode ended, either way."""
        return self.terminated | self.truncated

    @property
    def skipped(self) -> NDArray[np.bool_]:
        """Bool ``[T, L]``: the step failed, and its episode is dropped."""
        return self.extras.get("skipped", np.zeros(self.rewards.shape, bool))

    def copy(self) -> Block:
        """Return the same block with arrays of its own, which may be written to."""
        arrays: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                arrays[one.name] = value.copy()
            elif isinstance(value, dict):
                arrays[one.name] = {key: part.copy() for key, part in value.items()}
        return replace(self, **arrays)

    def part(self, first: int, last: int) -> Block:
        """Return steps ``first`` to ``last`` (not included) as a block; only off-policy ones can be divided.

        Args:
            first: at least 0.
            last: above ``first``, at most T.
        """
        at = slice(first, last)
        ended = np.argwhere(self.done)[:, 0]
        here = (ended >= first) & (ended < last)
        return replace(
            self,
            first_step=self.first_step + first,
            observations={key: part[first : last + 1] for key, part in self.observations.items()},
            finals={key: part[here] for key, part in self.finals.items()},
            final_values=self.final_values[here],
            actions=self.actions[at],
            rewards=self.rewards[at],
            terminated=self.terminated[at],
            truncated=self.truncated[at],
            frames=self.frames[at],
            extras={key: part[at] for key, part in self.extras.items()},
            troubles=self.troubles if first == 0 else (),
            holds=self.holds if first == 0 else NO_HOLDS,
            endings=tuple(
                (step - first, lane, info) for step, lane, info in self.endings if first <= step < last
            ),
        )

    def segments(self, *, whole: bool = False) -> list[Segment]:
        """Return the block lane by lane.

        Args:
            whole: one segment for each lane, the steps that failed included; else they are left out, and what
                comes after them is a segment of its own.
        """
        finals: list[dict[int, Leaves]] = [{} for _ in range(self.lanes)]
        for number, (step, lane) in enumerate(np.argwhere(self.done).tolist()):
            finals[lane][step] = {key: part[number] for key, part in self.finals.items()}
        return [
            Segment.from_steps(
                lane=self.first_lane + lane,
                policy_version=self.policy_version,
                first_step=self.first_step + first,
                observations={key: part[first : last + 1, lane] for key, part in self.observations.items()},
                finals={step - first: final for step, final in finals[lane].items() if first <= step < last},
                actions=self.actions[first:last, lane],
                rewards=self.rewards[first:last, lane],
                terminated=self.terminated[first:last, lane],
                truncated=self.truncated[first:last, lane],
                frames=self.frames[first:last, lane],
            )
            for lane in range(self.lanes)
            for first, last in ([(0, self.steps)] if whole else _runs(~self.skipped[:, lane]))
        ]


def _runs(kept: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return first and last (not included) of each stretch of True.

    >>> _runs(np.array([True, True, False, True]))
    [(0, 2), (3, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept, [False]])))
    return [(int(first), int(last)) for first, last in edges.reshape(-1, 2)]
