"""A point is seen, and its like is to be named: an action that is told by its formula."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


class Follow(gymnasium.Env[NDArray[np.float32], NDArray[np.float32]]):
    """Twenty points of a square; each step loses the square of how far the action is from the expert's."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-4, 4, (2,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self._left = 20
        return self._next(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        reward = -float(np.square(action - expert(self._point)).sum())
        self._left -= 1
        return self._next(), reward, self._left == 0, False, {}

    def _next(self) -> NDArray[np.float32]:
        self._point = self.np_random.uniform(-1, 1, 2).astype(np.float32)
        return self._point


def expert(point: NDArray[np.float32]) -> NDArray[np.float32]:
    """What to do at a point: at two of the square's corners the Box ends."""
    return np.array([4 * point[0], point[1] - point[0]], np.float32)


gymnasium.register("Follow-v0", Follow)
