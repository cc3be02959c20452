"""The whole road, through the real command line in processes of its own."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from .conftest import Cli


def learned(run: Path, number: int = 0) -> list[tuple[str, str]]:
    lines = (run / "training" / f"{number}.monitor.csv").read_text().splitlines()[1:]
    return [(row["r"], row["l"]) for row in csv.DictReader(lines)]


def test_a_run_folder_holds_what_is_promised(pole_run: Path) -> None:
    assert {path.name for path in pole_run.iterdir()} == {
        "manifest.json",
        "training",
        "checkpoints",
        "tensorboard",
    }
    assert list((pole_run / "tensorboard").glob("events.out.tfevents.*"))
    manifest = json.loads((pole_run / "manifest.json").read_text())
    assert manifest["command"].startswith("mario-agents train ppo --env CartPole-v1 --steps 1024 --seed 5")
    assert manifest["algorithm"] == "ppo"
    assert manifest["env_id"] == "CartPole-v1"
    assert manifest["seed"] == 5
    assert manifest["hyperparams"]["gamma"] == 0.98
    assert manifest["steps"] == manifest["frames"] == 1024
    assert manifest["episodes"] == len(learned(pole_run)) > 10
    assert manifest["ended"] >= manifest["started"]
    named = {"python", "os", "torch", "stable-baselines3", "gymnasium", "numpy", "pluggy"}
    assert named <= manifest["versions"].keys()


def test_the_same_seed_learns_the_same(pole_run: Path, tmp_path: Path, cli: Cli) -> None:
    command = ["train", "ppo", "--env", "CartPole-v1", "--steps", 1024]
    cli(*command, "--seed", 5, "--out", tmp_path / "again")
    cli(*command, "--seed", 6, "--out", tmp_path / "other")
    assert learned(tmp_path / "again") == learned(pole_run)
    assert learned(tmp_path / "other") != learned(pole_run)


def test_resume_goes_on_where_the_run_stopped(pole_run: Path, tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    shutil.copytree(pole_run, run)
    finished = cli("resume", run, check=False)
    assert finished.returncode == 1
    assert "has done its 1,024 steps; add some" in finished.stderr

    outcome = json.loads(cli("resume", run, "--steps", 512, "--json").stdout)
    before = json.loads((pole_run / "manifest.json").read_text())
    assert outcome["steps"] == outcome["frames"] == 1024 + 512
    assert outcome["stopped_by"] == "steps"
    assert outcome["seconds"] > before["seconds"]
    assert outcome["episodes"] == len(learned(run)) + len(learned(run, 1))
    assert learned(run) == learned(pole_run)
    assert learned(run, 1) != learned(run)[: len(learned(run, 1))]
    assert [call["from_step"] for call in json.loads((run / "manifest.json").read_text())["calls"]] == [
        0,
        1024,
    ]


def test_schedules_span_the_whole_budget(pole_run: Path, tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    shutil.copytree(pole_run, run)
    shutil.rmtree(run / "tensorboard")
    cli("resume", run, "--steps", 512)
    logs = EventAccumulator(str(run / "tensorboard"))
    logs.Reload()
    (rate,) = [point for point in logs.Scalars("train/learning_rate") if point.step == 1024 + 512]
    # lin_1e-3 at the update after 1,280 of 1,536 steps; the log of a rollout holds the update before it.
    assert rate.value == pytest.approx(1e-3 * (1 - 1280 / 1536), rel=1e-4)


def test_minutes_stop_a_run_and_resume_adds_some(tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    command = [
        "train",
        "ppo",
        "--env",
        "CartPole-v1",
        "--steps",
        10**9,
        "--minutes",
        0.02,
        "--out",
        run,
        "--json",
    ]
    first = json.loads(cli(*command).stdout)
    assert first["stopped_by"] == "minutes"
    assert first["seconds"] >= 1.2
    refused = cli("resume", run, check=False)
    assert "has used its 0.02 minutes; add some" in refused.stderr
    second = json.loads(cli("resume", run, "--minutes", 0.02, "--json").stdout)
    assert second["stopped_by"] == "minutes"
    assert second["seconds"] >= first["seconds"] + 1.2
    for call in json.loads((run / "manifest.json").read_text())["calls"]:
        assert call["processor_seconds"] > 0.1


def test_continuous_actions_and_a_video(tmp_path: Path, cli: Cli) -> None:
    run, film = tmp_path / "run", tmp_path / "films" / "pendulum.mp4"
    settings = [
        "--set",
        "learning_starts=100",
        "--set",
        "gradient_steps=1",
        "--set",
        "learning_rate=lin_1e-3",
    ]
    cli("train", "sac", "--env", "Pendulum-v1", "--steps", 400, "--seed", 1, "--out", run, *settings)
    played = json.loads(cli("play", run, "--video", film, "--episodes", 2, "--seed", 3, "--json").stdout)
    assert [episode["steps"] for episode in played["episodes"]] == [200, 200]
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 30  # the environment's own speed
        assert (stream.width, stream.height) == (500, 500)
        assert sum(1 for _ in container.decode(stream)) == 2 * 201
    assert [path.name for path in film.parent.iterdir()] == [film.name]


def test_a_window_opens(pole_run: Path, cli: Cli) -> None:
    shown = cli("play", pole_run, "--deterministic", "--seed", 1)  # SDL draws to a dummy screen here
    assert shown.stdout.startswith("episode 1: return ")


def test_evaluate_fills_the_runs_evaluation_folder(pole_run: Path, tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    shutil.copytree(pole_run, run)
    command = ["evaluate", run, "--episodes", 5, "--seed", 1, "--json"]
    summary = json.loads(cli(*command).stdout)
    assert summary["episodes"] == 5
    assert summary["return"]["mean"]["value"] > 1
    assert (run / "evaluation" / "manifest.json").exists()

    again = cli(*command, check=False)
    assert again.returncode == 1
    assert "give another folder with --out DIR" in again.stderr
    repeated = json.loads(cli(*command, "--out", tmp_path / "other").stdout)
    assert repeated["return"] == summary["return"]  # the same seed samples the same actions


def test_without_mario_eval_evaluate_says_how_to_get_it(pole_run: Path) -> None:
    # None in sys.modules is Python's own way to say "not installed".
    code = "import sys; sys.modules['mario_eval'] = None; from mario_agents.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "evaluate", str(pole_run)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert 'pip install "mario-agents[mario]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "pp", "--env", "CartPole-v1"], "did you mean 'ppo'"),
        (["train", "ppo", "--env", "CartPol-v1"], "did you mean 'CartPole-v1'"),
        (["train", "ppo", "--env", "nowhere:Some-v0"], "needs the module 'nowhere', which is not installed"),
        (["train", "sac", "--env", "CartPole-v1"], "use one of: ppo, a2c, recurrentppo, dqn, qrdqn"),
        (["train", "ppo", "--env", "CartPole-v1", "--set", "gama=1"], "did you mean 'gamma'"),
        (["train", "ppo", "--env", "CartPole-v1", "--set", "gamma"], "--set takes KEY=VALUE, not 'gamma'"),
        (["train", "ppo", "--env", "CartPole-v1", "--set", "gamma=x"], "gamma must be float"),
        (
            ["train", "ppo", "--env", "CartPole-v1", "--set", "lanes=0"],
            "lanes 0: Input should be greater",
        ),
        (
            ["train", "ppo", "--env", "CartPole-v1", "--env-option", "gravity=1"],
            "unexpected keyword argument",
        ),
        (["train", "ppo", "--env", "CartPole-v1", "--device", "tpu"], "device 'tpu'"),
        (["train", "ppo", "--env", "CartPole-v1", "--minutes", "-1"], "--minutes must be above 0"),
        (["resume", "nowhere"], "not a run folder"),
        (["play", "nowhere"], "no run folder or checkpoint nowhere"),
        (["evaluate", "nowhere"], "no run folder or checkpoint nowhere"),
        (["zoo", "--env", "CartPol-v1"], "did you mean 'CartPole-v1'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    arguments: list[str], message: str, tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    steps = ["--steps", "64", "--out", "run"] if arguments[0] == "train" else []
    done = cli(*arguments, *steps, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.startswith("mario-agents: ")
    assert done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_existing_folder_is_refused_and_resume_named(pole_run: Path, cli: Cli) -> None:
    before = sorted(path for path in pole_run.rglob("*"))
    done = cli("train", "ppo", "--env", "CartPole-v1", "--steps", 64, "--out", pole_run, check=False)
    assert done.returncode == 1
    assert f"mario-agents resume {pole_run}" in done.stderr
    assert sorted(path for path in pole_run.rglob("*")) == before


def test_a_video_needs_a_name_that_says_so(pole_run: Path, tmp_path: Path, cli: Cli) -> None:
    done = cli("play", pole_run, "--video", tmp_path / "film.gif", check=False)
    assert done.returncode == 1
    assert "videos are written as .mp4, not .gif" in done.stderr


def test_zoo_lists_algorithms_and_choices(cli: Cli) -> None:
    listed = json.loads(cli("zoo", "--env", "CartPole-v1", "--json").stdout)
    assert listed["agents"] == []
    entries = {entry["name"]: entry for entry in listed["algorithms"]}
    assert {"ppo", "sac", "td3", "ddpg", "dqn", "qrdqn"} <= entries.keys()
    assert entries["ppo"]["hyperparams"]["n_steps"] == 32
    assert "use one of" in entries["sac"]["refused"]
    assert "off-policy Q-learning" in cli("zoo").stdout


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["zoo"]])
def test_help_does_not_wait_for_torch(arguments: list[str]) -> None:
    code = (
        "import sys; from mario_agents.cli import app; app(standalone_mode=False); "
        "print('LOADED' if {'torch', 'gymnasium', 'stable_baselines3'} & sys.modules.keys() else 'LIGHT')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip().endswith("LIGHT")
