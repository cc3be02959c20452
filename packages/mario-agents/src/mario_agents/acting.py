"""A trained agent as a policy: observations of a batch of lanes in, actions out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm

from mario_agents.checkpoint_header import is_checkpoint
from mario_agents.checkpoints import CheckpointInfo, list_checkpoints, load_model
from mario_agents.errors import AgentsError
from mario_agents.lane_sampling import sample_actions
from mario_agents.zoo.shipped import find_shipped


class Agent:
    """Acts as a checkpoint learned to; a policy as mario-eval's ``Policy`` describes it.

    Args:
        model: a loaded algorithm.
        deterministic: take the most likely action instead of sampling. The DQN family, TD3 and DDPG act
            the same either way: their exploration noise belongs to training.
    """

    def __init__(self, model: BaseAlgorithm, *, deterministic: bool = False) -> None:
        self._model = model
        self._deterministic = deterministic
        self._state: tuple[NDArray[Any], ...] | None = None
        self._generators: dict[int, np.random.Generator] = {}

    def begin_episodes(self, lanes: NDArray[np.int64], seeds: NDArray[np.int64]) -> None:
        """Seed the sampling of actions of each lane that begins an episode.

        So an episode's actions do not depend on the number of lanes. Agents that
        :func:`~mario_agents.lane_sampling.sample_actions` cannot sample for draw from torch's one generator,
        seeded by the first episode: their results repeat with the same number of lanes only.

        Args:
            lanes: lanes that begin an episode.
            seeds: one seed for each.
        """
        if not self._generators and len(seeds):
            torch.manual_seed(int(seeds[0]))
        for lane, seed in zip(lanes.tolist(), seeds.tolist(), strict=True):
            self._generators[lane] = np.random.default_rng(seed)

    def __call__(self, observations: Any, episode_starts: NDArray[np.bool_]) -> Any:
        """Return one action per lane.

        Args:
            observations: a batch of the observation space, first axis lanes.
            episode_starts: bool ``[lanes]``, True at an episode's first observation.
        """
        if self._generators and not self._deterministic:
            for lane in range(len(episode_starts)):  # lanes that have begun no episode act too
                self._generators.setdefault(lane, np.random.default_rng(lane))
            generators = [self._generators[lane] for lane in range(len(episode_starts))]
            actions = sample_actions(self._model, observations, generators)
            if actions is not None:
                return actions
        actions, self._state = self._model.predict(
            observations, self._state, episode_starts, deterministic=self._deterministic
        )
        return actions


def find_checkpoint(path: Path) -> Path:
    """Return the newest checkpoint of a run folder, the file itself if ``path`` is one, or a shipped agent.

    Args:
        path: a run folder, a checkpoint, or ``zoo:NAME``.

    Raises:
        AgentsError: there is none.
    """
    found_in_zoo = find_shipped(path)
    if found_in_zoo is not None:
        return found_in_zoo
    if not path.exists():
        raise AgentsError(f"no run folder or checkpoint {path}")
    if path.is_file():
        return path
    found = list_checkpoints(path / "checkpoints")
    if not found:
        raise AgentsError(
            f"{path} is not a run folder of mario-agents: it has no checkpoints/step-*.safetensors"
        )
    return found[-1]


def is_ours(path: Path) -> bool:
    """Tell whether a path is a run folder, or a file that claims to be a checkpoint, of mario-agents."""
    if path.is_dir():
        return bool(list_checkpoints(path / "checkpoints"))
    return is_checkpoint(path)


def load_agent(
    path: Path,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    *,
    deterministic: bool = False,
) -> tuple[Agent, CheckpointInfo]:
    """Load an agent to act, on the CPU.

    Args:
        path: a run folder, a checkpoint, or ``zoo:NAME``.
        observation_space: of one lane that it will act in.
        action_space: of one lane that it will act in.
        deterministic: see :class:`Agent`.

    Raises:
        CheckpointError: the checkpoint is damaged or was made for other spaces.
    """
    model, info = load_model(
        find_checkpoint(path), observation_space=observation_space, action_space=action_space, device="cpu"
    )
    return Agent(model, deterministic=deterministic), info
