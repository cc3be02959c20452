"""Environments that actor processes can import: ``timed_env:Timed-v0`` with this folder on PYTHONPATH."""

from __future__ import annotations

import os
import time
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces


class Timed(gymnasium.Env[Any, Any]):
    """Steps that span 1 to 5 frames; episodes end by themselves, or by a limit of eleven steps.

    Args:
        at: global step of this environment at which ``trouble`` happens.
        trouble: ``raise``, ``no-number``, ``hang`` or ``die``; or ``always``, at any step.
        pause: seconds that a step takes.
    """

    action_space = spaces.Discrete(3)
    observation_space = spaces.Box(-10, 10, (3,), np.float32)

    def __init__(self, at: int = -1, trouble: str = "", pause: float = 0.0) -> None:
        self.at, self.trouble, self.pause = at, trouble, pause
        self.total = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.place = self.np_random.normal(size=3).astype(np.float32)
        return self.place.copy(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.total += 1
        if self.pause:
            time.sleep(self.pause)
        if self.trouble == "always":
            raise RuntimeError("there is no console")
        if self.total == self.at:
            if self.trouble == "raise":
                raise RuntimeError("the console caught fire")
            if self.trouble == "die":
                os._exit(9)
            while self.trouble == "hang":
                time.sleep(1)
        frames = int(self.np_random.integers(1, 6))
        self.place = np.clip(self.place + self.np_random.normal(size=3) * 0.3 + (action - 1) * 0.1, -10, 10)
        self.place = self.place.astype(np.float32)
        reward = (
            float("nan") if self.total == self.at and self.trouble == "no-number" else float(self.place[0])
        )
        return self.place.copy(), reward, bool(self.place[1] > 2), False, {"frames": frames}


class Sealed(gymnasium.Env[Any, Any]):
    """Tells of each observation and reward whether it is whole.

    An observation is a number of the episode, the step, and their sum; the reward is the sum before the step.

    Args:
        pause: seconds that a step takes.
    """

    action_space = spaces.Discrete(2)
    observation_space = spaces.Box(0, 10**6, (3,), np.float32)

    def __init__(self, pause: float = 0.0) -> None:
        self.pause = pause

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        super().reset(seed=seed)
        self.number, self.steps = int(self.np_random.integers(10**5)), 0
        return self._look(), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        if self.pause:
            time.sleep(self.pause)
        reward = float(self.number + self.steps)
        self.steps += 1
        return self._look(), reward, self.steps > 40, False, {}

    def _look(self) -> Any:
        return np.array([self.number, self.steps, self.number + self.steps], np.float32)


gymnasium.register("Sealed-v0", Sealed)
gymnasium.register("Timed-v0", Timed, max_episode_steps=11)
