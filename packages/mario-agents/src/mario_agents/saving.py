"""When checkpoints are saved during training."""

from __future__ import annotations

from collections.abc import Callable

from stable_baselines3.common.callbacks import BaseCallback


class SaveEvenly(BaseCallback):
    """Saves evenly over the budget, between one rollout's update and the next rollout.

    Args:
        save: writes a checkpoint.
        used: tells the share of the budget that is used, 0 to 1.
        times: how often to save over the whole budget.
    """

    def __init__(self, save: Callable[[], object], used: Callable[[], float], times: int) -> None:
        super().__init__()
        self._save, self._used, self._times = save, used, times
        self._saved_at = 0.0

    def _on_training_start(self) -> None:
        self._saved_at = self._used()

    def _on_rollout_start(self) -> None:
        if self._used() - self._saved_at >= 1.0 / self._times:
            self._save()
            self._saved_at = self._used()

    def _on_step(self) -> bool:
        return True
