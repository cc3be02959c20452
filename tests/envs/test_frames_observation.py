"""What the pictures of a step show, seen through the environment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from mario_envs.emulators.picture import gray_area

ENV_ID = "MarioScore-1-1-ContinuousFrames-v0"
RUN = np.array([-1, -1, -1, 1, -1, 1], np.float32)


@pytest.fixture
def filmed(request: pytest.FixtureRequest) -> Any:
    """An environment that keeps every emulated picture."""
    env = gymnasium.make(ENV_ID, render_mode="rgb_array_list")
    yield env
    env.close()


def shown(observation: Any, film: list[Any]) -> list[list[int]]:
    """Return for each picture of an observation the frames of the film that it may be."""
    gray = [gray_area(frame, 84, 84).astype(int) for frame in film]
    # Rounding may differ by a level.
    return [
        [number for number, frame in enumerate(gray) if np.abs(frame - picture).max() <= 1]
        for picture in observation
    ]


def test_a_reset_shows_the_first_frame_only(filmed: Any) -> None:
    observation, _ = filmed.reset(seed=0)
    assert (observation == observation[0]).all()
    assert shown(observation, filmed.render()) == [[0]] * 4


def test_a_step_shows_its_first_and_last_frame_and_two_between(filmed: Any) -> None:
    filmed.reset(seed=0)
    filmed.step(RUN)  # until Mario runs, so that every frame differs
    filmed.render()
    for _ in range(3):
        observation, *_, info = filmed.step(RUN)
        film = filmed.render()
        assert len(film) == info["frames"] == 20
        first, second, third, last = shown(observation, film)
        assert 0 in first
        assert 19 in last
        assert any(0 < a < b < 19 for a in second for b in third)


def test_the_choice_between_follows_the_seed() -> None:
    # At rest a seed changes nothing but the choice of frames.
    env = gymnasium.make(ENV_ID)
    by_seed = []
    for seed in (1, 2, 1):
        env.reset(seed=seed)
        env.step(RUN)
        by_seed.append(env.step(RUN)[0])
    assert np.array_equal(by_seed[0], by_seed[2])
    assert np.array_equal(by_seed[0][[0, 3]], by_seed[1][[0, 3]])
    assert not np.array_equal(by_seed[0][[1, 2]], by_seed[1][[1, 2]])
    env.close()


def test_after_a_death_in_the_whole_game_the_new_life_is_shown(make_player: Callable[..., Any]) -> None:
    game = make_player("1-1", task="game").reset()
    game.poke(0x07F8, 0, 0, 1)
    while True:
        observation, _, _, _, info = game.env.step(game.NOTHING)
        if info["dead"]:
            break
    last = gray_area(game.emulator.screen(0), 84, 84)
    assert np.abs(observation.astype(int) - last).max() <= 1
    assert info["time"] > 300


@pytest.mark.parametrize(("count", "height", "width"), [(2, 84, 84), (6, 60, 64), (4, 240, 256)])
def test_number_and_size_are_settings(count: int, height: int, width: int) -> None:
    options = {"count": count, "height": height, "width": width}
    env = gymnasium.make(ENV_ID, observation={"frames": options})
    assert env.observation_space == gymnasium.spaces.Box(0, 255, (count, height, width), np.uint8)
    env.reset(seed=0)
    observation = env.step(RUN)[0]
    assert env.observation_space.contains(observation)
    env.close()


def test_the_usual_stack_is_the_last_picture_of_each_of_the_last_four_steps() -> None:
    env = gymnasium.make(ENV_ID, observation={"frames": {"count": 1, "steps": 4}})
    single = gymnasium.make(ENV_ID, observation={"frames": {"count": 1}})
    observation, _ = env.reset(seed=0)
    seen = [single.reset(seed=0)[0][0]] * 4
    assert np.array_equal(observation, seen)
    for _ in range(6):
        observation = env.step(RUN)[0]
        seen = [*seen[1:], single.step(RUN)[0][0]]
        assert env.observation_space.contains(observation)
        assert np.array_equal(observation, seen)
    assert len({picture.tobytes() for picture in seen}) == 4, "Mario runs, so that every step differs"
    observation, _ = env.reset(seed=0)
    assert (observation == observation[0]).all(), "nothing of the last episode is left"
    env.close()
    single.close()


def test_a_later_step_leaves_an_observation_as_it_was() -> None:
    for make in (gymnasium.make, lambda name: gymnasium.make_vec(name, num_envs=2)):
        env = make(ENV_ID)
        actions = np.broadcast_to(RUN, env.action_space.shape)
        observations = [env.reset(seed=0)[0], *(env.step(actions)[0] for _ in range(2))]
        copies = [observation.copy() for observation in observations]
        env.step(actions)
        for observation, copy in zip(observations, copies, strict=True):
            assert np.array_equal(observation, copy)
        env.close()
