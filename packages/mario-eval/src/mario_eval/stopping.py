"""Ends an evaluation as soon as the clear rate is known well enough."""

from __future__ import annotations

from mario_eval.statistics.intervals import wilson

#: Episodes that must be finished before a narrow interval may end an evaluation.
MIN_EPISODES = 20


class ClearRateStop:
    """Watches the clear rate of an evaluation whose episodes finish in any order.

    It judges by the first episodes of which none is missing: short episodes finish first, and would count too
    much.

    Args:
        width: stop once the 95 % Wilson interval is narrower than this; 0.1 is ten points.

    Example:
        >>> stop = ClearRateStop(width=0.15)
        >>> [stop.after(episode, cleared=True) for episode in range(22)].index(True) + 1
        22
    """

    def __init__(self, width: float) -> None:
        self._width = width
        self._early: dict[int, bool] = {}
        self._episodes = self._cleared = 0
        self._reached = False

    def after(self, episode: int, cleared: bool) -> bool:
        """Take in a finished episode and return whether to begin no more."""
        self._early[episode] = cleared
        while self._episodes in self._early and not self._reached:
            self._cleared += self._early.pop(self._episodes)
            self._episodes += 1
            low, high = wilson(self._cleared, self._episodes)
            self._reached = self._episodes >= MIN_EPISODES and high - low < self._width
        return self._reached
