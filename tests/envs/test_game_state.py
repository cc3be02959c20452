"""RAM as the test writes it, and the numbers that are read from it."""

from __future__ import annotations

import numpy as np
import pytest
from mario_envs.game import ram_map
from mario_envs.game.state import GameState, decode
from numpy.typing import NDArray


def ram_with(bytes_at: dict[int, list[int]], lanes: int = 1) -> NDArray[np.uint8]:
    """Return RAM of zeros but for these bytes, in every lane."""
    ram = np.zeros((lanes, 2048), np.uint8)
    for address, values in bytes_at.items():
        ram[:, address : address + len(values)] = values
    return ram


@pytest.mark.parametrize(
    ("digits", "points"),
    [
        ([0, 0, 0, 0, 0, 0], 0),
        ([0, 0, 0, 0, 4, 0], 400),
        ([0, 9, 9, 9, 9, 9], 999_990),
        ([1, 0, 0, 0, 0, 5], 1_000_050),  # the carry that gym-super-mario-bros loses
        ([9, 9, 9, 9, 9, 9], 9_999_990),
    ],
)
def test_score_has_its_millions_digit_and_a_last_zero(digits: list[int], points: int) -> None:
    assert decode(ram_with({0x07DD: digits})).score.tolist() == [points]


def test_counters_are_read_from_their_digits() -> None:
    state = decode(ram_with({0x07ED: [4, 2], 0x07F8: [3, 0, 7]}))
    assert (state.coins.item(), state.time.item()) == (42, 307)


@pytest.mark.parametrize(("stored", "lives"), [(2, 2), (0, 0), (255, -1)])
def test_lives_go_below_zero_when_the_game_is_over(stored: int, lives: int) -> None:
    assert decode(ram_with({0x075A: [stored]})).lives.tolist() == [lives]


def test_positions_join_page_and_pixel() -> None:
    state = decode(ram_with({0x006D: [12], 0x0086: [200], 0x071A: [11], 0x071C: [255]}))
    assert (state.x.item(), state.screen_x.item()) == (12 * 256 + 200, 11 * 256 + 255)


def test_a_maze_leads_back_to_below_the_first_page() -> None:
    state = decode(ram_with({0x006D: [255], 0x0086: [250], 0x071A: [255], 0x071C: [140]}))
    assert (state.x.item(), state.screen_x.item()) == (-6, -116)


@pytest.mark.parametrize(("page", "on_screen", "y"), [(1, 176, 176), (0, 240, -16), (2, 10, 266)])
def test_y_is_negative_above_the_screen_and_large_below(page: int, on_screen: int, y: int) -> None:
    assert decode(ram_with({0x00B5: [page], 0x03B8: [on_screen]})).y.tolist() == [y]


@pytest.mark.parametrize(("byte", "speed"), [(0x28, 40), (0xD8, -40), (0, 0)])
def test_speeds_are_signed(byte: int, speed: int) -> None:
    state = decode(ram_with({0x0057: [byte], 0x009F: [byte]}))
    assert (state.x_speed.item(), state.y_speed.item()) == (speed, speed)


@pytest.mark.parametrize(("stored", "power_up"), [(0, 0), (1, 1), (2, 2), (3, 2)])
def test_fire_is_the_highest_power_up(stored: int, power_up: int) -> None:
    assert decode(ram_with({0x0756: [stored]})).power_up.tolist() == [power_up]


def test_world_and_stage_count_from_one() -> None:
    state = decode(ram_with({0x075F: [7], 0x075C: [3]}))
    assert (state.world.item(), state.stage.item()) == (8, 4)


@pytest.mark.parametrize(
    ("bytes_at", "clear", "dead"),
    [
        ({0x000E: [8]}, False, False),
        ({0x000E: [4]}, True, False),  # slides down the flagpole
        ({0x000E: [5]}, True, False),  # walks to the castle
        ({0x0770: [2]}, True, False),  # the axe
        ({0x000E: [0x0B]}, False, True),  # hit
        ({0x000E: [6]}, False, True),
        ({0x000E: [8], 0x0712: [1]}, False, True),  # in a pit
        ({0x000E: [8], 0x00B5: [2]}, False, False),  # below the screen: out of a bonus room in the clouds
        ({0x000E: [6], 0x0770: [2]}, True, False),  # the clear's own end is no death
    ],
)
def test_clear_and_dead(bytes_at: dict[int, list[int]], clear: bool, dead: bool) -> None:
    state = decode(ram_with(bytes_at))
    assert (state.clear.item(), state.dead.item()) == (clear, dead)


def test_lanes_are_decoded_by_themselves() -> None:
    ram = np.random.default_rng(0).integers(256, size=(5, 2048), dtype=np.uint8)
    together = decode(ram)
    for lane in range(5):
        alone = decode(ram[lane : lane + 1])
        for name in vars(alone):
            assert getattr(alone, name) == getattr(together, name)[lane : lane + 1], name


def test_take_and_put_move_lanes() -> None:
    ram = np.zeros((3, 2048), np.uint8)
    ram[:, 0x0086] = 10, 20, 30
    state = decode(ram)
    assert state.take(np.array([2, 0])).x.tolist() == [30, 10]
    blank = GameState.blank(4)
    blank.put(np.array([3, 1]), state.take(np.array([0, 1])))
    assert blank.x.tolist() == [0, 20, 0, 10]


def test_the_table_of_addresses_has_no_two_names_for_a_byte() -> None:
    fields = {name: value for name, value in vars(ram_map).items() if isinstance(value, ram_map.Field)}
    # PLAYER x and the first enemy slots lie side by side, so an overlap is a slip of the pen.
    taken: dict[int, str] = {}
    for name, entry in fields.items():
        for address in range(entry.address, entry.address + entry.size):
            assert address not in taken, f"{name} and {taken[address]} share {address:#06x}"
            taken[address] = name
    assert max(taken) < 2048
