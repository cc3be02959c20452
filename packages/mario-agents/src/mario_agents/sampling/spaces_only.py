"""A stand-in for lanes where an agent only acts: it has spaces, and cannot be stepped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from gymnasium import spaces
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices


class SpacesOnlyVecEnv(VecEnv):
    """Gives Stable-Baselines3 the spaces that its constructors ask an environment for.

    Args:
        observation_space: of one lane.
        action_space: of one lane.
    """

    def __init__(self, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]) -> None:
        super().__init__(1, observation_space, action_space)

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("this agent was loaded to act, not to train: it has no environment")

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return None per lane: there is nothing behind the spaces."""
        return [None]

    def env_is_wrapped(self, wrapper_class: Any, indices: VecEnvIndices = None) -> list[bool]:
        """Return False per lane."""
        return [False]

    def seed(self, seed: int | None = None) -> Sequence[int | None]:
        """Seed nothing."""
        return [None]

    def close(self) -> None:
        """Close nothing."""

    reset = step_async = step_wait = set_attr = env_method = _refuse
