"""Notes what a rollout's λ returns need and Stable-Baselines3's rollout buffer does not keep."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from mario_agents.storage.infos import told_by


class FramesSeen(VecEnvWrapper):
    """Lanes that note rewards, ends of episodes and frames of each step.

    Args:
        lanes: to play in.
    """

    def __init__(self, lanes: VecEnv) -> None:
        super().__init__(lanes)
        self._rows: list[dict[str, NDArray[Any]]] = []

    def reset(self) -> VecEnvObs:
        """Reset the lanes."""
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Wait for the lanes' step."""
        observations, rewards, dones, infos = self.venv.step_wait()
        # A copy: what truncated episodes are worth is added to the array itself.
        self._rows.append({"rewards": np.array(rewards, np.float64), **told_by(infos, dones)._asdict()})
        return observations, rewards, dones, infos

    def columns(self) -> dict[str, NDArray[Any]]:
        """Return what was noted, each ``[T, L]``: rewards, terminated, truncated, frames."""
        return {name: np.stack([row[name] for row in self._rows]) for name in self._rows[0]}
