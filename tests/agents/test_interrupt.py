"""A run that is asked to stop saves its checkpoint, says how to go on, and can be gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from mario_agents.checkpoints import list_checkpoints, read_checkpoint

from .conftest import COMMAND, Cli

pytestmark = pytest.mark.timed

ENDLESS_UPDATE = ["--set", "n_epochs=1000000"]


def start(run: Path, *settings: str, episodes: int = 20) -> subprocess.Popen[str]:
    """Start a run without end and wait until so many episodes are over."""
    train = ["train", "ppo", "--env", "CartPole-v1", "--steps", "10000000", "--out", str(run)]
    process = subprocess.Popen(
        [*COMMAND, *train, *settings],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    file = run / "training" / "0.monitor.csv"
    while not (file.exists() and len(file.read_text().splitlines()) > 2 + episodes):
        assert time.monotonic() < deadline, "no training began"
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_saves_and_says_how_to_go_on(number: signal.Signals, tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    process = start(run)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)

    assert process.returncode == 130
    assert f"to go on: mario-agents resume {run}" in errors
    assert "Traceback" not in errors
    (checkpoint,) = list_checkpoints(run / "checkpoints")
    assert str(checkpoint) in output
    info, _ = read_checkpoint(checkpoint)
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["calls"][0]["stopped_by"] == number.name
    assert manifest["steps"] == info.steps > 0

    cli("resume", run, "--steps", 256)
    after = json.loads((run / "manifest.json").read_text())
    assert after["steps"] >= info.steps + 256
    assert after["episodes"] >= manifest["episodes"]


def test_a_killed_run_goes_on_from_its_last_checkpoint(tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    cli("train", "ppo", "--env", "CartPole-v1", "--steps", 1024, "--out", run)
    process = subprocess.Popen([*COMMAND, "resume", str(run), "--steps", "10000000"])
    deadline = time.monotonic() + 60
    while not (run / "training" / "1.monitor.csv").exists():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    process.kill()
    process.wait()
    cli("resume", run, "--steps", 256)
    calls = json.loads((run / "manifest.json").read_text())["calls"]
    assert [call["stopped_by"] for call in calls] == ["steps", None, "steps"]
    assert len(list((run / "training").iterdir())) == 3


def test_an_update_is_left_after_its_minibatch(tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(run, *ENDLESS_UPDATE, episodes=1)
    time.sleep(2.0)  # the first rollout is over by now
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "to go on: mario-agents resume" in errors
    (checkpoint,) = list_checkpoints(run / "checkpoints")
    assert read_checkpoint(checkpoint)[0].steps == 256


def test_minutes_end_an_update(tmp_path: Path, cli: Cli) -> None:
    command = ["train", "ppo", "--env", "CartPole-v1", "--steps", 10**6, "--minutes", 0.05, "--json"]
    outcome = json.loads(cli(*command, "--out", tmp_path / "run", *ENDLESS_UPDATE).stdout)
    assert outcome["stopped_by"] == "minutes"
    assert outcome["steps"] == 256
    assert 3 <= outcome["seconds"] < 10
