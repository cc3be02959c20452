"""Movies as decisions: played in a real environment they end as the movie does, to the last byte of RAM."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import gymnasium
import mario_envs  # noqa: F401 (registers the IDs)
import numpy as np
import pytest
from gymnasium import spaces
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.buttons import Button
from mario_envs.emulators import native
from mario_envs.movies.file import read_movie, write_movie
from mario_envs.movies.holds import holds_of
from mario_envs.movies.movie import POWER_ON, Movie, MovieError
from mario_envs.movies.replay import record
from mario_envs.observations.base import Observation, View

COMMAND = Path(sys.executable).with_name("mario-envs")
#: Solutions of stages that search found; data of mario-agents, read as files.
SHIPPED = Path(__file__).parents[2] / "packages/mario-agents/src/mario_agents/movies"

ACTIONS = {
    "whole holds": ContinuousFrames(min_frames=1, frames_per_unit=120),
    "the usual unit": ContinuousFrames(min_frames=1),
    "fresh presses": ContinuousFrames(min_frames=1, frames_per_unit=30, fresh_press=True),
    "sigmoid": ContinuousFrames(min_frames=1, bounds="sigmoid", max_hold=20),
    "add": ContinuousFrames(min_frames=1, update="add"),
    "keep": ContinuousFrames(min_frames=1, update="keep"),
    "finish": ContinuousFrames(min_frames=1, update="finish"),
}


class WorkRam(Observation):
    """All of the console's work RAM."""

    @property
    def space(self) -> spaces.Box:
        return spaces.Box(0, 255, (2048,), np.uint8)

    def observe(self, view: View) -> Any:
        return view.ram


@pytest.mark.skipif(not native.available(), reason="movies prove themselves on the emulator that recorded")
@pytest.mark.parametrize(
    ("stage", "kind"), [*(("1-1", kind) for kind in ACTIONS), ("2-2", "whole holds"), ("8-4", "whole holds")]
)
def test_decisions_play_the_movie_to_its_end(stage: str, kind: str) -> None:
    movie = read_movie(SHIPPED / f"{stage}.movie")
    env = gymnasium.make(
        f"MarioScore-{stage}-ContinuousFrames-v0",
        action={"continuous-frames": asdict(ACTIONS[kind])},
        observation=WorkRam(),
    )
    _, info = env.reset(seed=0)
    found = holds_of(movie, ACTIONS[kind])
    for number, values in enumerate(found.actions, start=1):
        assert info["episode_frames"] + 1 == found.first_frames[number - 1]  # the reset waits one
        ram, _, terminated, truncated, info = env.step(values)
        assert (terminated, truncated) == (number == len(found.actions), False)
    env.close()
    assert (info["clear"], info["score"]) == (True, movie.outcome.score)
    # RAM has a counter of frames, too: it is the same frame.
    assert hashlib.sha256(ram.tobytes()).hexdigest() == movie.outcome.ram_sha256


@pytest.fixture(scope="module")
def short() -> Movie:
    return record(
        "1-1", bytes([0, *[Button.RIGHT] * 20, *[Button.RIGHT | Button.A] * 2, *[Button.RIGHT] * 9])
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"start": POWER_ON}, "x.movie starts at power-on"),
        ({"buttons": bytes([0, 0, 0, Button.START])}, "x.movie presses Start or Select in frame 3"),
        ({"buttons": bytes([Button.RIGHT, 0])}, "x.movie presses a button in frame 0"),
        ({"buttons": bytes([0, 0, Button.LEFT | Button.RIGHT])}, "x.movie: frame 2 presses left and right"),
        ({}, "x.movie: frame 1 .* with min_frames 30; set min_frames: 1$"),
    ],
)
def test_movies_that_no_actions_play_are_refused(short: Movie, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MovieError, match=message):
        holds_of(replace(short, **changes), ContinuousFrames(min_frames=30), "x.movie")


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "movie", "holds", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
    )


def test_the_command(short: Movie, tmp_path: Path) -> None:
    file = tmp_path / "a.movie"
    write_movie(short, file)
    shown = cli(file)
    assert shown.stdout.splitlines()[0] == f"{file}: 3 decisions in 32 frames, from 1-1"
    assert [line.split() for line in shown.stdout.splitlines()[1:]] == [
        ["1", "20", "right", "20"],
        ["21", "2", "right", "11", "A", "2"],
        ["23", "9", "right", "9"],
    ]
    rows = json.loads(cli(file, "--json", "--frames-per-unit", 22).stdout)["decisions"]
    action = [-1, -1, -1, 0.5, pytest.approx(2 / 22), -1]
    assert rows[1] == {"frame": 21, "frames": 2, "holds": {"right": 11, "A": 2}, "action": action}
    refused = cli(file, "--min-frames", 30)
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (1, "", 1)
    assert "set min_frames: 1" in refused.stderr
