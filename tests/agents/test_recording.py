"""Training episodes are recorded as Stable-Baselines3's tools read them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from mario_agents.configure import configure_run
from mario_agents.progress import ShowProgress
from mario_agents.recording import RecordEpisodes
from mario_agents.sampling.learner import Learner
from mario_agents.sampling.spaces_only import SpacesOnlyVecEnv
from mario_agents.sampling.sync import SyncSampler
from mario_agents.schedules import Budget
from rich.console import Console
from stable_baselines3 import PPO


class Stage(gymnasium.Env[Any, Any]):
    """A stage of five steps, each of four frames, that is cleared every time."""

    metadata = {"render_modes": [], "episode_info": ("score", "clear", "stage")}  # noqa: RUF012 -- its convention
    observation_space = spaces.Box(0, 9, (1,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        self.steps = 0
        return np.zeros(1, np.float32), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        ended = self.steps == 5
        infos = {"frames": 4, "score": 100 * self.steps, "clear": ended, "stage": "1-1"}
        return np.zeros(1, np.float32), 0.1, ended, False, infos


@pytest.fixture
def stage() -> Iterator[str]:
    gymnasium.register("Stage-v0", Stage)
    yield "Stage-v0"
    del gymnasium.registry["Stage-v0"]


def five_steps(recorder: RecordEpisodes, steps: int = 5, lanes: int = 2) -> list[dict[str, Any]]:
    """Play whole stages, and return the infos of the last step."""
    infos: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        ended = step % 5 == 0
        told = {"score": 500, "clear": True, "stage": "1-1", "frames": 4}
        infos = recorder.record(
            np.arange(lanes), np.full(lanes, 0.1), np.full(lanes, ended), np.full(lanes, 4, np.int32),
            dict.fromkeys(range(lanes), told) if ended else {},
        )  # fmt: skip
    return infos


def test_columns_header_and_counts(tmp_path: Path) -> None:
    file = tmp_path / "3.monitor.csv"
    recorder = RecordEpisodes(
        2, file, env_id="Stage-v0", episode_info=("score", "clear", "stage"), frames=1000, episodes=50
    )
    five_steps(recorder, 12)
    recorder.close()

    header, *rows = file.read_text().splitlines()
    assert header.startswith("#")
    assert json.loads(header[1:])["env_id"] == "Stage-v0"
    episodes = list(csv.DictReader(rows))
    assert list(episodes[0]) == ["r", "l", "t", "frames", "score", "clear", "stage"]
    assert len(episodes) == 4
    for episode in episodes:
        assert (episode["r"], episode["l"], episode["frames"]) == ("0.5", "5", "20")
        assert (episode["score"], episode["clear"], episode["stage"]) == ("500", "True", "1-1")
    assert recorder.frames == 1000 + 12 * 2 * 4
    assert recorder.episodes == 54


def test_lanes_that_restart_drop_their_unfinished_episodes(tmp_path: Path) -> None:
    recorder = RecordEpisodes(2, tmp_path / "0.monitor.csv", env_id="Stage-v0")
    five_steps(recorder, 2)
    recorder.restart(np.array([1]))
    infos = five_steps(recorder)
    recorder.close()
    assert [info["episode"]["l"] for info in infos] == [7, 5]


def learn(stage: str, run: Path, progress: ShowProgress, recorder: RecordEpisodes) -> None:
    config = configure_run(
        "ppo", stage, steps=64, seed=0, lanes=2,
        overrides={"n_steps": 16, "batch_size": 16, "n_epochs": 1, "learning_rate": 1e-3},
    )  # fmt: skip
    lanes = SpacesOnlyVecEnv(Stage.observation_space, Stage.action_space, 2)
    model = PPO("MlpPolicy", lanes, **config.hyperparams, device="cpu")
    Learner(model, SyncSampler(config, 0, "cpu"), config, recorder)
    model.learn(64, progress)
    recorder.close()


def test_progress_tells_what_the_game_tells(
    stage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recorder = RecordEpisodes(
        2, tmp_path / "0.monitor.csv", env_id=stage, episode_info=("score", "clear", "stage")
    )
    progress = ShowProgress(recorder, 64, Budget(), console=Console(stderr=True), line_every=0.0)
    learn(stage, tmp_path, progress, recorder)
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("64/64 steps | ")
    assert "frames/s | score 500.0 | clear 100% | 0:00 left" in last
    assert progress.standing().frames == 64 * 4
    assert progress.standing().share == 1.0


def test_a_terminal_gets_a_bar(stage: str, tmp_path: Path) -> None:
    recorder = RecordEpisodes(2, tmp_path / "0.monitor.csv", env_id=stage, episode_info=("clear",))
    with (tmp_path / "terminal").open("w") as file:
        console = Console(file=file, force_terminal=True, width=120)
        progress = ShowProgress(recorder, 64, Budget(seconds=1e6), console=console)
        learn(stage, tmp_path, progress, recorder)
    shown = (tmp_path / "terminal").read_text()
    assert "100%" in shown
    assert "64/64 steps" in shown
    assert "clear 100%" in shown
