"""A task that chance does not solve: ``corridor_env:Corridor-v0`` with this folder on PYTHONPATH."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Corridor(gymnasium.Env[Any, Any]):
    """A corridor with a door at each place; one of eight keys opens it, the others end the episode.

    Only the way out at the end pays.

    Args:
        length: doors.
        first: place where episodes begin.
        last: if greater, the place is drawn from ``first`` to it.
    """

    metadata = {"render_modes": [], "episode_info": ("clear",)}  # noqa: RUF012 (declared so by Gymnasium)
    action_space = spaces.Discrete(8)

    def __init__(self, length: int = 6, first: int = 0, last: int = 0) -> None:
        self.length, self.first, self.last = length, first, max(first, last)
        self.keys = np.random.default_rng(0).integers(8, size=length)
        self.observation_space = spaces.Box(0, 1, (length + 1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(self.first, self.last + 1))
        return self._look(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        opened = int(action) == self.keys[self.place]
        self.place += opened
        out = self.place == self.length
        return self._look(), float(out), bool(out or not opened), False, {"clear": bool(out)}

    def _look(self) -> Any:
        return (np.arange(self.length + 1) == self.place).astype(np.float32)


gymnasium.register("Corridor-v0", Corridor)
