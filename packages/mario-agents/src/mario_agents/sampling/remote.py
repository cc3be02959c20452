"""Actors elsewhere as the learner sees them: weights go to them, blocks come from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import torch
from stable_baselines3.common.type_aliases import TrainFreq

from mario_agents.sampling.actor import Clock
from mario_agents.sampling.block import Block

#: Blocks that an actor may be ahead of what the learner has taken: one to play while the other is read.
AHEAD = 2


@dataclass(frozen=True)
class Play:
    """The learner's request.

    Attributes:
        length: of each block.
        clock: where the learner stands.
        version: play one block with this version; None is: go on playing with the newest.
    """

    length: TrainFreq
    clock: Clock
    version: int | None


@dataclass(frozen=True)
class Failure:
    """Comes from an actor in place of a block.

    Attributes:
        reason: one line.
        died: the actor is gone; else its environment gave trouble, and it has ended itself.
    """

    reason: str
    died: bool = False


class RemoteActor(Protocol):
    """One actor.

    Attributes:
        number: which, from 0.
        seed: of its first lane.
        asked: what it was asked for last; None if it has nothing to do.
    """

    number: int
    seed: int
    asked: Play | None

    @property
    def beats(self) -> int:
        """Grows while the actor moves; 0 until it has begun."""
        ...

    @property
    def steps(self) -> int:
        """Steps that each of its lanes has played, as the actor counts them."""
        ...

    def ask(self, play: Play) -> None:
        """Ask for blocks; of an actor that has died nothing happens."""
        ...

    def begin_anew(self, seed: int, first_step: int) -> None:
        """Begin anew with nothing of the time before, as if it had been started so; it has nothing to do.

        Args:
            seed: of its random streams and its first lane.
            first_step: what to count its steps from.
        """
        ...

    def end(self) -> None:
        """End it, whatever it is doing. Harmless if called twice."""
        ...


class RemoteActors(Protocol):
    """Where actors run, for the loop in :class:`~mario_agents.sampling.asynchronous.AsyncSampler`."""

    def publish(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Give all actors weights; those that play freely take the newest they find between two blocks."""
        ...

    def tell_time(self, steps: int) -> None:
        """Tell all actors how many environment steps the learner has counted."""
        ...

    def begin(self, number: int, seed: int, first_step: int, block_steps: int) -> RemoteActor:
        """Start an actor; the one of that number before it has been ended.

        Args:
            number: which.
            seed: of its random streams and its first lane.
            first_step: what to count its steps from.
            block_steps: steps of the longest block that it will be asked for at first.
        """
        ...

    def arrivals(self, seconds: float) -> list[tuple[RemoteActor, Block | Failure]]:
        """Wait until something comes, at most so long, and return it; blocks' arrays are the caller's own."""
        ...

    def close(self) -> None:
        """Free what the actors shared; they have been ended."""
        ...
