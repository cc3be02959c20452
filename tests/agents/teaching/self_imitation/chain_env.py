"""A task whose reward is seldom found: ``chain_env:Chain-v0`` with this folder on PYTHONPATH."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Chain(gymnasium.Env[Any, Any]):
    """A corridor with a key at its left end and a treasure at its right.

    One begins in the middle and steps left or right. Only to who has the key the treasure pays.

    Args:
        length: places.
        treasure: what it pays.
    """

    action_space = spaces.Discrete(2)

    def __init__(self, length: int = 9, treasure: float = 1.0) -> None:
        self.length, self.treasure = length, treasure
        self.observation_space = spaces.Box(0, 1, (2 * length,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.place, self.key = self.length // 2, 0
        return self._look(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = min(max(self.place + 2 * int(action) - 1, 0), self.length - 1)
        self.key |= self.place == 0
        found = bool(self.key) and self.place == self.length - 1
        return self._look(), self.treasure * found, found, False, {"frames": 2}

    def _look(self) -> Any:
        seen = np.zeros((2, self.length), np.float32)
        seen[self.key, self.place] = 1.0
        return seen.ravel()


gymnasium.register("Chain-v0", Chain, max_episode_steps=40)
