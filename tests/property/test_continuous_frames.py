"""The rules of hold times, for every setting and any sequence of actions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mario_envs.actions.base import check_actions
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.buttons import DOWN, LEFT, RIGHT, UP, A, B, ButtonPlan
from numpy.typing import NDArray

Int32s = NDArray[np.int32]

# Numbers of frames whose product with a float32 is exact, so that a half is a half.
frames_per_unit = st.integers(1, 240).map(lambda quarters: quarters / 4)


@st.composite
def every_setting(draw: st.DrawFn, **fixed: Any) -> ContinuousFrames:
    max_hold = draw(st.integers(1, 150))
    settings: dict[str, Any] = {
        "update": draw(st.sampled_from(["replace", "add", "keep", "finish"])),
        "select": draw(st.sampled_from(["all", "longest"])),
        "bounds": draw(st.sampled_from(["tanh", "sigmoid"])),
        "frames_per_unit": draw(frames_per_unit),
        "max_hold": max_hold,
        "min_hold": draw(st.integers(1, min(max_hold, 12))),
        "min_frames": draw(st.integers(1, 12)),
        "fresh_press": draw(st.booleans()),
    }
    return ContinuousFrames(**settings | fixed)


@st.composite
def sequences(draw: st.DrawFn, lanes: int = 2, **fixed: Any) -> tuple[ContinuousFrames, NDArray[np.float32]]:
    """Draw an action plugin and some actions in a row, float32 ``[steps, lanes, 6]``."""
    action = draw(every_setting(**fixed))
    low = -1.0 if action.bounds == "tanh" else 0.0
    value = st.floats(low, 1.0, width=32) | st.sampled_from([low, 0.0, 0.5, 1.0])
    steps = draw(st.integers(1, 8))
    values = draw(st.lists(value, min_size=steps * lanes * 6, max_size=steps * lanes * 6))
    return action, np.array(values, np.float32).reshape(steps, lanes, 6)


def play(action: ContinuousFrames, actions: NDArray[np.float32]) -> Iterator[tuple[Int32s, ButtonPlan]]:
    """Go through a sequence as an environment does: yield what remained before each plan, and the plan."""
    remaining = np.zeros(actions.shape[1:], np.int32)
    for given_actions in actions:
        checked = check_actions(action.space, given_actions, len(remaining))
        before = remaining.copy()
        plan = action.plan(checked, remaining)
        assert np.array_equal(remaining, before), "the plan wrote into what remains"
        yield before, plan
        remaining = np.maximum(plan.holds - plan.frames[:, None], 0)


def half_up(value: float, unit: float) -> int:
    """Return frames for a value: rounded half up by its size, whatever its sign; in exact numbers."""
    size = math.floor(abs(Fraction(value) * Fraction(unit)) + Fraction(1, 2))
    return size if value >= 0 else -size


@given(sequences())
def test_holds_are_never_negative_nor_above_the_limit(drawn: Any) -> None:
    action, actions = drawn
    for _, plan in play(action, actions):
        assert plan.holds.dtype == plan.frames.dtype == plan.released.dtype == np.int32
        assert (plan.holds >= 0).all()
        assert (plan.holds <= action.max_hold).all()


@given(sequences())
def test_a_step_lasts_the_shortest_hold_but_at_least_its_minimum(drawn: Any) -> None:
    action, actions = drawn
    for _, plan in play(action, actions):
        for holds, frames in zip(plan.holds.tolist(), plan.frames.tolist(), strict=True):
            running = [hold for hold in holds if hold > 0]
            assert frames == max(action.min_frames, min(running, default=0))


@given(sequences())
def test_opposite_directions_are_never_pressed_together(drawn: Any) -> None:
    action, actions = drawn
    for _, plan in play(action, actions):
        pressed = plan.holds > 0
        assert not (pressed[:, LEFT] & pressed[:, RIGHT]).any()
        assert not (pressed[:, UP] & pressed[:, DOWN]).any()


@given(sequences(update="keep"))
@example(
    # A hold that has run down below the shortest press is still planned.
    (
        ContinuousFrames(update="keep", frames_per_unit=20, min_hold=8, min_frames=1),
        np.array([[[0, 0, 0, 1, 0.5, 0]], [[0, 0, 0, 0, 0.5, 0]], [[0] * 6]], np.float32),
    )
)
def test_keep_never_shortens_a_plan(drawn: Any) -> None:
    action, actions = drawn
    for before, plan in play(action, actions):
        running = before > 0
        assert (plan.holds[running] >= before[running]).all()


@given(sequences(update="finish", select="all"))
def test_finish_neither_shortens_nor_lengthens_what_runs(drawn: Any) -> None:
    action, actions = drawn
    for before, plan in play(action, actions):
        running = before > 0
        assert (plan.holds[running] == before[running]).all()
        assert not plan.released[running].any()


@given(sequences(update="add"))
@example(
    (
        ContinuousFrames(update="add", frames_per_unit=20, min_hold=8, min_frames=1),
        np.array([[[0, 0, 0, 1, 0.75, 0]], [[0] * 6], [[0] * 6]], np.float32),
    )
)
def test_add_adds_the_signed_value_to_what_remains(drawn: Any) -> None:
    action, actions = drawn
    for given_actions, (before, plan) in zip(actions, play(action, actions), strict=True):
        for lane, button in np.ndindex(before.shape):
            remains = int(before[lane, button])
            change = half_up(float(given_actions[lane, button]), action.frames_per_unit)
            planned = min(max(remains + change, 0), action.max_hold)
            if remains == 0 and planned < action.min_hold:
                planned = 0
            # An opposite direction or a longer button may have taken its place.
            assert plan.holds[lane, button] in (0, planned)
            if action.select == "all" and button in (A, B):
                assert plan.holds[lane, button] == planned


@given(sequences(update="replace", select="all"))
def test_replace_plans_anew_rounded_half_up(drawn: Any) -> None:
    action, actions = drawn
    for given_actions, (_, plan) in zip(actions, play(action, actions), strict=True):
        for lane, button in np.ndindex(plan.holds.shape):
            frames = half_up(float(given_actions[lane, button]), action.frames_per_unit)
            planned = min(max(frames, 0), action.max_hold)
            planned = planned if planned >= action.min_hold else 0
            if button in (A, B):
                assert plan.holds[lane, button] == planned
            assert plan.holds[lane, button] in (0, planned)


@given(sequences(select="longest"))
def test_longest_presses_one_button_at_most(drawn: Any) -> None:
    action, actions = drawn
    for _, plan in play(action, actions):
        assert ((plan.holds > 0).sum(axis=1) <= 1).all()


@given(sequences(select="longest", update="replace", min_hold=1))
def test_longest_presses_the_largest_value(drawn: Any) -> None:
    action, actions = drawn
    for given_actions, (_, plan) in zip(actions, play(action, actions), strict=True):
        for values, holds in zip(given_actions, plan.holds, strict=True):
            longest = min(max(half_up(float(values.max()), action.frames_per_unit), 0), action.max_hold)
            assert holds.max() == longest


@given(sequences())
def test_opposites_yield_to_the_larger_and_to_what_runs(drawn: Any) -> None:
    action, actions = drawn
    if action.select == "longest":
        return
    for given_actions, (before, plan) in zip(actions, play(action, actions), strict=True):
        for lane, (first, second) in product(range(len(before)), ((LEFT, RIGHT), (DOWN, UP))):
            if action.update in ("keep", "finish") and before[lane, first] > 0:
                assert plan.holds[lane, second] == 0
            elif action.update in ("keep", "finish") and before[lane, second] > 0:
                assert plan.holds[lane, first] == 0
            elif action.update == "replace":
                values = given_actions[lane, [first, second]]
                planned = [half_up(float(value), action.frames_per_unit) for value in values]
                planned = [min(n, action.max_hold) if n >= action.min_hold else 0 for n in planned]
                winner = first if planned[0] > planned[1] else second
                assert plan.holds[lane, winner] == max(planned)


@given(sequences())
def test_a_lane_does_not_depend_on_the_others(drawn: Any) -> None:
    action, actions = drawn
    together = list(play(action, actions))
    for lane in range(actions.shape[1]):
        alone = play(action, actions[:, [lane]])
        for (_, whole), (_, part) in zip(together, alone, strict=True):
            for name in ("holds", "frames", "released"):
                assert np.array_equal(getattr(whole, name)[[lane]], getattr(part, name)), name


@given(sequences())
def test_only_a_and_b_are_released_first_and_for_one_frame(drawn: Any) -> None:
    action, actions = drawn
    for before, plan in play(action, actions):
        assert not plan.released[:, [UP, DOWN, LEFT, RIGHT]].any()
        assert set(np.unique(plan.released)) <= ({0, 1} if action.fresh_press else {0})
        # A hold of one frame would be nothing but the release.
        assert (plan.holds[plan.released > 0] >= 2).all()
        assert not (plan.released & (before > 0)).any(), "a running hold is not interrupted"


@pytest.mark.parametrize(("fresh", "presses"), [(False, 1), (True, 5)])
def test_a_fresh_press_lets_a_held_a_jump_again(fresh: bool, presses: int) -> None:
    action = ContinuousFrames(fresh_press=fresh)
    steps = np.tile(np.array([[[-1, -1, -1, 1, 1, -1]]], np.float32), (5, 1, 1))
    down = [
        bool(plan.buttons_at(0, frame) & 1)  # A
        for _, plan in play(action, steps)
        for frame in range(plan.frames[0])
    ]
    assert sum(now and not earlier for earlier, now in zip([False, *down], down, strict=False)) == presses


@pytest.mark.parametrize(
    ("value", "frames"), [(0.0, 0), (0.02, 0), (0.024, 0), (0.025, 1), (0.074, 1), (0.075, 2), (1.0, 20)]
)
def test_half_a_frame_counts_as_one(value: float, frames: int) -> None:
    plan = ContinuousFrames(frames_per_unit=20).plan(
        np.array([[0, 0, 0, value, 0, 0]]), np.zeros((1, 6), np.int32)
    )
    assert plan.holds.tolist() == [[0, 0, 0, frames, 0, 0]]


def test_a_negative_half_shortens_by_one() -> None:
    action = ContinuousFrames(update="add", frames_per_unit=20)
    plan = action.plan(np.array([[0, 0, 0, -0.025, -0.024, 0]]), np.array([[0, 0, 0, 10, 10, 0]], np.int32))
    assert plan.holds.tolist() == [[0, 0, 0, 9, 10, 0]]


@pytest.mark.parametrize(("bounds", "low"), [("tanh", -1.0), ("sigmoid", 0.0)])
def test_the_space_has_the_bounds_of_its_function(bounds: Any, low: float) -> None:
    space = ContinuousFrames(bounds=bounds).space
    assert space.shape == (6,)
    assert space.dtype == np.float32
    assert (space.low == low).all()
    assert (space.high == 1).all()
