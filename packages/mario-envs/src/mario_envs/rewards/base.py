"""What a reward plugin is: from two game states to a reward, term by term, for all lanes at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

from mario_envs.game.state import GameState


@runtime_checkable
class Reward(Protocol):
    """Rewards the step from ``before`` to ``after``. Holds no state of its own; any function will do.

    ::

        def coins(before: GameState, after: GameState):
            return {"coins": 1.0 * (after.coins - before.coins)}
    """

    def __call__(self, before: GameState, after: GameState) -> Mapping[str, NDArray[Any]]:
        """Return each term's reward, ``[lanes]`` and finite; the step's reward is their sum."""
