"""Sample, then train: actors in the learner's own process, one after the other (the manual's T2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from stable_baselines3.common.type_aliases import TrainFreq

from mario_agents.config import TrainConfig
from mario_agents.sampling.actor import Actor, Clock
from mario_agents.sampling.block import Block
from mario_agents.sampling.protocol import SamplerCounts


class SyncSampler:
    """Plays when it is asked to.

    Each actor is a batch of lanes of its own; one actor, the usual choice, steps all lanes in one call.

    Args:
        config: the run's settings.
        seed: of the first lane.
        device: where actors' networks lie.
    """

    def __init__(self, config: TrainConfig, seed: int, device: str) -> None:
        self.counts = SamplerCounts()
        share = config.lanes // config.actors
        self._actors = [
            Actor(config, number, seed + number * share, device) for number in range(config.actors)
        ]

    def publish(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Give actors new weights; see :meth:`Sampler.publish`."""
        for actor in self._actors:
            actor.load(version, weights)

    def collect(
        self, length: TrainFreq, clock: Clock, keep_going: Callable[[], bool], count: int
    ) -> list[Block] | None:
        """Play one block with each actor; see :meth:`Sampler.collect`."""
        blocks = []
        for actor in self._actors:
            block = actor.collect(length, clock, keep_going)
            if block is None:
                return None
            blocks.append(block)
        return blocks

    def close(self) -> None:
        """Close the lanes."""
        for actor in self._actors:
            actor.close()
