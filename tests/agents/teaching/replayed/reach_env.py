"""A reward that chance does not find: ``reach_env:Reach-v0`` with this folder on PYTHONPATH."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Reach(gymnasium.Env[Any, Any]):
    """A point on a line begins in the middle; every push costs, and only the right end pays.

    It takes 10 full pushes there, in at most 30. Random ones all but never arrive, and their cost teaches to
    keep still.

    Args:
        discrete: two pushes to choose from, in place of any strength.
    """

    def __init__(self, discrete: bool = False) -> None:
        self.observation_space = spaces.Box(-1, 1, (1,), np.float32)
        self.discrete = discrete
        self.action_space: spaces.Space[Any] = (
            spaces.Discrete(3) if discrete else spaces.Box(-2, 2, (1,), np.float32)
        )

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.place = 0.0
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        push = int(action) - 1 if self.discrete else float(np.asarray(action).item()) / 2
        self.place = float(np.clip(self.place + 0.1 * push, -1, 1))
        there = self.place > 0.999
        return self._look(), 5.0 * there - 0.05 * abs(push), there, False, {"frames": 2}

    def _look(self) -> Any:
        return np.array([self.place], np.float32)


gymnasium.register("Reach-v0", Reach, max_episode_steps=30)
