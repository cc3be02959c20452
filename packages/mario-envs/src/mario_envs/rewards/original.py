"""The reward of gym-super-mario-bros: progress, time and death, clipped."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mario_envs.game.movement import clock_ticks, displacement
from mario_envs.game.state import GameState


@dataclass(frozen=True)
class OriginalReward:
    """Displacement, minus clock ticks, minus 25 at a death, clipped to ±15 as the original library does.

    Attributes:
        death: taken off at a death, before clipping.
        limit: largest size of a step's reward.

    The original drops any displacement above 5 px, which its one-frame steps never reach; a step here may be
    long, so what is dropped is what Mario cannot have walked.
    """

    death: float = 25.0
    limit: float = 15.0

    def __call__(self, before: GameState, after: GameState) -> dict[str, NDArray[np.float64]]:
        """Return the terms; "clip" is what clipping changed, so that the terms add up to the reward."""
        progress = displacement(before, after).astype(np.float64)
        time = -clock_ticks(before, after).astype(np.float64)
        death = -self.death * after.dead
        total = progress + time + death
        return {
            "progress": progress,
            "time": time,
            "death": death,
            "clip": np.clip(total, -self.limit, self.limit) - total,
        }
