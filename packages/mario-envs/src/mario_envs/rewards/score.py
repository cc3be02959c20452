"""The manual's reward: progress and the game's own score (R1–R6)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mario_envs.game.movement import clock_ticks, displacement, new_ground
from mario_envs.game.state import GameState


@dataclass(frozen=True)
class ScoreReward:
    """Progress, score difference, time, death and clear, each a term.

    Attributes:
        progress: per px moved to the right (R1).
        repeated: share of it that is paid where a maze has led back and the ground is walked again. With 1
            walking in circles is worth more than a clear is, as what is lost by being sent back is not
            taken off: progress is no difference of a potential then (Ng, Harada and Russell 1999).
        score: per point of score (R2, R6: 1/100; 1/10,000 is too small for one stage). What the game
            adds after the flag counts.
        time: per tick of the game's clock, taken off (R3).
        lost_score: share of the score term gained in this life that a death takes away again (R4).
        death: taken off at a death besides (R4).
        clear: added at a clear besides. With 0 touching the flag or the axe earns score like any other event
            (R5), which for an axe is nothing, and for a flag less than the way to a warp zone is worth.
        scale: multiplies every term, so that returns suit a value function.
    """

    progress: float = 1.0
    repeated: float = 1.0
    score: float = 0.01
    time: float = 1.0
    lost_score: float = 1.0
    death: float = 50.0
    clear: float = 0.0
    scale: float = 0.1

    def __call__(self, before: GameState, after: GameState) -> dict[str, NDArray[np.float64]]:
        """Return the terms, "clear" only if one is paid; see :class:`mario_envs.rewards.base.Reward`."""
        walked = displacement(before, after)
        first = new_ground(before, after, walked)
        gained_this_life = np.maximum(after.score - before.score_at_start, 0)
        terms = {
            "progress": self.scale * self.progress * (first + self.repeated * (walked - first)),
            "score": self.scale * self.score * (after.score - before.score),
            "time": -self.scale * self.time * clock_ticks(before, after),
            "lost_score": -self.scale * self.score * self.lost_score * gained_this_life * after.dead,
            "death": -self.scale * self.death * after.dead,
        }
        if self.clear:
            terms["clear"] = self.scale * self.clear * after.clear
        return terms
