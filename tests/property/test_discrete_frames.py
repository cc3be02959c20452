"""Button sets: what each action presses, and for how long."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from mario_envs.actions.discrete_frames import DiscreteFrames
from mario_envs.buttons import DOWN, LEFT, RIGHT, UP, Button, ButtonPlan

NAMES = {"up": Button.UP, "down": Button.DOWN, "left": Button.LEFT, "right": Button.RIGHT, "A": Button.A,
         "B": Button.B}  # fmt: skip

# As in gym-super-mario-bros's actions.py.
RIGHT_ONLY = ["", "right", "right A", "right B", "right A B"]
SIMPLE = [*RIGHT_ONLY, "A", "left"]
COMPLEX = [*SIMPLE, "left A", "left B", "left A B", "down", "up"]


def buttons(words: str) -> Button:
    pressed = Button(0)
    for word in words.split():
        pressed |= NAMES[word]
    return pressed


def pressed_by(action: DiscreteFrames, choices: Any) -> tuple[ButtonPlan, list[Button]]:
    chosen = np.asarray(choices)
    plan = action.plan(chosen, np.full((len(chosen), 6), 9, np.int32))
    return plan, [plan.buttons_at(lane, 0) for lane in range(len(chosen))]


@pytest.mark.parametrize(
    ("name", "sets"), [("right-only", RIGHT_ONLY), ("simple", SIMPLE), ("complex", COMPLEX)]
)
def test_the_usual_sets_are_those_of_the_original_library(name: Any, sets: list[str]) -> None:
    action = DiscreteFrames(name)
    assert action.space == spaces.Discrete(len(sets))
    assert pressed_by(action, range(len(sets)))[1] == [buttons(words) for words in sets]


def test_all_is_every_combination_that_a_controller_can_press() -> None:
    action = DiscreteFrames("all")
    legal = {
        vertical | horizontal | jump | run
        for vertical, horizontal, jump, run in product(
            (Button(0), Button.UP, Button.DOWN),
            (Button(0), Button.LEFT, Button.RIGHT),
            (Button(0), Button.A),
            (Button(0), Button.B),
        )
    }
    pressed = pressed_by(action, range(36))[1]
    assert action.space == spaces.Discrete(36)
    assert set(pressed) == legal
    assert pressed[0] == Button(0)


@given(st.lists(st.lists(st.integers(0, 1), min_size=6, max_size=6), min_size=1, max_size=4))
def test_bits_press_their_buttons_but_no_opposites(bits: list[list[int]]) -> None:
    action = DiscreteFrames("multi-binary")
    assert action.space == spaces.MultiBinary(6)
    plan, pressed = pressed_by(action, bits)
    for row, down, holds in zip(bits, pressed, plan.holds, strict=True):
        expected = list(row)
        expected[LEFT] &= ~row[RIGHT]  # of two opposites right and up win
        expected[DOWN] &= ~row[UP]
        assert (holds > 0).tolist() == [bool(bit) for bit in expected]
        assert not (Button.LEFT in down and Button.RIGHT in down)


@given(
    st.sampled_from(["right-only", "simple", "complex", "all", "multi-binary"]),
    st.integers(1, 60),
    st.integers(0, 2**32 - 1),
)
def test_every_action_is_held_for_the_whole_step(name: Any, frames: int, seed: int) -> None:
    action = DiscreteFrames(name, frames=frames)
    action.space.seed(seed)
    choices = np.array([action.space.sample() for _ in range(4)])
    plan, pressed = pressed_by(action, choices)
    assert plan.frames.tolist() == [frames] * 4
    assert set(np.unique(plan.holds)) <= {0, frames}
    assert not plan.released.any()
    for lane in range(4):
        assert plan.buttons_at(lane, frames - 1) == pressed[lane]
        assert plan.buttons_at(lane, frames) == Button(0)
