"""Decisions of an environment's own action: one of the rules for what is tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import yaml
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.actions.decisions import longest_new, values_of
from mario_envs.buttons import PLAYED, ButtonPlan
from mario_envs.plugins.errors import PluginError
from mario_envs.plugins.manager import choose
from numpy.typing import NDArray

from mario_agents.errors import AgentsError
from mario_agents.search.archive import Arrays
from mario_agents.search.button_runs import draw_buttons

#: Decisions that are tried after going back to a cell, at least and at most.
LEAST_DECISIONS, MOST_DECISIONS = 4, 16
#: The longest hold that is drawn, frames: 95 of 100 of people's jumps are no longer.
MOST_FRAMES = 40


@dataclass(frozen=True)
class RandomDecisions:
    """Tries decisions of ContinuousFrames, so that an environment with these options can play what is found.

    Cells are kept between decisions alone, each with the holds that are still running there: whether A is
    pressed anew depends on them. :func:`mario_envs.movies.holds.holds_of` finds the decisions of a movie.

    Attributes:
        action: with the options of the environment.

    Raises:
        AgentsError: a movie does not tell the decisions of such an action, or it can hold no button.

    Example:
        >>> rule = RandomDecisions(ContinuousFrames(min_frames=8, fresh_press=True))
        >>> tries = rule.begin(2, np.random.default_rng(0))
        >>> tries.go_back(np.arange(2), [b"", b""])
        >>> tries.plan().frames >= 8
        array([ True,  True])
    """

    action: ContinuousFrames

    def __post_init__(self) -> None:
        action = self.action
        if not isinstance(action, ContinuousFrames):
            raise AgentsError(
                f"search tries decisions of continuous-frames alone, not of {type(action).__name__}; without "
                "--action it presses what it likes"
            )
        if action.update != "replace":
            raise AgentsError(
                f"search tries decisions with update replace alone, not {action.update}: of the others a "
                "movie does not tell every decision"
            )
        if longest_new(action) < action.min_hold:
            raise AgentsError(
                f"frames_per_unit {action.frames_per_unit:g} makes no hold of min_hold {action.min_hold}; "
                "set frames_per_unit: 20"
            )

    def begin(self, lanes: int, random: np.random.Generator) -> DecisionsInLanes:
        """Return the decisions of a search's lanes."""
        return DecisionsInLanes(self.action, lanes, random)


class DecisionsInLanes:
    """The :class:`~mario_agents.search.tries.Tries` of :class:`RandomDecisions`; a plan is a decision.

    Args:
        action: makes the plans, as it does in an environment.
        lanes: of the search.
        random: draws everything.
    """

    def __init__(self, action: ContinuousFrames, lanes: int, random: np.random.Generator) -> None:
        self._action, self._random = action, random
        self._left = np.zeros(lanes, np.int32)
        #: Frames for which each button is still held, int32 ``[lanes, 6]``, as in the environment's lanes.
        self._remaining = np.zeros((lanes, len(PLAYED)), np.int32)

    @property
    def done(self) -> NDArray[np.bool_]:
        """Where no decision is left."""
        done: NDArray[np.bool_] = self._left == 0
        return done

    def go_back(self, lanes: NDArray[np.intp], held: Sequence[bytes]) -> None:
        """Take over the holds that were running, and draw how many decisions these lanes try."""
        for lane, holds in zip(lanes.tolist(), held, strict=True):
            self._remaining[lane] = np.frombuffer(holds, np.int32) if holds else 0
        self._left[lanes] = self._random.integers(LEAST_DECISIONS, MOST_DECISIONS + 1, len(lanes))

    def plan(self) -> ButtonPlan:
        """Draw a decision for each lane."""
        holds = draw_holds(len(self._left), self._action, self._random)
        plan = self._action.plan(values_of(holds, self._remaining, self._action), self._remaining)
        self._remaining = plan.holds
        self._left -= 1
        return plan

    def ran(self, frames: NDArray[np.int32]) -> None:
        """Shorten what is left of the holds."""
        self._remaining = np.maximum(self._remaining - frames[:, None], 0).astype(np.int32)

    def give_up(self, lanes: NDArray[np.bool_]) -> None:
        """Let no decision be left in these lanes."""
        self._left[lanes] = 0

    def held(self, lane: int) -> bytes:
        """Return the holds that are running, six int32."""
        return bytes(self._remaining[lane])

    def to_arrays(self) -> Arrays:
        """Return what is left to try and to hold."""
        return {"decisions_left": self._left, "remaining": self._remaining}

    def restore(self, arrays: Arrays) -> None:
        """Undo :meth:`to_arrays`."""
        self._left, self._remaining = arrays["decisions_left"], arrays["remaining"]


def draw_holds(count: int, action: ContinuousFrames, random: np.random.Generator) -> NDArray[np.int32]:
    """Draw holds for decisions, int32 ``[count, 6]``; 0 is a button that comes up.

    Each button has a length of its own, so that one that is held on when another comes up goes on into the
    next decision, or is let go there.

    Args:
        count: how many decisions.
        action: whose holds they are.
        random: to draw with.
    """
    most = min(longest_new(action), max(MOST_FRAMES, action.min_hold))
    least = min(max(action.min_frames, action.min_hold), most)
    down = draw_buttons(count, random)
    frames = random.integers(least, most + 1, down.shape, np.int32)
    return np.where(down, frames, 0).astype(np.int32)


def read_action(text: str) -> ContinuousFrames:
    """Return the action that a user names, in YAML as ``--env-option action=…`` has it.

    Raises:
        AgentsError: there is no such action or option, or it cannot be read.

    >>> read_action("{continuous-frames: {min_frames: 8}}").min_frames
    8
    """
    try:
        action: ContinuousFrames = choose("action", yaml.safe_load(text)).value
    except yaml.YAMLError:
        raise AgentsError(f"--action cannot be read as YAML: {text!r}") from None
    except (ValueError, PluginError) as error:
        raise AgentsError(f"--action: {error}") from None
    return action
