"""The protocol of samplers: what brings data to a learner, from wherever it is played."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import torch
from stable_baselines3.common.type_aliases import TrainFreq

from mario_agents.sampling.actor import Clock
from mario_agents.sampling.block import Block


@dataclass
class SamplerCounts:
    """What a sampler has seen of its actors.

    Attributes:
        replaced: actors that died or got stuck and were started anew.
        skipped: steps that failed and were left out, their episodes with them.
        troubles: the latest things that went wrong in environments.
    """

    replaced: int = 0
    skipped: int = 0
    troubles: deque[str] = field(default_factory=lambda: deque(maxlen=20))
    _told: int = 0

    def tell(self, trouble: str) -> None:
        """Keep what went wrong in an environment; the first of them are shown at once."""
        self.troubles.append(trouble)
        self._told += 1
        if self._told <= (self.troubles.maxlen or 0):
            print(f"mario-agents: {trouble}; training goes on", file=sys.stderr)


class Sampler(Protocol):
    """Brings blocks of transitions to a learner, each stamped with the policy_version that played it.

    The loop that calls it::

        sampler.publish(0, policy.state_dict())
        while clock.steps < clock.total_steps:
            blocks = sampler.collect(length, clock, keep_going, actors)
            if blocks is None:
                break                                 # someone asked to stop
            for block in blocks:
                for segment in block.segments():
                    store.add(segment)
            loss(store.sample(...)).backward()        # version + 1
            sampler.publish(version, policy.state_dict())
        sampler.close()

    Attributes:
        counts: what happened so far.
    """

    counts: SamplerCounts

    def publish(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Give actors new weights to act with.

        Args:
            version: updates that they have had; rises from call to call.
            weights: the policy's state dict. It is copied before this returns.
        """
        ...

    def collect(
        self, length: TrainFreq, clock: Clock, keep_going: Callable[[], bool], count: int
    ) -> list[Block] | None:
        """Return blocks, each of ``length``.

        With a strict order they are one of each actor, in order of actors, all by the version that was
        published last; otherwise whatever came first.

        Args:
            length: steps of each lane, or episodes if there is one lane.
            clock: where the learner stands.
            keep_going: asked again and again; False means: give up.
            count: blocks; with a strict order, as many as there are actors.

        Raises:
            AgentsError: actors cannot play; the message says why.
        """
        ...

    def begin_anew(self, seed: int) -> None:
        """Let every actor begin anew: new lanes, new random streams, nothing of the time before.

        What comes then is what a sampler made with this seed would bring, and does not continue what came
        before: unfinished episodes are never heard of again. Called in strict order, after all blocks were
        taken; weights are published before the next :meth:`collect`.

        Args:
            seed: of the first lane.
        """
        ...

    def close(self) -> None:
        """End the actors and free what they held. Harmless if called twice."""
        ...


@dataclass(frozen=True)
class Order:
    """How far data may lag behind the learner (the manual's T3).

    Attributes:
        kind: ``strict``: family i of the weights plays what trains it into family i + 1; ``bounded``: nothing
            older than ``most_lag`` versions reaches the loss; ``free``: actors play with the newest weights
            they find, and everything is learned from.
        most_lag: versions; of ``bounded`` only.
    """

    kind: str = "strict"
    most_lag: int | None = field(default=None)

    def allows(self, lag: int) -> bool:
        """Tell whether data may lag so many versions behind the learner when it reaches the loss."""
        return {"strict": lag == 0, "free": True}.get(self.kind, lag <= (self.most_lag or 0))

    @classmethod
    def parse(cls, text: str) -> Order:
        """Read ``strict``, ``bounded:K`` or ``free``.

        >>> Order.parse("bounded:2")
        Order(kind='bounded', most_lag=2)

        Raises:
            ValueError: it is none of them.
        """
        kind, colon, lag = text.partition(":")
        if kind == "bounded" and lag.isdecimal():
            return cls(kind, int(lag))
        if kind in ("strict", "free") and not colon:
            return cls(kind)
        raise ValueError(f"order {text!r} is not strict, bounded:K (such as bounded:2) or free")
