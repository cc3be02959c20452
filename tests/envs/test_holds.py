"""Holds on the running game: what a step reports is what the emulator did, for every setting."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mario_envs.buttons import PLAYED, Button

UPDATES, SELECTS, BOUNDS = ("replace", "add", "keep", "finish"), ("all", "longest"), ("tanh", "sigmoid")
SETTINGS = [
    {"update": update, "select": select, "bounds": bounds}
    for update, select, bounds in product(UPDATES, SELECTS, BOUNDS)
]


@pytest.fixture(scope="module", params=SETTINGS, ids=lambda choice: "-".join(choice.values()))
def player(request: pytest.FixtureRequest, make_player: Callable[..., Any]) -> Any:
    """A player of ContinuousFrames with each choice of settings, with short units so that tests are quick."""
    options = request.param | {"frames_per_unit": 12.0, "min_frames": 3, "max_hold": 20}
    return make_player("1-1", action={"continuous-frames": options})


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=st.lists(st.lists(st.floats(-1, 1, width=32), min_size=6, max_size=6), min_size=1, max_size=8))
def test_frames_of_an_episode_are_the_emulators(player: Any, actions: list[list[float]]) -> None:
    player.reset()
    before = player.emulator.frames
    for action in actions:
        if player.terminated:
            break
        now = player.emulator.frames
        info = player.step(np.abs(action) if player.env.action_space.low[0] == 0 else np.array(action))
        assert info["frames"] == player.emulator.frames - now
        assert (info["holds"] >= 0).all()
        assert (info["holds"] <= 20).all()
        left, right, up, down = (info["holds"][column] > 0 for column in (2, 3, 0, 1))
        assert not (left and right)
        assert not (up and down)
        if not player.terminated:
            assert info["frames"] >= 3
    total = sum(info["frames"] for info in player.infos)
    assert total == player.emulator.frames - before == player.info["episode_frames"]


@pytest.fixture(scope="module")
def pressed(make_player: Callable[..., Any]) -> Callable[..., list[set[str]]]:
    """Return the names of the buttons that were down in each frame of some steps of ContinuousFrames."""
    names = dict(zip(PLAYED, ("up", "down", "left", "right", "A", "B"), strict=True))

    def play(actions: list[list[float]], **options: Any) -> list[set[str]]:
        player = make_player("1-1", action={"continuous-frames": {"frames_per_unit": 20.0} | options})
        player.reset()
        frames: list[Button] = []
        run = player.emulator.inner.run

        def listen(*arguments: Any, on_frame: Any, **rest: Any) -> Any:
            def hear(lane: int, buttons: Button) -> None:
                frames.append(buttons)
                on_frame(lane, buttons)

            return run(*arguments, on_frame=hear, **rest)

        player.emulator.inner.run = listen
        for action in actions:
            player.step(np.array(action, np.float32))
        player.env.close()
        return [{name for button, name in names.items() if button in buttons} for buttons in frames]

    return play


def test_each_button_is_held_for_its_time(pressed: Callable[..., list[set[str]]]) -> None:
    """Right for 20 frames, B for 10: the step ends with B, and with "keep" right goes on (A4)."""
    frames = pressed([[-1, -1, -1, 1, -1, 0.5], [0, 0, 0, 0, 0, 0]], update="keep")
    assert frames == [{"right", "B"}] * 10 + [{"right"}] * 10


def test_finish_lets_what_runs_run_out(pressed: Callable[..., list[set[str]]]) -> None:
    """Right for 20 frames, A for 10. Then A is pressed anew, and right's new value waits."""
    frames = pressed(
        [[-1, -1, -1, 1, 0.5, -1], [-1, -1, -1, -1, 0.25, -1]], update="finish", fresh_press=True
    )
    first = [set[str](), *[{"A"}] * 9]
    assert frames == [one | {"right"} for one in (*first, *first[:5])]


def test_replace_changes_ones_mind(pressed: Callable[..., list[set[str]]]) -> None:
    frames = pressed([[-1, -1, -1, 1, -1, 0.5], [-1, -1, 0.3, -1, -1, -1]])
    assert frames == [{"right", "B"}] * 10 + [{"left"}] * 6


def test_add_shortens_by_a_negative_value(pressed: Callable[..., list[set[str]]]) -> None:
    """A5: 10 frames of right remain; minus 4 are 6."""
    frames = pressed([[0, 0, 0, 1, 0, 0.5], [0, 0, 0, -0.2, 0, 0]], update="add")
    assert frames == [{"right", "B"}] * 10 + [{"right"}] * 6


def test_a_step_of_no_button_lasts_the_minimum(pressed: Callable[..., list[set[str]]]) -> None:
    assert pressed([[-1] * 6], min_frames=7) == [set()] * 7


def test_a_button_that_comes_up_within_the_minimum_is_up(pressed: Callable[..., list[set[str]]]) -> None:
    """A tap shorter than the shortest step is released in time."""
    assert pressed([[-1, -1, -1, -1, 0.1, -1]], min_frames=5) == [{"A"}] * 2 + [set()] * 3


def test_a_fresh_press_jumps_again(pressed: Callable[..., list[set[str]]]) -> None:
    held = [[-1, -1, -1, -1, 0.3, -1]] * 2
    assert pressed(held) == [{"A"}] * 12
    assert pressed(held, fresh_press=True) == ([set()] + [{"A"}] * 5) * 2


def test_a_fresh_press_does_not_cut_a_running_hold_in_two(pressed: Callable[..., list[set[str]]]) -> None:
    """A for 12 frames, B for 6 of them: A is planned anew while it runs, and does not come up."""
    first, then = [-1, -1, -1, -1, 0.6, 0.3], [-1, -1, -1, -1, 0.3, -1]
    frames = pressed([first, then], fresh_press=True)
    assert frames == [set[str]()] + [{"A", "B"}] * 5 + [{"A"}] * 6


def test_pressed_counts_the_frames_of_each_button(make_player: Callable[..., Any]) -> None:
    """Right for 20 frames, A for 6 with its first released: the step ends with A."""
    player = make_player("1-1", action={"continuous-frames": {"frames_per_unit": 20.0, "fresh_press": True}})
    player.reset()
    info = player.step(np.array([-1, -1, -1, 1, 0.3, -1], np.float32))
    assert info["frames"] == 6
    assert info["pressed"].tolist() == [0, 0, 0, 6, 5, 0]
    assert info["holds"].tolist() == [0, 0, 0, 14, 0, 0]


def test_a_held_jump_rises_higher_than_a_tap(make_player: Callable[..., Any]) -> None:
    """The game itself agrees that A was held."""
    tops = []
    for value in (0.1, 1.0):
        player = make_player("1-1", action={"continuous-frames": {"frames_per_unit": 20.0, "min_frames": 2}})
        player.reset()
        player.step(np.array([-1, -1, -1, -1, value, -1], np.float32))
        for _ in range(20):
            player.step(np.full(6, -1, np.float32))
        tops.append(min(info["y"] for info in player.infos))
        player.env.close()
    assert tops[1] < tops[0] - 20 < tops[0] < 176
