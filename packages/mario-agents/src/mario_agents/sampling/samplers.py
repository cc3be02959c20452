"""Samplers by name."""

from __future__ import annotations

from typing import Any

from gymnasium import spaces

from mario_agents.config import TrainConfig
from mario_agents.sampling.asynchronous import AsyncSampler
from mario_agents.sampling.processes import ProcessActors
from mario_agents.sampling.protocol import Sampler
from mario_agents.sampling.sync import SyncSampler


def make_sampler(
    config: TrainConfig, seed: int, device: str, observation_space: spaces.Space[Any]
) -> Sampler:
    """Make the sampler that a run asks for.

    Args:
        config: the run's settings.
        seed: of the first lane.
        device: where networks lie; actors in processes of their own act on the CPU.
        observation_space: of one lane.

    Raises:
        AgentsError: actors cannot begin; the message says why.
    """
    if config.sampler == "async":
        return AsyncSampler(config, seed, ProcessActors(config, observation_space))
    if config.sampler == "ray":
        from mario_agents.sampling.ray import RayActors  # an extra, which may not be there

        return AsyncSampler(config, seed, RayActors(config))
    return SyncSampler(config, seed, device)
