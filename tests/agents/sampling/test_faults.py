"""Processes that are killed or stopped, and environments that fail, each a real process and a real signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mario_agents.checkpoints import list_checkpoints, read_checkpoint
from mario_agents.sampling.shared import PREFIX

from ..conftest import COMMAND

pytestmark = pytest.mark.timed

TRAIN = ["train", "ppo", "--env", "timed_env:Timed-v0", "--lanes", "4", "--seed", "1", "--sampler", "async"]
SMALL = ["--set", "n_steps=16", "--set", "batch_size=32", "--set", "n_epochs=1"]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start the command line; whatever still runs at the end is killed, and shared memory must be free."""
    running: list[subprocess.Popen[str]] = []

    def begin(*arguments: Any) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        running.append(process)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()
    left = [path for process in running for path in Path("/dev/shm").glob(f"{PREFIX}{process.pid}_*")]
    eventually(lambda: not any(path.exists() for path in left), "shared memory is left")


def eventually(holds: Callable[[], bool], otherwise: str, seconds: float = 90.0) -> None:
    # Counted, not read from a clock, which goes on where the machine sleeps.
    for _ in range(round(seconds / 0.05)):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError(otherwise)


def actors_of(learner: int) -> list[int]:
    """Process IDs of a learner's actors, which are children of the process that they are forked from."""
    return [
        actor
        for child in children_of(learner)
        if b"forkserver" in Path(f"/proc/{child}/cmdline").read_bytes()
        for actor in children_of(child)
    ]


def children_of(process: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except OSError:
        return []


def steps_of(run: Path) -> int:
    try:
        return int(json.loads((run / "manifest.json").read_text())["steps"])
    except (OSError, ValueError):
        return 0


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("order", "signals"), [("free", (signal.SIGKILL,) * 2), ("strict", (signal.SIGKILL,))]
)
def test_killed_actors_are_replaced_and_training_ends_well(
    order: str, signals: tuple[signal.Signals, ...], start: Start, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start(
        *TRAIN, *SMALL, "--order", order, "--actors", 2, "--steps", 4000, "--checkpoints", 1000,
        "--env-option", "pause=0.003", "--out", run,
    )  # fmt: skip
    for number in signals:
        before = steps_of(run)
        eventually(lambda before=before: steps_of(run) > before, "no training")  # type: ignore[misc]
        os.kill(actors_of(process.pid)[0], number)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["steps"] >= 4000
    assert manifest["calls"][0]["sampling"]["replaced"] == len(signals)
    assert sum(manifest["calls"][0]["sampling"]["lags"].values()) == manifest["steps"]


def test_a_stopped_actor_is_noticed_and_replaced(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(
        *TRAIN, *SMALL, "--actors", 2, "--steps", 4000, "--checkpoints", 1000, "--out", run, "--patience", 3,
        "--on-trouble", "restart", "--env-option", "pause=0.002",
    )  # fmt: skip
    eventually(lambda: steps_of(run) > 0, "no training")
    stopped = actors_of(process.pid)[0]
    os.kill(stopped, signal.SIGSTOP)
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    assert not alive(stopped)
    assert json.loads((run / "manifest.json").read_text())["calls"][0]["sampling"]["replaced"] >= 1


def test_a_run_that_is_stopped_as_a_whole_goes_on_as_if_nothing_was(start: Start, tmp_path: Path) -> None:
    """Ctrl-Z: nobody was watching, so that no actor counts as stuck afterwards."""
    run = tmp_path / "run"
    process = start(
        *TRAIN, *SMALL, "--order", "free", "--actors", 2, "--steps", 10**7, "--checkpoints", 10**5,
        "--patience", 2, "--out", run,
    )  # fmt: skip
    eventually(lambda: steps_of(run) > 0, "no training")
    everyone = [process.pid, *actors_of(process.pid)]
    for one in everyone:
        os.kill(one, signal.SIGSTOP)
    stopped_at = time.monotonic()
    eventually(lambda: time.monotonic() > stopped_at + 4, "time stands still")
    for one in everyone:
        os.kill(one, signal.SIGCONT)
    before = steps_of(run)
    eventually(lambda: steps_of(run) > before or process.poll() is not None, "no training")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert json.loads((run / "manifest.json").read_text())["calls"][0]["sampling"]["replaced"] == 0


def test_actors_leave_when_the_learner_is_killed(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(
        *TRAIN,
        *SMALL,
        "--order",
        "free",
        "--actors",
        2,
        "--steps",
        10**7,
        "--checkpoints",
        10**5,
        "--out",
        run,
    )
    eventually(lambda: len(list_checkpoints(run / "checkpoints")) > 1, "no training")
    actors = actors_of(process.pid)
    assert len(actors) == 2
    process.kill()
    process.wait()
    eventually(lambda: not any(map(alive, actors)), "actors stay", seconds=10)

    done = steps_of(run)
    resumed = start("resume", run, "--steps", 640)
    _, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 0, errors
    assert read_checkpoint(list_checkpoints(run / "checkpoints")[-1])[0].steps >= done + 640 - 64


@pytest.mark.parametrize("sampler", ["sync", "async"])
@pytest.mark.parametrize(
    ("trouble", "message"),
    [
        ("raise", "failed in step 49: RuntimeError: the console caught fire"),
        ("no-number", "gave a reward that is not finite in step 49"),
    ],
)
def test_an_environment_that_fails_is_named_and_the_agent_saved(
    sampler: str, trouble: str, message: str, start: Start, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    trouble_at = ["--env-option", "at=50", "--env-option", f"trouble={trouble}"]
    process = start(*TRAIN[:-1], sampler, *SMALL, *trouble_at, "--actors", 2, "--steps", 10_000, "--out", run)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert last.startswith("mario-agents: lane ")
    assert message in last
    assert "(seed " in last
    (checkpoint,) = list_checkpoints(run / "checkpoints")
    assert f"saved {checkpoint}; to go on: mario-agents resume {run}" in last
    assert "Traceback" not in errors
    assert read_checkpoint(checkpoint)[0].steps == 3 * 64


def test_an_environment_that_hangs_is_named(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    trouble = ["--env-option", "at=50", "--env-option", "trouble=hang", "--patience", 3]
    process = start(*TRAIN, *SMALL, *trouble, "--steps", 10_000, "--out", run)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    last = errors.strip().splitlines()[-1]
    assert "lanes 0 to 3 (seeds 1 to 4) have not moved for 3 seconds, after step 49" in last
    assert list_checkpoints(run / "checkpoints")


def test_an_actor_that_always_dies_ends_the_run(start: Start, tmp_path: Path) -> None:
    trouble = ["--env-option", "at=1", "--env-option", "trouble=die"]
    process = start(*TRAIN, *SMALL, *trouble, "--steps", 10_000, "--out", tmp_path / "run")
    _, errors = process.communicate(timeout=240)
    assert process.returncode == 1
    assert "actor 0 failed 5 times in a row" in errors.strip().splitlines()[-1]


def test_ctrl_c_reaches_the_whole_group_and_saves(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(*TRAIN, *SMALL, "--order", "free", "--steps", 10**7, "--checkpoints", 10**5, "--out", run)
    eventually(lambda: steps_of(run) > 0, "no training")
    for one in (process.pid, *actors_of(process.pid)):
        os.kill(one, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "to go on: mario-agents resume" in errors
    assert "Traceback" not in errors
