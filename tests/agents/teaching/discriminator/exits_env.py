"""A room with two ways out, seen as a picture: ``exits_env:Exits-v0`` with this folder on PYTHONPATH."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

SIZE = 7
MOVES = np.array([(0, 1), (1, 0), (0, -1), (-1, 0)])


class Exits(gymnasium.Env[Any, Any]):
    """One begins near the middle and steps in four directions; either corner ends the episode.

    Only the far corner pays, and the info tells whether it was ``found``. A step takes two frames.

    Args:
        pays: how much.
    """

    metadata: dict[str, Any] = {"render_modes": [], "episode_info": ("found",)}  # noqa: RUF012 (declared so by Gymnasium)

    action_space = spaces.Discrete(4)
    observation_space = spaces.Box(0, 255, (1, SIZE, SIZE), np.uint8)

    def __init__(self, pays: float = 1.0) -> None:
        self.pays = pays

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.place = self.np_random.integers(2, SIZE - 2, 2)
        return self._look(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.place = np.clip(self.place + MOVES[int(action)], 0, SIZE - 1)
        corner = self.place.tolist()
        found = corner == [SIZE - 1, SIZE - 1]
        info = {"frames": 2, "found": found}
        return self._look(), self.pays * found, found or corner == [0, 0], False, info

    def _look(self) -> Any:
        picture = np.zeros((1, SIZE, SIZE), np.uint8)
        picture[0, self.place[0], self.place[1]] = 255
        return picture


gymnasium.register("Exits-v0", Exits, max_episode_steps=60)


def demonstrate(path: Path, episodes: int = 20) -> Path:
    """Record what is seen of somebody who leaves by the far corner, and nothing of what they press."""
    env, seen, terminated = gymnasium.make("Exits-v0"), [], []
    for episode in range(episodes):
        observation, over = env.reset(seed=episode)[0], False
        seen.append(observation)
        terminated.append(False)
        while not over:
            at_wall = observation[0, :, -1].any()
            observation, _, over, _, _ = env.step(1 if at_wall else 0)
            seen.append(observation)
            terminated.append(over)
    np.savez(path, observations=seen, terminated=terminated, truncated=np.zeros(len(seen), bool))
    return path
