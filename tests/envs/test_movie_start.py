"""Episodes that begin within a movie: where it stands, drawn evenly, the same for the same seed."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import mario_envs  # noqa: F401 (registers the IDs)
import numpy as np
import pytest
from mario_envs.buttons import Button
from mario_envs.emulators import native
from mario_envs.game import stages
from mario_envs.game.roms import load_rom
from mario_envs.movies.file import read_movie, write_movie
from mario_envs.movies.movie import POWER_ON, MovieError
from mario_envs.movies.replay import record
from mario_envs.plugins.manager import choose

ENV_ID = "MarioScore-1-1-ContinuousFrames-v0"
#: Mario jumps once and runs into the first enemy.
BUTTONS = bytes([0, *[Button.RIGHT] * 20, *[Button.RIGHT | Button.A] * 12, *[Button.RIGHT | Button.B] * 200])
USUAL: dict[str, Any] = {"observation": "tiles"}
NES_PY = "builtin/nes-py"
needs_native = pytest.mark.skipif(not native.available(), reason="the extension was not built")


@pytest.fixture(scope="module")
def movie(tmp_path_factory: pytest.TempPathFactory, emulator_key: str) -> Path:
    path = tmp_path_factory.mktemp("movies") / "short.movie"
    write_movie(record("1-1", BUTTONS, emulator=emulator_key), path)
    return path


@pytest.fixture(scope="module")
def native_movie(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("native") / "short.movie"
    write_movie(record("1-1", BUTTONS, emulator="native"), path)
    return path


def played(emulator_key: str, frames: int, noops: int = 0) -> tuple[bytes, Any]:
    """The memory and the picture after so many frames of the movie, the no-ops and the one that is seen."""
    console = choose("emulator", emulator_key, load_rom(), 1).value
    stages.start_stage(console, 0, "1-1")
    for button in [*BUTTONS[:frames], *[0] * (noops + 1)]:
        console.press(0, Button(button))
    found = console.ram(np.zeros(1, np.intp)).tobytes(), console.screen(0)
    console.close()
    return found


def test_an_episode_begins_where_the_movie_stands(movie: Path, emulator_key: str) -> None:
    for frames in (0, 37):
        start = {"movie": movie, "first": frames, "last": frames}
        env = gymnasium.make(ENV_ID, emulator=emulator_key, start=start, render_mode="rgb_array", **USUAL)
        ram, picture = played(emulator_key, frames)
        for _ in range(2):
            _, info = env.reset(seed=0)
            assert env.unwrapped._lanes.emulator.ram(np.zeros(1, np.intp)).tobytes() == ram
            np.testing.assert_array_equal(env.render(), picture)
            assert (info["episode_frames"], info["holds"].any()) == (0, False)
            assert info["distance"] == info["x"]
        env.close()


@needs_native
def test_every_frame_of_the_window_is_begun_at_alike_and_the_wait_follows(native_movie: Path) -> None:
    """Told by the game's memory, which is another after each frame and each wait."""
    first, last, most = 30, 33, 3
    places = {
        played("native", frames, noops)[0]: (frames, noops)
        for frames in range(first, last + 1)
        for noops in range(most + 1)
    }
    assert len(places) == (last - first + 1) * (most + 1)
    start = {"movie": native_movie, "first": first, "last": last}
    envs = gymnasium.make_vec(ENV_ID, num_envs=4, emulator="native", start=start, max_noops=most, **USUAL)
    seen: Counter[tuple[int, int]] = Counter()
    for seed in range(0, 800, 4):
        envs.reset(seed=seed)
        for ram in envs.unwrapped._lanes.emulator.ram(np.arange(4)):
            seen[places[ram.tobytes()]] += 1
    # 800 draws among 16: fifty each, ± 7 in the mean.
    assert seen.keys() == set(places.values())
    assert min(seen.values()) > 20
    assert max(seen.values()) < 80
    envs.close()


@needs_native
def test_an_episode_is_not_over_as_it_begins(native_movie: Path) -> None:
    """Waiting at the end of this movie is to be hit."""
    frames = len(read_movie(native_movie).buttons)
    start = {"movie": native_movie, "first": frames - 40}
    envs = gymnasium.make_vec(ENV_ID, num_envs=8, emulator="native", start=start, max_noops=60, **USUAL)
    x = set()
    for seed in range(0, 400, 8):
        _, infos = envs.reset(seed=seed)
        assert not (infos["dead"] | infos["clear"]).any()
        x |= set(infos["x"].tolist())
    assert len(x) > 20
    envs.close()


def test_a_window_in_which_every_episode_would_be_over_at_once_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "waits.movie"
    made = record("1-1", bytes([0, *[Button.RIGHT] * 80, *[0] * 400]))
    assert made.outcome.dead
    write_movie(made, path)
    with pytest.raises(MovieError, match="the stage is over at once without a button"):
        gymnasium.make(ENV_ID, start={"movie": path, "first": made.outcome.frames - 1}, **USUAL)


def test_seeds_lanes_and_saved_states(movie: Path, emulator_key: str, identical: Any) -> None:
    options = {"start": {"movie": movie, "first": 20, "last": 60}, "max_noops": 5, "emulator": emulator_key}
    envs = gymnasium.make_vec(ENV_ID, num_envs=2, **options, **USUAL)
    env = gymnasium.make(ENV_ID, **options, **USUAL)
    batch, infos = envs.reset(seed=7)
    for lane in (0, 1, 0):
        observation, info = env.reset(seed=7 + lane)
        assert identical(observation, {name: part[lane] for name, part in batch.items()})
        assert info["x"] == infos["x"][lane]
    env.reset(seed=7)
    action = np.array([0, 0, 0, 0.5, 0.3, 0.1], np.float32)
    env.step(action)
    state = env.unwrapped.save_state()
    rest = [env.step(action) for _ in range(3)]
    rest += [env.reset()] if emulator_key != NES_PY else []  # it keeps one state, and would need it for this
    env.unwrapped.restore_state(state)
    again = [env.step(action) for _ in range(3)]
    again += [env.reset()] if emulator_key != NES_PY else []
    for one, other in zip(rest, again, strict=True):
        assert all(identical(a, b) for a, b in zip(one, other, strict=True))
    env.reset(seed=8)  # after another saved state, too
    assert identical(env.reset(seed=7)[0], {name: part[0] for name, part in batch.items()})
    env.close()
    envs.close()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("1-1.movie", "start must be a mapping"),
        ({"first": 3}, "start must be a mapping"),
        ({"movie": 3}, "start.movie must be the path"),
        ({"movie": "a.movie", "frist": 3}, "unknown option of start 'frist'; did you mean 'first'"),
        ({"movie": "a.movie", "first": -1}, "start.first must be a whole number"),
        ({"movie": "a.movie", "first": 1.5}, "start.first must be a whole number"),
        ({"movie": "a.movie", "first": 9, "last": 8}, "start.last must be at least start.first, 9, not 8"),
        ({"movie": "a.movie"}, "cannot read the movie a.movie"),
    ],
)
def test_a_start_that_is_none_is_refused(option: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        gymnasium.make(ENV_ID, start=option)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"start": "1-2"}, "is of stage 1-2, the environment has 1-1"),
        ({"start": POWER_ON}, "starts at power-on"),
        ({"rom_sha256": "1" * 64}, "was recorded with the ROM"),
        ({"buttons": bytes(len(BUTTONS))}, "does not end here as it says"),
    ],
)
def test_a_movie_that_does_not_fit_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    made = record("1-1", BUTTONS)
    buttons = change.get("buttons", made.buttons)[: len(made.buttons)]
    write_movie(replace(made, **{**change, "buttons": buttons}), tmp_path / "other.movie")
    with pytest.raises(MovieError, match=message) as refused:
        gymnasium.make_vec(ENV_ID, start={"movie": tmp_path / "other.movie"})
    assert "\n" not in str(refused.value)


def test_a_window_beyond_the_end_and_a_damaged_movie_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "short.movie"
    write_movie(record("1-1", BUTTONS), path)
    with pytest.raises(MovieError, match=r"ends with frame \d+: start.last must be below, not 5000"):
        gymnasium.make(ENV_ID, start={"movie": path, "last": 5000})
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(MovieError, match="damaged or truncated"):
        gymnasium.make(ENV_ID, start={"movie": path})
