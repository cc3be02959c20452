"""What a search is for, and so which of two ways to the same place is worth keeping."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeVar

from mario_agents.errors import AgentsError, did_you_mean

AnyGoal = TypeVar("AnyGoal", bound=StrEnum)


class Goal(StrEnum):
    """What a search is for."""

    #: The first clear ends the search.
    CLEAR = "clear"
    #: The clear with the most points that the budget finds.
    SCORE = "score"
    #: The shortest clear that the budget finds.
    SPEED = "speed"

    def prefers(self, frames: int, score: int, to_frames: int, to_score: int) -> bool:
        """Tell whether a way with so many frames and points is better than another to the same place.

        >>> Goal.CLEAR.prefers(90, 0, 100, 500), Goal.SCORE.prefers(90, 0, 100, 500)
        (True, False)
        """
        if self is Goal.SCORE:
            return (score, -frames) > (to_score, -to_frames)
        return frames < to_frames


def find_goal(goals: type[AnyGoal], name: str) -> AnyGoal:
    """Return the goal of that name.

    Raises:
        AgentsError: there is none; the message names the nearest.

    >>> find_goal(Goal, "speed")
    <Goal.SPEED: 'speed'>
    """
    names = [goal.value for goal in goals]
    if name not in names:
        raise AgentsError(f"no goal {name!r}{did_you_mean(name, names)}")
    return goals(name)
