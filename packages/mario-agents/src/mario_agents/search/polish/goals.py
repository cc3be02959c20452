"""What a movie is polished for, and so which of two clears is the better."""

from __future__ import annotations

from enum import StrEnum

from mario_agents.search.goals import Goal
from mario_agents.search.polish.hand import count_changes, count_presses

# A way to more points may take longer, but not by more than so many frames at once.
_DETOUR = 240

#: What is made small: the first number, then, where it is equal, the next.
Cost = tuple[int, ...]


class PolishGoal(StrEnum):
    """What a movie is polished for; score and speed are those of a search."""

    #: The fewest controller changes, then the fewest presses, in no more frames than it came with.
    HAND = "hand"
    #: The most points, then the fewest frames.
    SCORE = Goal.SCORE.value
    #: The fewest frames, then the fewest controller changes.
    SPEED = Goal.SPEED.value

    def cost(self, buttons: bytes, score: int) -> Cost:
        """Return what a clear costs; less is better.

        Args:
            buttons: of every frame.
            score: points.

        >>> PolishGoal.SPEED.cost(bytes(90), 0) < PolishGoal.SPEED.cost(bytes(100), 500)
        True
        """
        changes = count_changes(buttons)
        if self is PolishGoal.HAND:
            return changes, count_presses(buttons), len(buttons)
        if self is PolishGoal.SCORE:
            return -score, len(buttons), changes
        return len(buttons), changes

    def is_worth_playing(self, edited: bytes, best: Cost) -> bool:
        """Tell whether edited buttons may come to cost no more than the best, as far as they alone tell.

        Args:
            edited: buttons of every frame.
            best: cost of the best clear.
        """
        return self is not PolishGoal.HAND or self.cost(edited, 0) <= best

    def most_frames(self, best: int, first: int) -> int:
        """Return how long a clear may take to be worth playing to its end.

        Args:
            best: frames of the best clear.
            first: frames of the movie that came in.
        """
        if self is PolishGoal.HAND:
            return first
        return best + _DETOUR if self is PolishGoal.SCORE else best
