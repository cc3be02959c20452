"""From the buttons of every frame back to the actions that press them: the inverse of ContinuousFrames."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_envs.actions.base import ActionError
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.buttons import BUTTON_NAMES, DOWN, LEFT, RIGHT, UP, A, B, ButtonPlan


@dataclass(frozen=True)
class Decisions:
    """Actions in a row, and what each of them plans; row ``i`` of each array belongs to decision ``i``.

    Attributes:
        first_frames: int64 ``[n]``, the frame that each begins with.
        frames: int32 ``[n]``, how long each step lasts. The last may outlast the buttons that were given.
        holds: int32 ``[n, 6]``, frames until each button comes up, as in
            :class:`~mario_envs.buttons.ButtonPlan`.
        actions: float32 ``[n, 6]``, in the action's space. What is not to be pressed has its least value.
    """

    first_frames: NDArray[np.int64]
    frames: NDArray[np.int32]
    holds: NDArray[np.int32]
    actions: NDArray[np.float32]


def decide(down: NDArray[np.bool_], action: ContinuousFrames, first_frame: int = 0) -> Decisions:
    """Find actions that press exactly these buttons, frame for frame.

    A button is planned as a person would: for all the time that it stays down, or as much of it as an action
    can say. A step lasts until a hold ends; where another button goes down before that, the shortest hold is
    planned only up to there, and goes on with the next decision. With ``fresh_press`` a hold of A or B is
    planned a frame ahead; one that something else interrupts while no direction is down comes out as holds
    of one frame each, for nothing else goes on without a release.

    With ``min_frames`` 1, ``min_hold`` 1 and ``select`` "all" everything that a D-pad can press comes out.
    With other options some of it cannot be pressed at all. Where the first plan leads to such a place,
    others are tried, depth first and no place twice. With ``update`` "replace", what has no actions is
    refused and nothing else; with the others, some of what only a plan cut short later could press is, too.

    Args:
        down: bool ``[frames, 6]``, columns as in :data:`mario_envs.buttons.PLAYED`.
        action: with the options that the actions are for.
        first_frame: number of the first, in messages and in what is returned.

    Raises:
        ActionError: these options cannot press them; names the frame, and the option to change.

    Example:
        >>> down = np.zeros((30, 6), bool)
        >>> down[:, RIGHT], down[8:20, A] = True, True
        >>> found = decide(down, ContinuousFrames(frames_per_unit=60))
        >>> found.first_frames, found.holds[:, [RIGHT, A]].tolist()
        (array([ 0,  8, 20]), [[8, 0], [22, 12], [10, 0]])
    """
    _check_pressable(down, action, first_frame)
    way, furthest = _Search(down, action).run()
    if way is None:
        raise ActionError(_refusal(first_frame + furthest, action))
    return Decisions(
        first_frames=np.array([first_frame + step.frame for step in way], np.int64),
        frames=np.array([step.frames for step in way], np.int32),
        holds=np.array([step.holds for step in way], np.int32).reshape(-1, 6),
        actions=np.array([step.action for step in way], np.float32).reshape(-1, 6),
    )


def _check_pressable(down: NDArray[np.bool_], action: ContinuousFrames, first_frame: int) -> None:
    for one, other in ((UP, DOWN), (LEFT, RIGHT)):
        both = np.flatnonzero(down[:, one] & down[:, other])
        if len(both):
            names = f"{BUTTON_NAMES[one]} and {BUTTON_NAMES[other]}"
            raise ActionError(f"frame {first_frame + both[0]} presses {names} together, which a D-pad cannot")
    if action.select == "longest":
        several = np.flatnonzero(down.sum(axis=1) > 1)
        if len(several):
            raise ActionError(
                f"frame {first_frame + several[0]} presses several buttons where select is longest; "
                "set select: all"
            )
    if down.any() and longest_new(action) < 1:
        raise ActionError(
            f"frames_per_unit {action.frames_per_unit:g} is less than half a frame; set frames_per_unit: 20"
        )


def _refusal(frame: int, action: ContinuousFrames) -> str:
    least = [name for name in ("min_frames", "min_hold") if getattr(action, name) > 1]
    now = " and ".join(f"{name} {getattr(action, name)}" for name in least)
    advice = " and ".join(f"{name}: 1" for name in least)
    return f"frame {frame} and what follows cannot be pressed with {now}; set {advice}"


def longest_new(action: ContinuousFrames) -> int:
    """Return the longest hold, in frames, that one action can begin."""
    return min(action.max_hold, int(action.frames_per_unit + 0.5))


def values_of(
    holds: NDArray[np.integer[Any]], remaining: NDArray[np.int32], action: ContinuousFrames
) -> NDArray[np.float32]:
    """Return the values that mean holds, float32 ``[n, 6]``; what is not to be pressed has the least.

    Args:
        holds: frames for which each button is held, ``[n, 6]``; longer ones than an action can say are cut.
        remaining: frames still planned for each button, ``[6]`` or ``[n, 6]``.
        action: with the options that the values are for.

    Example:
        >>> action = ContinuousFrames(frames_per_unit=30)
        >>> values_of(np.array([[0, 0, 0, 15, 0, 30]]), np.zeros(6, np.int32), action)
        array([[-1. , -1. , -1. ,  0.5, -1. ,  1. ]], dtype=float32)
    """
    low = float(action.space.low[0])
    change = holds - remaining if action.update == "add" else holds
    values = np.clip(change / action.frames_per_unit, low, 1.0)
    return np.where(holds > 0, values, low).astype(np.float32)


class _Search:
    """A way through the buttons from decision to decision, depth first.

    A place is a frame at which a decision falls due, with what remains of the holds before.
    """

    def __init__(self, down: NDArray[np.bool_], action: ContinuousFrames) -> None:
        self._down, self._action = down, action
        self._runs = _run_lengths(down)

    def run(self) -> tuple[list[_Step] | None, int]:
        """Return the steps, None if there is no way, and the furthest frame that was reached."""
        frame, remaining, furthest = 0, np.zeros(6, np.int32), 0
        way: list[_Step] = []
        branches = [self._steps(frame, remaining)]
        seen = {self._place(frame, remaining)}
        while branches and frame < len(self._down):
            step = next(branches[-1], None)
            if step is None:
                branches.pop()
                if way:
                    way.pop()
                continue
            place = self._place(step.end, step.remaining)
            if place in seen:
                continue
            seen.add(place)
            way.append(step)
            frame, furthest = step.end, max(furthest, step.end)
            branches.append(self._steps(frame, step.remaining))
        return (way if branches else None), furthest

    def _place(self, frame: int, remaining: NDArray[np.int32]) -> tuple[int, ...]:
        """Name a place by all that matters for what can be pressed from there."""
        if self._action.update != "replace":
            return (frame, *remaining.tolist())
        if self._action.fresh_press:
            return (frame, *(remaining[[A, B]] > 0).tolist())
        return (frame,)

    def _steps(self, frame: int, remaining: NDArray[np.int32]) -> Iterator[_Step]:
        """Yield the steps that press what is to be pressed, the one that a person would plan first."""
        for holds in self._plans(frame, remaining):
            actions = values_of(holds, remaining, self._action)
            # The action itself says what it does, roundings and all: nothing is taken on trust.
            plan = self._action.plan(actions, np.tile(remaining, (len(actions), 1)))
            for row in np.flatnonzero(self._matches(frame, plan)).tolist():
                length = int(plan.frames[row])
                yield _Step(
                    frame,
                    length,
                    plan.holds[row],
                    actions[row],
                    np.maximum(plan.holds[row] - length, 0).astype(np.int32),
                )

    def _plans(self, frame: int, remaining: NDArray[np.int32]) -> Iterator[NDArray[np.int64]]:
        """Yield holds ``[k, 6]`` worth trying, in the order in which to try them."""
        most = longest_new(self._action) + (remaining if self._action.update == "add" else 0)
        for wanted in self._wanted(frame, remaining):
            whole = np.minimum(wanted, np.minimum(most, self._action.max_hold))
            pressed = np.flatnonzero(whole)
            if not len(pressed):
                yield whole[None]
                continue
            shortest = int(whole[pressed].min())
            # What is up now and goes down next: the latest moment for a decision, and with fresh presses the
            # frame before that.
            waiting = self._runs[frame + 1 : frame + shortest + 1] > 0
            waiting[:, pressed] = False
            next_press = _first(waiting, shortest) + 1
            ahead = _first(waiting[:, [A, B]], 0) if self._action.fresh_press else 0
            # The shortest is cut, as the least is lost; of fresh presses none, if there is another.
            last = np.isin(pressed, [A, B]) & self._action.fresh_press
            order = pressed[np.lexsort((whole[pressed], last))]
            least = self._action.min_frames
            if least <= ahead < next_press:
                yield _cut(whole, order, [ahead])
            yield whole[None]
            latest = min(next_press, shortest)
            for lengths in ([latest], range(latest - 1, least - 1, -1)):
                if latest >= least and lengths:
                    yield _cut(whole, order, lengths)

    def _wanted(self, frame: int, remaining: NDArray[np.int32]) -> Iterator[NDArray[np.int64]]:
        """Yield how long each button should be planned if nothing came between, int64 ``[6]``."""
        now = self._runs[frame].copy()
        if not self._action.fresh_press:
            yield now
            return
        soon = self._runs[min(frame + 1, len(self._runs) - 1)]
        ahead = []
        for button in (A, B):
            if remaining[button]:
                continue
            if now[button]:
                now[button] = 1  # a longer new hold would begin with a frame up
            elif soon[button]:
                ahead.append(button)
        for early in ([*ahead], *([button] for button in ahead[:-1]), *([button] for button in ahead[1:])):
            yield np.where(np.isin(np.arange(6), early), soon + 1, now)
        if ahead:
            yield now

    def _matches(self, frame: int, plan: ButtonPlan) -> NDArray[np.bool_]:
        """Return bool ``[k]``: which plans press, to their end or the buttons', what is to be pressed."""
        seen = self._down[frame : frame + int(plan.frames.max())]
        time = np.arange(len(seen))[:, None]
        pressed = (plan.released[:, None] <= time) & (time < plan.holds[:, None])
        after = time >= plan.frames[:, None, None]
        matches: NDArray[np.bool_] = ((pressed == seen) | after).all(axis=(1, 2))
        return matches


@dataclass(frozen=True)
class _Step:
    frame: int
    frames: int
    holds: NDArray[np.int32]
    action: NDArray[np.float32]
    remaining: NDArray[np.int32]

    @property
    def end(self) -> int:
        return self.frame + self.frames


def _run_lengths(down: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return for how many frames from each on a button stays down, int64 ``[frames + 1, 6]``.

    >>> _run_lengths(np.array([[True], [True], [False], [True]])).ravel().tolist()
    [2, 1, 0, 1, 0]
    """
    runs = np.zeros((len(down) + 1, down.shape[1]), np.int64)
    for frame in range(len(down) - 1, -1, -1):
        runs[frame] = np.where(down[frame], runs[frame + 1] + 1, 0)
    return runs


def _first(which: NDArray[np.bool_], otherwise: int) -> int:
    """Return the number of the first row with anything true in it."""
    rows = np.flatnonzero(which.any(axis=1))
    return int(rows[0]) if len(rows) else otherwise


def _cut(holds: NDArray[np.int64], buttons: NDArray[np.intp], lengths: Sequence[int]) -> NDArray[np.int64]:
    """Return the holds with one button's cut to a length, and with all cut: ``[lengths · (buttons + 1), 6]``.

    All must be where what is planned cannot be shortened by the next decision.
    """
    several = np.tile(holds, (len(lengths), len(buttons) + 1, 1))
    several[:, range(len(buttons)), buttons] = np.reshape(lengths, (-1, 1))
    several[:, -1] = np.minimum(holds, np.reshape(lengths, (-1, 1)))
    return several.reshape(-1, len(holds))
