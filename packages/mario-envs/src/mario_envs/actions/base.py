"""What an action plugin is: from a policy's action to a button plan, for all lanes at once."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_envs.buttons import DOWN, LEFT, RIGHT, UP, ButtonPlan


class ActionError(ValueError):
    """An action that cannot be carried out; raised before any frame runs."""


@runtime_checkable
class Action(Protocol):
    """Turns a policy's actions into button plans. Holds no state of its own.

    Attributes:
        space: the action space of one lane.
    """

    @property
    def space(self) -> spaces.Space[Any]:
        """The action space of one lane: Box, Discrete, MultiDiscrete or MultiBinary."""

    def plan(self, actions: NDArray[Any], remaining: NDArray[np.int32]) -> ButtonPlan:
        """Plan the next step of every lane.

        Args:
            actions: ``[lanes, *space.shape]``, finite and inside the space.
            remaining: int32 ``[lanes, 6]``, frames still planned for each button, columns as in
                :data:`mario_envs.buttons.PLAYED`.
        """


# Pairs of opposite directions.
_ONE_WAY, _OTHER_WAY = slice(UP, RIGHT, 2), slice(DOWN, RIGHT + 1, 2)


def to_array(actions: Any) -> NDArray[Any]:
    """Return what a policy gave as an array of numbers.

    Raises:
        ActionError: it is not numbers, or ragged.

    >>> to_array("left")
    Traceback (most recent call last):
        ...
    mario_envs.actions.base.ActionError: an action must be numbers, not 'left'
    """
    try:
        array = np.asarray(actions)
    except ValueError:  # ragged
        array = np.asarray(None)
    if array.dtype.kind not in "biuf":
        raise ActionError(f"an action must be numbers, not {' '.join(repr(actions).split())}")
    return array


def check_actions(space: spaces.Space[Any], actions: Any, lanes: int) -> NDArray[Any]:
    """Return the actions as one array ``[lanes, *space.shape]``, Box actions clipped to their bounds.

    Raises:
        ActionError: wrong shape, not numbers, NaN or infinite, or outside a discrete space.

    >>> check_actions(spaces.Discrete(7), [9], lanes=1)
    Traceback (most recent call last):
        ...
    mario_envs.actions.base.ActionError: action 9 is outside Discrete(7)
    """
    shape = (lanes, *(space.shape or ()))
    array = to_array(actions)
    if array.shape != shape:
        raise ActionError(f"actions must have shape {shape} (lanes first), not {array.shape}")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ActionError(f"an action must be finite, not {array[~np.isfinite(array)][0]}")
    if isinstance(space, spaces.Box):
        clipped: NDArray[Any] = np.clip(array, space.low, space.high).astype(space.dtype)
        return clipped
    if isinstance(space, spaces.Discrete):
        inside = (array >= space.start) & (array < space.start + space.n)
    elif isinstance(space, spaces.MultiDiscrete):
        inside = (array >= space.start) & (array < space.start + space.nvec)
    else:
        inside = (array == 0) | (array == 1)
    if array.dtype.kind == "f":
        inside &= array == np.rint(array)
    if not inside.all():
        lane = np.argwhere(~inside)[0][0]
        raise ActionError(f"action {array[lane]} is outside {space}")
    return array.astype(np.int64)


def without_opposites(holds: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the holds ``[lanes, 6]`` as a D-pad can press them: of two opposites the larger stays.

    Of two equal ones, right and up stay.

    >>> without_opposites(np.array([[0, 0, 9, 5, 2, 0]], np.int32))
    array([[0, 0, 9, 0, 2, 0]], dtype=int32)
    """
    holds = holds.copy()
    for first, second in ((LEFT, RIGHT), (DOWN, UP)):
        first_wins = holds[:, first] > holds[:, second]
        holds[first_wins, second] = 0
        holds[~first_wins, first] = 0
    return holds


def plan_fault(plan: ButtonPlan, lanes: int) -> str | None:
    """Return why a controller cannot carry out a plan, in words, or None if it can.

    >>> from mario_envs.buttons import Button
    >>> plan_fault(ButtonPlan.steady(Button.LEFT | Button.RIGHT, frames=4), lanes=1)
    'the plan presses opposite directions, which a D-pad cannot'
    """
    for name, shape in (("holds", (lanes, 6)), ("released", (lanes, 6)), ("frames", (lanes,))):
        part = getattr(plan, name)
        if part.shape != shape or part.dtype != np.int32:
            return f"plan.{name} is {part.dtype} of shape {part.shape}, not int32 of shape {shape}"
    if min(plan.holds.min(), plan.released.min()) < 0:
        return "the plan has a negative number of frames"
    if plan.frames.min() < 1:
        return "plan.frames has a step of no frame"
    if np.minimum(plan.holds[:, _ONE_WAY], plan.holds[:, _OTHER_WAY]).any():
        return "the plan presses opposite directions, which a D-pad cannot"
    return None
