from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback


class Count(BaseCallback):
    """Counts how often it was called."""

    steps = rollouts = 0

    def _on_step(self) -> bool:
        self.steps += 1
        return True

    def _on_rollout_end(self) -> None:
        self.rollouts += 1
