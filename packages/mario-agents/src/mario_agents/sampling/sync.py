"""Sample, then train: actors in the learner's own process, one after the other (the manual's T2)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from stable_baselines3.common.type_aliases import TrainFreq

from mario_agents.config import TrainConfig
from mario_agents.sampling.actor import Actor, Clock, first_step_of
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
        self._config, self._device = config, device
        self._beginnings = 0
        self._actors = self._begin(seed)

    def _begin(self, seed: int) -> list[Actor]:
        config, first_step = self._config, first_step_of(self._beginnings)
        share = config.lanes // config.actors
        return [
            Actor(config, number, seed + number * share, self._device, first_step)
            for number in range(config.actors)
        ]

    def begin_anew(self, seed: int) -> None:
        """Play with new actors from now on; see :meth:`Sampler.begin_anew`."""
        self.close()
        self._beginnings += 1
        self._actors = self._begin(seed)

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
