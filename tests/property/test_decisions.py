"""The inverse of hold times: buttons become actions that press just them, for every setting that can."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mario_envs.actions.base import ActionError, check_actions, without_opposites
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.actions.decisions import Decisions, decide
from mario_envs.buttons import DOWN, LEFT, RIGHT, UP, A, B
from numpy.typing import NDArray

Down = NDArray[np.bool_]


@st.composite
def every_setting(draw: st.DrawFn, **fixed: Any) -> ContinuousFrames:
    max_hold = draw(st.integers(1, 60))
    settings: dict[str, Any] = {
        "update": draw(st.sampled_from(["replace", "add", "keep", "finish"])),
        "select": draw(st.sampled_from(["all", "longest"])),
        "bounds": draw(st.sampled_from(["tanh", "sigmoid"])),
        # Most of them no float32 is a whole part of.
        "frames_per_unit": draw(st.floats(0.5, 200.0)),
        "max_hold": max_hold,
        "min_hold": draw(st.integers(1, min(max_hold, 12))),
        "min_frames": draw(st.integers(1, 12)),
        "fresh_press": draw(st.booleans()),
    }
    return ContinuousFrames(**settings | fixed)


@st.composite
def any_buttons(draw: st.DrawFn) -> Down:
    """Draw up to 60 frames of each button's runs; no opposites."""
    down = np.zeros((draw(st.integers(1, 60)), 6), bool)
    for button in range(6):
        frame = 0
        for length, is_down in draw(st.lists(st.tuples(st.integers(1, 30), st.booleans()), max_size=6)):
            down[frame : frame + length, button] = is_down
            frame += length
    return without_opposites(down.astype(np.int32)).astype(bool)


def play(action: ContinuousFrames, actions: NDArray[np.float32]) -> tuple[list[Down], list[Any]]:
    """Play as an environment does; return what is down in each step, bool ``[frames, 6]``, and the plans."""
    remaining = np.zeros((1, 6), np.int32)
    steps, plans = [], []
    for row in actions:
        plan = action.plan(check_actions(action.space, row[None], 1), remaining)
        time = np.arange(plan.frames[0])[:, None]
        steps.append((plan.released <= time) & (time < plan.holds))
        plans.append(plan)
        remaining = np.maximum(plan.holds - plan.frames[:, None], 0).astype(np.int32)
    return steps, plans


def check_presses(found: Decisions, action: ContinuousFrames, down: Down) -> None:
    """The actions lie in the space and press these buttons; the last step may outlast them."""
    assert all(action.space.contains(row) for row in found.actions)
    steps, plans = play(action, found.actions)
    assert np.array_equal(np.concatenate(steps)[: len(down)], down)
    assert len(np.concatenate(steps[:-1] or [down[:0]])) < len(down)
    assert [len(step) for step in steps] == found.frames.tolist()
    assert np.array_equal(np.cumsum([0, *found.frames[:-1]]), found.first_frames)
    assert np.array_equal(np.concatenate([plan.holds for plan in plans]), found.holds)


@given(every_setting(min_frames=1, min_hold=1, select="all"), any_buttons())
def test_any_buttons_come_out_where_a_decision_may_fall_in_any_frame(
    action: ContinuousFrames, down: Down
) -> None:
    check_presses(decide(down, action), action, down)


@given(every_setting(), st.data())
def test_what_actions_press_is_pressed_again(action: ContinuousFrames, data: st.DataObject) -> None:
    """Complete for replace; with the others what is found is right, and what is not found is refused."""
    low = float(action.space.low[0])
    value = st.floats(low, 1.0, width=32) | st.sampled_from([low, 1.0])
    rows = data.draw(st.lists(st.lists(value, min_size=6, max_size=6), min_size=1, max_size=8))
    down = np.concatenate(play(action, np.array(rows, np.float32))[0])
    try:
        found = decide(down, action)
    except ActionError:
        assert action.update != "replace"
        return
    check_presses(found, action, down)
    again = decide(np.concatenate(play(action, found.actions)[0])[: len(down)], action)
    assert np.array_equal(again.actions, found.actions)


@given(any_buttons(), st.floats(60.0, 500.0), st.sampled_from(["tanh", "sigmoid"]))
@example(np.ones((60, 6), bool) & [False, False, False, True, True, True], 60.0, "tanh")
def test_a_value_says_how_long_its_button_is_still_held(down: Down, unit: float, bounds: Any) -> None:
    """In each decision all holds are whole but one, which is cut where another button goes down."""
    action = ContinuousFrames(bounds=bounds, frames_per_unit=unit, min_frames=1)
    found = decide(down, action)
    for frame, frames, holds in zip(found.first_frames, found.frames, found.holds, strict=True):
        whole = np.array([down[frame:, button].tolist().index(False) if not down[frame:, button].all()
                          else len(down) - frame for button in range(6)])  # fmt: skip
        cut = holds != whole
        assert cut.sum() <= 1
        if cut.any():
            assert holds[cut] == frames
            assert whole[cut] == whole[whole > 0].min()
            assert (down[frame + frames] & ~down[frame + frames - 1]).any()


def test_a_jump_while_running_is_two_decisions_and_the_rest_a_third() -> None:
    down = np.zeros((40, 6), bool)
    down[:, RIGHT] = down[:, B] = True
    down[10:30, A] = True
    found = decide(down, ContinuousFrames(frames_per_unit=40, min_frames=1))
    assert found.frames.tolist() == [10, 20, 10]
    assert found.holds[:, [RIGHT, B, A]].tolist() == [[10, 40, 0], [30, 30, 20], [10, 10, 0]]
    assert found.actions[1].tolist() == [-1, -1, -1, 0.75, 0.5, 0.75]


def test_fresh_presses_are_planned_a_frame_ahead() -> None:
    down = np.zeros((30, 6), bool)
    down[:, RIGHT] = True
    down[10:20, A] = down[21:26, A] = True  # two jumps, with one frame between
    action = ContinuousFrames(frames_per_unit=40, min_frames=1, fresh_press=True)
    found = decide(down, action)
    check_presses(found, action, down)
    assert found.holds[:, [RIGHT, A]].tolist() == [[9, 0], [21, 11], [10, 6], [4, 0]]


def test_a_step_as_short_as_the_shortest_may_hold_shorter_presses() -> None:
    down = np.zeros((16, 6), bool)
    down[:3, RIGHT] = down[8:16, A] = True
    action = ContinuousFrames(frames_per_unit=16, min_frames=8)
    assert decide(down, action).frames.tolist() == [8, 8]


def test_where_the_longest_step_leads_astray_a_shorter_is_found() -> None:
    down = np.zeros((12, 6), bool)
    down[:10, RIGHT] = down[7:12, LEFT + 2] = True  # A from frame 7
    action = ContinuousFrames(frames_per_unit=30, min_frames=4)
    check_presses(decide(down, action), action, down)


def presses(frames: int, **runs: tuple[int, int]) -> Down:
    down = np.zeros((frames, 6), bool)
    for name, (first, end) in runs.items():
        down[first:end, {"up": UP, "down": DOWN, "left": LEFT, "right": RIGHT, "a": A, "b": B}[name]] = True
    return down


@pytest.mark.parametrize(
    ("options", "down", "message"),
    [
        ({}, presses(9, left=(0, 9), right=(6, 9)), "frame 6 presses left and right together, which a D-pad"),
        ({}, presses(9, up=(2, 9), down=(6, 9)), "frame 6 presses up and down together"),
        (
            {"select": "longest"},
            presses(9, a=(0, 9), b=(3, 9)),
            "frame 3 presses several buttons .* set select: all$",
        ),
        ({"frames_per_unit": 0.4}, presses(9, a=(0, 9)), r"frames_per_unit 0\.4 is less .*: 20$"),
        (
            {"min_frames": 4},
            presses(20, right=(0, 20), a=(2, 9)),
            "frame 0 .* with min_frames 4; set min_frames: 1$",
        ),
        (
            {"min_frames": 2, "min_hold": 5},
            presses(20, right=(8, 20), a=(11, 20)),
            "frame 8 .* with min_frames 2 and min_hold 5; set min_frames: 1 and min_hold: 1$",
        ),
    ],
)
def test_what_cannot_be_pressed_is_refused_in_one_line(
    options: dict[str, Any], down: Down, message: str
) -> None:
    with pytest.raises(ActionError, match=message) as refused:
        decide(down, ContinuousFrames(**options))
    assert not re.search("\n", str(refused.value))


@pytest.mark.parametrize("update", ["replace", "add", "keep", "finish"])
@pytest.mark.parametrize("frames_per_unit", [7.3, 29.97, 119.999, 1 / 3 + 100])
def test_rounding_loses_no_frame(update: Any, frames_per_unit: float) -> None:
    action = ContinuousFrames(update=update, frames_per_unit=frames_per_unit, max_hold=10**6, min_frames=1)
    for length in range(1, int(frames_per_unit + 0.5) + 1):
        found = decide(presses(length, right=(0, length)), action)
        assert found.frames.tolist() == [length]
