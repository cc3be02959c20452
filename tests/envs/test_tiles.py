"""The tiles observation against what the picture and the game's own numbers show."""

import gymnasium
import mario_envs  # noqa: F401
import numpy as np
import pytest
from mario_envs.game.grid import (
    ABOVE,
    BEHIND,
    CHANNELS,
    ENEMIES,
    FIRE_BARS,
    ITEMS,
    LEVEL,
    MARIO,
    PLATFORMS,
    grid,
    grid_around_mario,
)
from mario_envs.observations.tiles import Tiles

RIGHT_AND_RUN, RIGHT_JUMP_AND_RUN = 3, 4


def make(stage, **settings):
    return gymnasium.make(f"MarioScore-{stage}-DiscreteFrames-v0", observation="tiles", **settings)


def fly(env, info, steps):
    """Walk a stage invincibly: the star's timer is kept up and Mario is lifted when he sinks."""
    emulator = env.unwrapped._lanes.emulator
    for step in range(steps):
        emulator.poke(0, 0x079F, 0x20)
        if info["y"] > 170:
            emulator.poke(0, 0x00B5, 1)
            emulator.poke(0, 0x00CE, 60)
        action = RIGHT_JUMP_AND_RUN if (step // 6) % 3 else RIGHT_AND_RUN
        observation, _, _, _, info = env.step(action)
        yield observation["tiles"].reshape(-1, len(CHANNELS), 13, 16), observation["vector"], info


def test_the_start_of_1_1_is_two_rows_of_ground_and_mario_on_them():
    env = make("1-1")
    observation, _ = env.reset(seed=0)
    now = observation["tiles"].reshape(4, len(CHANNELS), 13, 16)
    assert (now == now[-1]).all(), "a reset fills every kept step with the first"
    expected = np.zeros((13, 16))
    expected[11:] = 1
    np.testing.assert_array_equal(now[-1, LEVEL], expected)
    assert np.argwhere(now[-1, MARIO]).tolist() == [
        [10, 3]
    ]  # x 40 px: his middle, 48, begins the fourth tile
    assert not now[-1, [ITEMS, ENEMIES, PLATFORMS, FIRE_BARS]].any()
    env.close()


def test_the_first_goomba_comes_from_the_right_on_the_ground():
    env = make("1-1")
    env.reset(seed=0)
    columns = []
    for _ in range(25):
        observation, *_ = env.step(RIGHT_AND_RUN)
        enemies = np.argwhere(observation["tiles"].reshape(4, -1, 13, 16)[-1, ENEMIES])
        if len(enemies):
            assert (enemies[:, 0] == 10).all(), "it stands where Mario stands"
            columns.append(int(enemies[0, 1]))
    assert columns[0] >= 14
    assert columns == sorted(columns, reverse=True)
    env.close()


def test_tiles_lie_where_the_picture_shows_them():
    """Every level tile of the grid covers picture that is not the plain sky of the stage."""
    env = make("1-1", render_mode="rgb_array")
    _, start = env.reset(seed=0)
    for tiles, _, info in fly(env, start, 60):
        if info["x"] < 300:
            continue
        picture = env.render()
        sky = picture[40, 0]
        left = info["screen_x"] % 16
        for row, column in np.argwhere(tiles[-1, LEVEL]):
            x = column * 16 - left
            if 0 <= x <= 240:
                block = picture[32 + row * 16 : 48 + row * 16, x : x + 16]
                assert (block != sky).any(axis=-1).mean() > 0.25, (row, column)
    env.close()


@pytest.mark.parametrize(
    ("stage", "channel", "steps"), [("1-3", PLATFORMS, 90), ("1-4", FIRE_BARS, 120), ("1-3", ITEMS, 90)]
)
def test_things_of_other_stages_appear(stage, channel, steps):
    env = make(stage)
    _, info = env.reset(seed=0)
    assert any(tiles[-1, channel].any() for tiles, _, _ in fly(env, info, steps))
    env.close()


@pytest.mark.parametrize("x", [-6, 4])
def test_mario_is_seen_where_a_maze_leads_back_beyond_its_beginning(x):
    """The screen's left edge is 112 px behind him then, below 0, whichever side of 0 he is on."""
    ram = np.zeros((1, 2048), np.uint8)
    left = x - 112
    ram[0, [0x006D, 0x0086, 0x071A, 0x071C]] = [x >> 8 & 255, x & 255, left >> 8 & 255, left & 255]
    ram[0, [0x00B5, 0x03B8]] = [1, 176]
    seen = np.argwhere(grid(ram)[0, MARIO]).tolist()
    assert seen == [[10, (x + 8) // 16 - left // 16]]


@pytest.mark.parametrize("stage", ["1-1", "1-3", "2-2", "4-4"])
def test_around_mario_is_the_same_grid_with_his_feet_in_one_place(stage):
    """Every 1 of the screen's grid lies as far from his feet as before, or beyond the edge."""
    env = make(stage)
    _, start = env.reset(seed=0)
    places = set()
    for tiles, _, _ in fly(env, start, 80):
        screen = tiles[-1]
        around = grid_around_mario(env.unwrapped._lanes.emulator.ram(np.array([0])))[0]
        mario = np.argwhere(screen[MARIO])
        if not len(mario):  # above the screen
            continue
        feet = mario[mario[:, 0].argmax()]
        places.add(tuple(feet.tolist()))
        expected = np.zeros_like(around)
        for channel, row, column in np.argwhere(screen):
            place = (row - feet[0] + ABOVE, column - feet[1] + BEHIND)
            if 0 <= place[0] < around.shape[1] and 0 <= place[1] < around.shape[2]:
                expected[(channel, *place)] = 1
        np.testing.assert_array_equal(around, expected)
    assert len(places) > 5, "he was in many places of the screen"
    env.close()


@pytest.mark.parametrize(("page", "y"), [(0, 200), (0, 0), (1, 250), (2, 40), (5, 0)])
def test_around_mario_goes_with_him_beyond_the_screen(page, y):
    """Above it the ground sinks away below him, under it everything is above him, far from it is nothing."""
    env = make("1-1")
    env.reset(seed=0)
    ram = env.unwrapped._lanes.emulator.ram(np.array([0])).copy()
    ram[0, [0x00B5, 0x03B8]] = page, y
    around = grid_around_mario(ram)[0]
    row = (256 * page + y - 256 - 32 + 24) // 16
    ground = {at - row + ABOVE for at in (11, 12)} & set(range(around.shape[1]))
    assert set(np.argwhere(around[LEVEL])[:, 0].tolist()) == ground
    assert around.sum() == around[LEVEL].sum() + around[MARIO].sum()
    env.close()


def test_an_environment_shows_tiles_around_mario():
    choice = {"tiles": {"count": 2, "around_mario": True}}
    env = gymnasium.make("MarioScore-1-1-DiscreteFrames-v0", observation=choice)
    env.reset(seed=0)
    for _ in range(30):
        observation, *_ = env.step(RIGHT_JUMP_AND_RUN)
        assert env.observation_space.contains(observation)
        kept = observation["tiles"].reshape(2, len(CHANNELS), 21, 17)
        assert np.argwhere(kept[-1, MARIO]).tolist() == [[ABOVE, BEHIND]]
    env.close()


def test_around_mario_is_yes_or_no():
    with pytest.raises(ValueError, match="around_mario must be True or False, not 'screen'"):
        Tiles(around_mario="screen")


def test_the_last_steps_are_kept_in_order():
    env = make("1-1")
    env.reset(seed=0)
    seen = []
    for _ in range(6):
        observation, *_ = env.step(RIGHT_AND_RUN)
        seen.append(observation["tiles"].reshape(4, -1, 13, 16))
    for age in range(4):
        np.testing.assert_array_equal(seen[-1][3 - age], seen[-1 - age][3])
    env.close()


def test_the_vector_holds_what_is_still_planned():
    env = gymnasium.make(
        "MarioScore-1-1-ContinuousFrames-v0",
        observation="tiles",
        action={"continuous-frames": {"update": "add", "frames_per_unit": 60}},
    )
    env.reset(seed=0)
    observation, _, _, _, info = env.step([0, 0, 0, 1, 0.25, 0])
    assert info["frames"] == 15
    assert info["holds"].tolist() == [0, 0, 0, 45, 0, 0]
    np.testing.assert_allclose(observation["vector"][-6:], [0, 0, 0, 0.75, 0, 0])
    assert observation["vector"][0] > 0, "Mario runs to the right"
    env.close()
