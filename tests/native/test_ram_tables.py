"""RAM read by tables in C++ gives what NumPy reads, and tables that make no sense are refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_envs.game import grid as grid_module
from mario_envs.game import ram_map
from mario_envs.game.ram_map import Field, Fields

native = pytest.importorskip("mario_envs._native", reason="the C++ extension was not built")

FIELDS = [value for value in vars(ram_map).values() if isinstance(value, Field)]
#: Every kind of thing that is drawn larger than one tile, and some that are not.
KINDS = [0x00, 0x06, 0x08, 0x1B, 0x1E, 0x1F, 0x24, 0x2A, 0x2B, 0x2C, 0x2D, 0x2E, 0x32, 0x33, 0xFF]


def some_ram(seed, lanes=8):
    """Return random bytes, with enemies of the kinds that are drawn and most things near the screen.

    The screen is anywhere from page -128 on, as bytes are.
    """
    random = np.random.default_rng(seed)
    ram = random.integers(0, 256, (lanes, 2048)).astype(np.uint8)
    ram[:, 0x0016:0x001C] = random.choice(KINDS, (lanes, 6))
    screen_page = ram[:, ram_map.SCREEN_X.page]
    for field in (ram_map.X, ram_map.ENEMY_X, ram_map.FIREBALL_X, ram_map.MISC_X):
        near = random.integers(0, 2, (lanes, field.size))
        ram[:, field.page : field.page + field.size] = screen_page[:, None] + near
    for field in (ram_map.Y, ram_map.ENEMY_Y):
        ram[:, field.page : field.page + field.size] = random.integers(0, 3, (lanes, field.size))
    return ram


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_values_are_those_of_numpy(seed):
    ram = some_ram(seed)
    compiled, plain = Fields(*FIELDS), Fields(*FIELDS)
    plain._native = None
    np.testing.assert_array_equal(compiled.read(ram), plain.read(ram))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=50, deadline=None)
def test_grids_are_those_of_numpy(seed):
    ram = some_ram(seed)
    compiled = grid_module.grid(ram)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grid_module, "_NATIVE", None)
        np.testing.assert_array_equal(compiled, grid_module.grid(ram))
    assert set(np.unique(compiled)) <= {0, 1}


def test_random_ram_fills_every_channel():
    """Or the comparison above would compare nothing."""
    assert grid_module.grid(some_ram(0, lanes=200)).any(axis=(0, 2, 3)).all()


@pytest.mark.parametrize(("encoding", "expected"), [("unsigned", 0xFE), ("signed", -2)])
def test_a_signed_byte_is_negative_from_128_on(encoding, expected):
    ram = np.zeros((1, 2048), np.uint8)
    ram[0, 7] = 0xFE
    assert Fields(Field(7, "a byte", encoding=encoding)).read(ram).item() == expected


TABLES = {
    "channels": 2, "rows": 2, "columns": 3, "cell": 16, "tiles": list(range(6)),
    "channel_of_tile": [0] * 256, "channel_of_kind": [1] * 256,
    "things": [(0, 1, 0, -1, 1, -1, 0, 2, -1, 0)],
}  # fmt: skip


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"rows": 0}, "a grid has no size of 0"),
        ({"tiles": [0] * 7}, r"tiles must be \[rounds, rows, columns\]"),
        ({"tiles": [2048] * 6}, "work RAM addresses are 0 to 2047"),
        ({"channel_of_tile": [0] * 255}, "a byte has 256 values"),
        ({"channel_of_kind": [2] * 256}, "a byte has 256 values, each with a channel or none"),
        ({"things": [(0, 1, 2, -1, 1, -1, 0, 2, -1, 0)]}, "a thing has a channel or none"),
        ({"things": [(0, 1, 0, -1, 1, 2048, 0, 2, -1, 0)]}, "work RAM addresses are 0 to 2047"),
        ({"things": [(0, 1, 0, -1, -1, -1, 0, 2, -1, 0)]}, "work RAM addresses are 0 to 2047"),
    ],
)
def test_tables_that_make_no_sense_are_refused(wrong, message):
    native.RamCells(**TABLES)
    with pytest.raises(ValueError, match=message):
        native.RamCells(**{**TABLES, **wrong})


def test_addresses_outside_work_ram_are_refused():
    with pytest.raises(ValueError, match="work RAM addresses are 0 to 2047"):
        native.RamValues([(False, [(2048, 1)])])


@pytest.mark.parametrize(("left", "shape"), [([0, 0], (1, 2, 2, 3)), ([0], (1, 2, 3, 3))])
def test_what_does_not_fit_the_grid_is_refused(left, shape):
    cells, ram = native.RamCells(**TABLES), np.zeros((1, 2048), np.uint8)
    with pytest.raises(ValueError, match=r"left needs one|out must be"):
        cells.draw(ram, np.array(left), np.zeros(shape, np.int8))
