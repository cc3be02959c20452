"""Training episodes are recorded as Stable-Baselines3's tools read them."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from mario_agents.progress import ShowProgress
from mario_agents.recording import RecordEpisodes
from mario_agents.sampling.vec_env import LaneVecEnv
from mario_agents.schedules import TimeBudget
from rich.console import Console
from stable_baselines3 import PPO


class Stage(gymnasium.Env[Any, Any]):
    """A stage of five steps, each of four frames, that is cleared every time."""

    metadata = {"episode_info": ("score", "clear", "stage")}  # noqa: RUF012 -- Gymnasium's convention
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


def stage_lanes(lanes: int = 2) -> LaneVecEnv:
    return LaneVecEnv(gymnasium.vector.SyncVectorEnv([Stage] * lanes, autoreset_mode=AutoresetMode.SAME_STEP))


def test_columns_header_and_counts(tmp_path: Path) -> None:
    lanes = stage_lanes()
    file = tmp_path / "3.monitor.csv"
    recorder = RecordEpisodes(
        lanes,
        file,
        env_id="Stage-v0",
        episode_info=lanes.batch.metadata["episode_info"],
        frames=1000,
        episodes=50,
    )
    recorder.reset()
    for _ in range(12):
        recorder.step(np.zeros(2, int))
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


def test_a_reset_drops_the_unfinished_episode(tmp_path: Path) -> None:
    recorder = RecordEpisodes(stage_lanes(1), tmp_path / "0.monitor.csv", env_id="Stage-v0")
    recorder.reset()
    recorder.step(np.zeros(1, int))
    recorder.reset()
    for _ in range(5):
        _, _, _, infos = recorder.step(np.zeros(1, int))
    recorder.close()
    assert infos[0]["episode"]["l"] == 5


def test_progress_tells_what_the_game_tells(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lanes = stage_lanes()
    recorder = RecordEpisodes(
        lanes, tmp_path / "0.monitor.csv", env_id="Stage-v0", episode_info=("score", "clear", "stage")
    )
    progress = ShowProgress(recorder, 64, TimeBudget(), console=Console(stderr=True), line_every=0.0)
    PPO("MlpPolicy", recorder, n_steps=16, batch_size=16, n_epochs=1, device="cpu").learn(64, progress)
    recorder.close()
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("64/64 steps | ")
    assert "frames/s | score 500.0 | clear 100% | 0:00 left" in last
    assert progress.standing().frames == 64 * 4
    assert progress.standing().share == 1.0


def test_a_terminal_gets_a_bar(tmp_path: Path) -> None:
    recorder = RecordEpisodes(
        stage_lanes(), tmp_path / "0.monitor.csv", env_id="Stage-v0", episode_info=("clear",)
    )
    with (tmp_path / "terminal").open("w") as file:
        console = Console(file=file, force_terminal=True, width=120)
        progress = ShowProgress(recorder, 64, TimeBudget(seconds=1e6), console=console)
        PPO("MlpPolicy", recorder, n_steps=16, batch_size=16, n_epochs=1, device="cpu").learn(64, progress)
    recorder.close()
    shown = (tmp_path / "terminal").read_text()
    assert "100%" in shown
    assert "64/64 steps" in shown
    assert "clear 100%" in shown
