"""What every emulator promises to the environments; see mario_envs.emulators.protocol."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from mario_envs.buttons import LEFT, RIGHT, A, B, Button, ButtonPlan
from mario_envs.emulators.picture import gray_area
from mario_envs.emulators.protocol import Emulator, EmulatorError, StopCondition
from mario_envs.game.roms import load_rom
from mario_envs.plugins.manager import choose, plugins
from mario_envs.testing import check_emulator
from numpy.typing import NDArray

BOTH, FIRST = np.arange(2), np.array([0])
FRAME_COUNTER, PAUSED, SPARE = 0x0009, 0x0776, 0x07FF


def plan(frames: list[int], *holds: dict[int, int], released: dict[int, int] | None = None) -> ButtonPlan:
    """Return a plan: frames per lane, and the hold of some buttons per lane."""
    rows = np.zeros((len(frames), 6), np.int32)
    up = np.zeros_like(rows)
    for row, buttons in enumerate(holds):
        for button, hold in buttons.items():
            rows[row, button] = hold
    for button, first in (released or {}).items():
        up[:, button] = first
    return ButtonPlan(rows, np.array(frames, np.int32), up)


def gray(pictures: int, lanes: int = 1) -> NDArray[np.uint8]:
    return np.zeros((lanes, pictures, 84, 84), np.uint8)


def test_the_reference_is_among_them() -> None:
    assert "builtin/nes-py" in [p.key for p in plugins() if p.kind == "emulator" and p.factory]


def test_passes_the_check_for_plugin_authors(emulator_key: str) -> None:
    emulator = choose("emulator", emulator_key, load_rom(), 1).value
    check_emulator(emulator, frames=20)
    emulator.close()


def test_has_the_lanes_that_were_asked_for(emulator: Emulator) -> None:
    assert isinstance(emulator, Emulator)
    assert emulator.num_lanes == 2
    ram = emulator.ram(BOTH)
    assert (ram.shape, ram.dtype) == ((2, 2048), np.uint8)
    assert emulator.screen(1).shape == (240, 256, 3)


def test_a_plan_is_its_buttons_frame_by_frame(started: Any, emulator: Emulator) -> None:
    steps = plan([24], {RIGHT: 24, B: 10, A: 18}, released={A: 3, B: 1})
    ran = emulator.run(FIRST, steps)
    assert (ran.tolist(), ran.dtype) == ([24], np.int32)
    planned = emulator.ram(FIRST)
    emulator.restore(0, started[1][0])
    for frame in range(24):
        emulator.press(0, steps.buttons_at(0, frame))
    assert np.array_equal(emulator.ram(FIRST), planned)


def test_buttons_reach_the_game(emulator: Emulator) -> None:
    emulator.run(BOTH, plan([30, 30], {RIGHT: 30}, {LEFT: 30}))
    x_speed = emulator.ram(BOTH)[:, 0x0057].view(np.int8)
    assert x_speed[0] > 0
    assert x_speed[1] <= 0
    # The game takes no second Start within 43 frames, and one began the stage.
    emulator.run(BOTH, plan([50, 50]))
    emulator.press(0, Button.START, 3)
    assert (emulator.ram(BOTH)[:, PAUSED] & 1).tolist() == [1, 0]


def test_lanes_run_as_long_as_each_is_told_and_by_themselves(started: Any, emulator: Emulator) -> None:
    ran = emulator.run(BOTH, plan([7, 19], {RIGHT: 7}, {LEFT: 9, A: 19}))
    assert ran.tolist() == [7, 19]
    together = emulator.ram(BOTH)
    for lane in BOTH:
        emulator.restore(int(lane), started[1][lane])
    emulator.run(np.array([1]), plan([19], {LEFT: 9, A: 19}))
    emulator.run(np.array([0]), plan([7], {RIGHT: 7}))
    assert np.array_equal(emulator.ram(BOTH), together)


def test_rows_belong_to_the_lanes_as_named(started: Any, emulator: Emulator) -> None:
    emulator.run(BOTH, plan([5, 9], {RIGHT: 5}, {A: 9}))
    in_order = emulator.ram(BOTH)
    for lane in BOTH:
        emulator.restore(int(lane), started[1][lane])
    assert emulator.run(BOTH[::-1], plan([9, 5], {A: 9}, {RIGHT: 5})).tolist() == [9, 5]
    assert np.array_equal(emulator.ram(BOTH[::-1]), in_order[::-1])


def test_a_stop_ends_the_run_after_its_frame(emulator: Emulator) -> None:
    now = int(emulator.ram(FIRST)[0, FRAME_COUNTER])
    target = (now + 10) % 256
    stop = (StopCondition(SPARE, 7, 9), StopCondition(FRAME_COUNTER, target, target))
    ran = emulator.run(FIRST, plan([60], {RIGHT: 60}), stop=stop)
    # nes-py's frames are not quite the game's.
    assert 9 <= ran[0] <= 11
    assert emulator.ram(FIRST)[0, FRAME_COUNTER] == target


def test_a_stop_that_holds_already_still_takes_a_frame(emulator: Emulator) -> None:
    emulator.poke(0, SPARE, 8)
    assert emulator.run(FIRST, plan([60]), stop=(StopCondition(SPARE, 7, 9),)).tolist() == [1]


@pytest.mark.parametrize("value", [6, 10])
def test_a_stop_is_from_low_to_high(emulator: Emulator, value: int) -> None:
    emulator.poke(0, SPARE, value)
    assert emulator.run(FIRST, plan([5]), stop=(StopCondition(SPARE, 7, 9),)).tolist() == [5]


def test_one_lanes_stop_is_not_the_others(emulator: Emulator) -> None:
    emulator.poke(0, SPARE, 8)
    ran = emulator.run(BOTH, plan([12, 12]), stop=(StopCondition(SPARE, 8, 8),))
    assert ran.tolist() == [1, 12]


def test_pictures_are_the_kept_frames_in_gray_by_area(emulator: Emulator) -> None:
    screens: list[NDArray[np.uint8]] = []
    keep = np.array([[0, 2, 2, 11]], np.int32)
    pictures = gray(4)
    emulator.run(
        FIRST,
        plan([12], {RIGHT: 12, A: 12}),
        keep=keep,
        pictures=pictures,
        on_frame=lambda lane, buttons: screens.append(emulator.screen(lane)),
    )
    assert len(screens) == 12
    for picture, frame in zip(pictures[0], keep[0], strict=True):
        # Rounding may differ by a level, the way of averaging may not.
        difference = np.abs(picture.astype(int) - gray_area(screens[frame], 84, 84))
        assert difference.max() <= 1
    assert not np.array_equal(pictures[0, 0], pictures[0, 3])


@pytest.mark.parametrize("size", [(240, 256), (1, 1), (30, 32), (83, 97)])
def test_pictures_of_any_size(emulator: Emulator, size: tuple[int, int]) -> None:
    pictures = np.zeros((1, 1, *size), np.uint8)
    emulator.run(FIRST, plan([3]), keep=np.array([[2]], np.int32), pictures=pictures)
    difference = np.abs(pictures[0, 0].astype(int) - gray_area(emulator.screen(0), *size))
    assert difference.max() <= 1


def test_frames_that_a_stop_prevented_are_the_last_that_ran(emulator: Emulator) -> None:
    now = int(emulator.ram(FIRST)[0, FRAME_COUNTER])
    target = (now + 6) % 256
    pictures = gray(4)
    ran = emulator.run(
        FIRST,
        plan([60], {RIGHT: 60}),
        stop=(StopCondition(FRAME_COUNTER, target, target),),
        keep=np.array([[0, 1, 30, 59]], np.int32),
        pictures=pictures,
    )
    assert ran[0] < 30
    assert np.array_equal(pictures[0, 2], pictures[0, 3])
    last = gray_area(emulator.screen(0), 84, 84)
    assert np.abs(pictures[0, 2].astype(int) - last).max() <= 1


def test_a_listener_hears_every_frame_and_changes_nothing(started: Any, emulator: Emulator) -> None:
    steps = plan([9, 14], {RIGHT: 4}, {A: 14, RIGHT: 14}, released={A: 1})
    keep = np.array([[0, 8], [5, 13]], np.int32)
    silent = gray(2, 2)
    emulator.run(BOTH, steps, keep=keep, pictures=silent)
    ram = emulator.ram(BOTH)
    for lane in BOTH:
        emulator.restore(int(lane), started[1][lane])
    heard: list[tuple[int, Button]] = []
    pictures = gray(2, 2)
    emulator.run(
        BOTH, steps, keep=keep, pictures=pictures, on_frame=lambda lane, down: heard.append((lane, down))
    )
    for lane, frames in ((0, 9), (1, 14)):
        expected = [(lane, steps.buttons_at(lane, frame)) for frame in range(frames)]
        assert [entry for entry in heard if entry[0] == lane] == expected
    assert np.array_equal(pictures, silent)
    assert np.array_equal(emulator.ram(BOTH), ram)


def test_what_is_returned_is_the_callers(emulator: Emulator) -> None:
    ram, screen = emulator.ram(FIRST), emulator.screen(0)
    ram[:], screen[:] = 0, 0
    assert emulator.ram(FIRST).any()
    assert emulator.screen(0).any()
    kept = emulator.ram(FIRST)
    copy = kept.copy()
    emulator.run(FIRST, plan([5], {RIGHT: 5}))
    assert np.array_equal(kept, copy)


def test_a_poke_is_one_byte(emulator: Emulator) -> None:
    before = emulator.ram(BOTH)
    emulator.poke(1, SPARE, 0xA5)
    changed = emulator.ram(BOTH)
    assert changed[1, SPARE] == 0xA5
    before[1, SPARE] = 0xA5
    assert np.array_equal(changed, before)


def test_restore_goes_back_in_the_middle_and_the_rest_is_the_same(fresh: Emulator) -> None:
    fresh.run(FIRST, plan([13], {RIGHT: 13, A: 5}))
    keep = np.array([[0, 39]], np.int32)
    state = fresh.save(0)
    assert isinstance(state, bytes)
    brought = []
    for _ in range(2):
        fresh.restore(0, state)
        pictures = gray(2)
        fresh.run(FIRST, plan([40], {RIGHT: 40, B: 40, A: 20}), keep=keep, pictures=pictures)
        brought.append((fresh.ram(FIRST), pictures, fresh.screen(0)))
    for one, other in zip(*brought, strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("damage", ["empty", "cut", "foreign"])
def test_a_damaged_state_is_refused_and_nothing_changes(fresh: Emulator, damage: str) -> None:
    state = fresh.save(0)
    bad = {"empty": b"", "cut": state[: len(state) // 2], "foreign": b"PNG" + state[3:]}[damage]
    before = fresh.ram(FIRST)
    with pytest.raises(EmulatorError) as caught:
        fresh.restore(0, bad)
    assert "\n" not in str(caught.value)
    assert np.array_equal(fresh.ram(FIRST), before)


def test_power_on_forgets_everything(emulator_key: str) -> None:
    used, new = (choose("emulator", emulator_key, load_rom(), 1).value for _ in range(2))
    used.press(0, Button.START, 30)
    for address in range(2048):
        used.poke(0, address, 0xEE)
    used.power_on(0)
    new.power_on(0)
    for emulator in (used, new):
        emulator.press(0, Button(0), 40)
    assert np.array_equal(used.ram(FIRST), new.ram(FIRST))
    assert np.array_equal(used.screen(0), new.screen(0))
    used.close()
    new.close()
