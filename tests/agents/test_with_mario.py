"""The same road on the real game, where mario-envs is installed."""

from __future__ import annotations

import csv
import json
from importlib.util import find_spec
from pathlib import Path

import av
import pytest

from .conftest import Cli

pytestmark = pytest.mark.skipif(find_spec("mario_envs") is None, reason="mario-envs is not installed")

DISCRETE = "MarioScore-1-1-DiscreteFrames-v0"
CONTINUOUS = "MarioScore-1-1-ContinuousFrames-v0"


@pytest.fixture(scope="module")
def run(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """PPO on tiles, long enough for some lanes to die; the ID needs no import."""
    folder = tmp_path_factory.mktemp("runs") / "1-1"
    settings = ["--env-option", "observation=tiles", "--seed", 1, "--lanes", 8]
    cli("train", "ppo", "--env", DISCRETE, "--steps", 2048, "--out", folder, *settings)
    return folder


def test_episodes_tell_what_the_game_tells(run: Path) -> None:
    lines = (run / "training" / "0.monitor.csv").read_text().splitlines()
    episodes = list(csv.DictReader(lines[1:]))
    assert {"score", "distance", "clear", "dead", "stage"} <= episodes[0].keys()
    for episode in episodes:
        assert int(episode["frames"]) == int(episode["episode_frames"])
        assert int(episode["frames"]) >= 3 * int(episode["l"])  # four frames a step, but for a cut last one
        assert episode["stage"] == "1-1"


def test_the_manifest_tells_the_rom(run: Path) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["provenance"]["rom"]["sha256"].startswith("ec299b99")
    assert manifest["versions"]["mario-envs"]
    assert manifest["env_kwargs"] == {"observation": "tiles"}
    assert manifest["frames"] > 3 * manifest["steps"]


def test_a_video_holds_every_frame_at_the_games_speed(run: Path, tmp_path: Path, cli: Cli) -> None:
    film = tmp_path / "1-1.mp4"
    played = json.loads(cli("play", run, "--video", film, "--seed", 3, "--json").stdout)
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 60
        assert (stream.width, stream.height) == (256, 240)
        frames = sum(1 for _ in container.decode(stream))
    assert 0 <= frames - played["episodes"][0]["episode_frames"] <= 1  # the reset's picture


@pytest.mark.parametrize(
    ("algorithm", "env_id"),
    [
        ("sac", CONTINUOUS), ("td3", CONTINUOUS), ("ddpg", CONTINUOUS), ("ppo", CONTINUOUS),
        ("dqn", DISCRETE), ("qrdqn", DISCRETE),
    ],
)  # fmt: skip
def test_every_algorithm_trains_on_the_game(algorithm: str, env_id: str, tmp_path: Path, cli: Cli) -> None:
    small = (
        ["--set", "n_steps=16", "--set", "batch_size=32"]
        if algorithm == "ppo"
        else ["--set", "learning_starts=64"]
    )
    command = ["train", algorithm, "--env", env_id, "--steps", 128, "--lanes", 4, "--seed", 1]
    outcome = json.loads(
        cli(*command, *small, "--env-option", "observation=tiles", "--out", tmp_path / "run", "--json").stdout
    )
    assert outcome["steps"] >= 128
    assert outcome["frames"] > outcome["steps"]


def test_misspelt_stages_and_options_bring_up_the_nearest(tmp_path: Path, cli: Cli) -> None:
    command = ["train", "ppo", "--steps", 64, "--out", tmp_path / "run"]
    stage = cli(*command, "--env", "MarioScore-1-1-DiscretFrames-v0", check=False)
    assert f"did you mean {DISCRETE!r}" in stage.stderr
    option = cli(*command, "--env", DISCRETE, "--env-option", "observation=tilse", check=False)
    assert option.returncode == 1
    assert "tiles" in option.stderr
    assert option.stderr.count("\n") == 1
