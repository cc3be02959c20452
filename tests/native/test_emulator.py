"""NativeEmulator keeps the protocol's promises: plans, stops, kept pictures, lanes, threads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_envs.buttons import PLAYED, Button, ButtonPlan
from mario_envs.emulators.native import NativeEmulator
from mario_envs.emulators.protocol import Emulator, EmulatorError, StopCondition
from mario_envs.game.roms import Rom, load_rom
from mario_envs.testing import check_emulator
from numpy.typing import NDArray

ONE = np.zeros(1, np.intp)
FRAME_COUNTER = 0x0009  # the game adds 1 in every frame
JOYPAD = 0x06FC  # the buttons that the game read, A in bit 7 down to right in bit 0
MakeEmulator = Callable[..., NativeEmulator]


def into_level(emulator: NativeEmulator) -> None:
    """Begin 1-1 in lane 0 and copy it to every other lane."""
    for frame in range(40):
        emulator.press(0, Button.START if frame % 2 else Button(0))
    while not emulator.ram(ONE)[0, 0x07F8:0x07FB].any():
        emulator.press(0, Button(0))
    emulator.press(0, Button(0), 30)
    for lane in range(1, emulator.num_lanes):
        emulator.restore(lane, emulator.save(0))


def random_plan(rng: np.random.Generator, lanes: int, longest: int = 20) -> ButtonPlan:
    return ButtonPlan(
        holds=rng.integers(0, longest, (lanes, 6), np.int32),
        frames=rng.integers(1, longest, lanes, np.int32),
        released=rng.integers(0, 3, (lanes, 6), np.int32),
    )


def rising_frames(rng: np.random.Generator, plan: ButtonPlan, kept: int = 4) -> NDArray[np.int32]:
    return np.sort(rng.integers(0, plan.frames[:, None], (len(plan.frames), kept), np.int32), axis=1)


def pictures_for(keep: NDArray[np.int32], height: int = 84, width: int = 84) -> NDArray[np.uint8]:
    return np.full((*keep.shape, height, width), 0xCD, np.uint8)


def test_it_is_an_emulator(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    assert isinstance(emulator, Emulator)
    check_emulator(emulator)


def test_power_on_is_as_if_it_had_never_run(make_emulator: MakeEmulator) -> None:
    used, fresh = make_emulator(), make_emulator()
    used.press(0, Button.START, 100)
    used.power_on(0)
    assert not used.screen(0).any()
    assert used.save(0) == fresh.save(0)


@pytest.mark.parametrize("button", list(Button))
def test_every_button_reaches_the_game(button: Button, make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    into_level(emulator)
    emulator.press(0, button)
    assert emulator.ram(ONE)[0, JOYPAD] == int(f"{button:08b}"[::-1], 2)


@pytest.mark.parametrize("column", range(6))
def test_a_button_is_down_from_released_to_hold(column: int, make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    into_level(emulator)
    bit = int(f"{PLAYED[column]:08b}"[::-1], 2)
    plan = ButtonPlan.steady(Button(0), 8)
    plan.released[0, column], plan.holds[0, column] = 2, 5
    state, down = emulator.save(0), []
    for frames in range(1, 9):
        emulator.restore(0, state)
        assert (
            emulator.run(ONE, ButtonPlan(plan.holds, np.array([frames], np.int32), plan.released)) == frames
        )
        down.append(bool(emulator.ram(ONE)[0, JOYPAD] & bit))
    # The game reads the controller in the NMI that begins the frame.
    assert down == [False, False, True, True, True, False, False, False]


def test_each_lane_runs_its_own_frames(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(3)
    into_level(emulator)
    before = emulator.ram(np.arange(3))[:, FRAME_COUNTER].astype(int)
    plan = ButtonPlan.steady(Button.RIGHT, 1, lanes=2)
    plan.frames[:] = (7, 3)
    assert emulator.run(np.array([2, 0]), plan).tolist() == [7, 3]
    after = emulator.ram(np.arange(3))[:, FRAME_COUNTER].astype(int)
    assert ((after - before) % 256).tolist() == [3, 0, 7]


def test_a_stop_ends_the_run_after_the_first_frame_that_meets_it(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    into_level(emulator)
    now = int(emulator.ram(ONE)[0, FRAME_COUNTER])
    never = StopCondition(0x0000, 0x100, 0x1FF)
    soon = StopCondition(FRAME_COUNTER, (now + 5) % 256, (now + 6) % 256)
    assert emulator.run(ONE, ButtonPlan.steady(Button(0), 50), stop=(never, soon)).tolist() == [5]
    assert emulator.ram(ONE)[0, FRAME_COUNTER] == (now + 5) % 256


def test_frames_that_a_stop_prevented_show_the_last_that_ran(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    into_level(emulator)
    now = int(emulator.ram(ONE)[0, FRAME_COUNTER])
    state = emulator.save(0)
    stop = (StopCondition(FRAME_COUNTER, (now + 5) % 256, (now + 5) % 256),)
    keep = np.array([[2, 8, 40, 40]], np.int32)
    pictures = pictures_for(keep)
    emulator.run(ONE, ButtonPlan.steady(Button.RIGHT, 50), stop=stop, keep=keep, pictures=pictures)

    emulator.restore(0, state)
    expected = pictures_for(np.array([[2, 4]], np.int32))
    frames = np.array([[2, 4]], np.int32)
    emulator.run(ONE, ButtonPlan.steady(Button.RIGHT, 5), keep=frames, pictures=expected)
    assert np.array_equal(pictures[0], expected[0, [0, 1, 1, 1]])


def test_keeping_pictures_changes_nothing_else(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(2)
    into_level(emulator)
    rng = np.random.default_rng(0)
    for _ in range(20):
        plan = random_plan(rng, 1)
        keep = rising_frames(rng, plan)
        emulator.run(np.array([0]), plan, keep=keep, pictures=pictures_for(keep))
        emulator.run(np.array([1]), plan)
    assert emulator.save(0) == emulator.save(1)


def test_the_screen_is_the_last_frame_even_if_it_was_not_kept(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    into_level(emulator)
    emulator.run(ONE, ButtonPlan.steady(Button.RIGHT, 9))
    state, screen = emulator.save(0), emulator.screen(0)
    assert emulator.save(0) == state, "looking at the screen changed the console"
    emulator.poke(0, 0x0010, 1)
    assert np.array_equal(emulator.screen(0), screen), "a poke changed a picture already shown"
    emulator.press(0, Button.RIGHT)
    emulator.restore(0, state)
    assert np.array_equal(emulator.screen(0), screen)


def played(emulator: NativeEmulator, run: Callable[..., NDArray[np.int32]]) -> list[NDArray[np.generic]]:
    into_level(emulator)
    rng = np.random.default_rng(7)
    lanes = np.arange(emulator.num_lanes)
    stop = (StopCondition(FRAME_COUNTER, 0x40, 0x43),)
    results: list[NDArray[np.generic]] = []
    for _ in range(15):
        plan = random_plan(rng, len(lanes))
        keep = rising_frames(rng, plan)
        pictures = pictures_for(keep)
        results += [run(lanes, plan, stop=stop, keep=keep, pictures=pictures), pictures, emulator.ram(lanes)]
    return results


def same(left: list[NDArray[np.generic]], right: list[NDArray[np.generic]]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(left, right, strict=True))


def test_results_do_not_depend_on_threads_listening_or_sending(make_emulator: MakeEmulator) -> None:
    one = make_emulator(6, num_threads=1)
    expected = played(one, one.run)
    for threads in (2, 4):
        more = make_emulator(6, num_threads=threads)
        assert more.num_threads == threads
        assert same(played(more, more.run), expected)

    heard: list[tuple[int, Button]] = []
    listening = make_emulator(6)
    listened = played(
        listening, lambda *args, **kw: listening.run(*args, on_frame=lambda *frame: heard.append(frame), **kw)
    )
    assert same(listened, expected)
    assert len(heard) == sum(int(ran.sum()) for ran in listened[::3])

    sending = make_emulator(6, num_threads=2)

    def send_and_receive(lanes: NDArray[np.intp], plan: ButtonPlan, **kw: object) -> NDArray[np.int32]:
        sending.send(lanes, plan, **kw)  # type: ignore[arg-type]
        ran = np.zeros(len(lanes), np.int32)
        left = len(lanes)
        while left:
            done, frames = sending.recv(min_lanes=2)
            assert len(done) >= min(2, left)
            ran[done] = frames
            left -= len(done)
        return ran

    assert same(played(sending, send_and_receive), expected)


def test_lanes_order_does_not_matter(make_emulator: MakeEmulator) -> None:
    forward, backward = make_emulator(4), make_emulator(4)
    plan = random_plan(np.random.default_rng(3), 4)
    forward.run(np.arange(4), plan)
    turned = ButtonPlan(plan.holds[::-1], plan.frames[::-1], plan.released[::-1])
    backward.run(np.arange(4)[::-1], turned)
    assert np.array_equal(forward.ram(np.arange(4)), backward.ram(np.arange(4)))


def test_a_lane_in_flight_is_refused_until_it_is_received(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator(2, num_threads=2)
    emulator.send(np.array([1]), ButtonPlan.steady(Button(0), 30))
    with pytest.raises(EmulatorError, match="lane 1 is still running"):
        emulator.run(np.arange(2), ButtonPlan.steady(Button(0), 1, lanes=2))
    emulator.run(np.array([0]), ButtonPlan.steady(Button(0), 1))
    lanes, ran = emulator.recv()
    assert (lanes.tolist(), ran.tolist()) == ([1], [30])
    assert emulator.recv(min_lanes=5)[0].size == 0
    emulator.press(1, Button(0))


def test_closing_with_lanes_in_flight_waits_for_them(rom: Rom) -> None:
    emulator = NativeEmulator(rom, 4, num_threads=2)
    keep = np.zeros((4, 1), np.int32)
    emulator.send(
        np.arange(4), ButtonPlan.steady(Button(0), 200, lanes=4), keep=keep, pictures=pictures_for(keep)
    )
    emulator.close()
    with pytest.raises(EmulatorError, match="closed"):
        emulator.ram(ONE)


@given(height=st.integers(1, 240), width=st.integers(1, 256))
@settings(max_examples=60, deadline=None)
def test_pictures_are_area_averages_of_the_gray_screen(height: int, width: int) -> None:
    emulator = _shown()
    full = np.empty((240, 256), np.uint8)
    emulator._batch.gray(0, full)
    small = np.empty((height, width), np.uint8)
    emulator._batch.gray(0, small)

    def weights(outputs: int, sources: int) -> NDArray[np.int64]:
        begin = np.arange(outputs)[:, None] * sources
        pixel = np.arange(sources) * outputs
        return np.clip(np.minimum(begin + sources, pixel + outputs) - np.maximum(begin, pixel), 0, None)

    total = weights(height, 240) @ full.astype(np.int64) @ weights(width, 256).T
    assert np.array_equal(small, (total + 240 * 256 // 2) // (240 * 256))


def test_gray_is_the_luma_of_the_screen(make_emulator: MakeEmulator) -> None:
    emulator = make_emulator()
    into_level(emulator)
    keep = np.array([[4]], np.int32)
    pictures = pictures_for(keep, 240, 256)
    emulator.run(ONE, ButtonPlan.steady(Button.RIGHT, 5), keep=keep, pictures=pictures)
    luma = emulator.screen(0) @ np.array([299, 587, 114])
    assert np.array_equal(pictures[0, 0], (luma + 500) // 1000)
    assert len(np.unique(pictures)) >= 5


_shown_emulator: list[NativeEmulator] = []


def _shown() -> NativeEmulator:
    """Return an emulator with a level on its screen, made once: hypothesis asks for it many times."""
    if not _shown_emulator:
        _shown_emulator.append(NativeEmulator(load_rom()))
        into_level(_shown_emulator[0])
    return _shown_emulator[0]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda e: e.run(np.array([5]), ButtonPlan.steady(Button(0), 1)), "there is no lane 5"),
        (lambda e: e.run(np.zeros(2, int), ButtonPlan.steady(Button(0), 1, lanes=2)), "lane 0"),
        (lambda e: e.run(ONE, ButtonPlan.steady(Button(0), 0)), "at least 1 frame"),
        (lambda e: e.run(ONE, ButtonPlan.steady(Button(0), 1), keep=np.zeros((1, 1), np.int32)), "together"),
        (
            lambda e: e.run(
                ONE,
                ButtonPlan.steady(Button(0), 1),
                keep=np.zeros((1, 1), np.int32),
                pictures=np.zeros((1, 1, 300, 84), np.uint8),
            ),
            "at most 240 high",
        ),
        (
            lambda e: e.run(
                ONE,
                ButtonPlan.steady(Button(0), 1),
                keep=np.zeros((1, 1), np.int32),
                pictures=np.zeros((1, 1, 84, 168), np.uint8)[..., ::2],
            ),
            "C-contiguous",
        ),
        (
            lambda e: e.run(ONE, ButtonPlan.steady(Button(0), 1), stop=(StopCondition(0x800, 0, 0),)),
            "not in work RAM",
        ),
        (lambda e: e.poke(0, 0x0800, 0), "0 to 2047"),
        (lambda e: e.poke(0, 0, 256), "0 to 255"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    wrong: Callable[[NativeEmulator], object], message: str, make_emulator: MakeEmulator
) -> None:
    emulator = make_emulator()
    state = emulator.save(0)
    with pytest.raises(EmulatorError, match=message) as caught:
        wrong(emulator)
    assert "\n" not in str(caught.value)
    assert emulator.save(0) == state
