"""A stand-in for lanes where they are elsewhere: it has spaces, and cannot be stepped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import create_empty_array
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvObs


class SpacesOnlyVecEnv(VecEnv):
    """Gives Stable-Baselines3 the spaces that its constructors ask an environment for.

    Args:
        observation_space: of one lane.
        action_space: of one lane.
        lanes: how many there are elsewhere.
    """

    def __init__(
        self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any], lanes: int = 1
    ) -> None:
        super().__init__(lanes, observation_space, action_space)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("these lanes have spaces only: they are played elsewhere, or not at all")

    def reset(self) -> VecEnvObs:
        """Return zeros: ``learn`` asks for first observations, which a sampler's actors have."""
        empty: Any = create_empty_array(self.observation_space, self.num_envs, fn=np.zeros)
        observations: VecEnvObs = empty
        return observations

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return None per lane: there is nothing behind the spaces."""
        return [None] * self.num_envs

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """Return False per lane."""
        return [False] * self.num_envs

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed nothing."""
        return [None] * self.num_envs

    def close(self) -> None:
        """Close nothing."""

    step_async = step_wait = set_attr = env_method = _refuse
