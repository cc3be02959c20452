"""A minute of trouble, or some seconds of it: actors that are killed again and again, and one side too slow.

Seconds by default; MARIO_LONG=1, or ``nox -s long``, takes the minute.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mario_agents.checkpoints import list_checkpoints
from mario_agents.sampling.shared import PREFIX
from mario_agents.saved_replay import replay_of
from mario_agents.storage.saved import SavedArrays

from .test_faults import Start, actors_of, eventually, start, steps_of

pytestmark = pytest.mark.timed

__all__ = ["start"]  # a fixture

LONG = bool(os.environ.get("MARIO_LONG"))
SECONDS = 60.0 if LONG else 8.0
KILL_EVERY = 5.0 if LONG else 2.0
#: So many that each has the time to start before it is its turn again; importing torch is slow.
ACTORS = 4
#: Growth that is no leak: allocators keep pages, and a replay and logs are first filled.
MEBIBYTE = 2**20
SLACK = 24 * MEBIBYTE
TRAIN = [
    "train", "dqn", "--sampler", "async", "--order", "free", "--lanes", 4, "--seed", 1, "--steps", 10**9,
    "--set", "buffer_size=5000", "--set", "learning_starts=64", "--set", "train_freq=4",
    "--set", "policy_kwargs={net_arch: [16]}",
]  # fmt: skip


def resident(process: int) -> int:
    """Bytes of memory that a process holds; 0 if it is gone."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def shared(learner: int) -> int:
    """Bytes of a run's shared memory."""
    return sum(path.stat().st_size for path in Path("/dev/shm").glob(f"{PREFIX}{learner}_*"))


def watch(process: subprocess.Popen[str], seconds: float, each: Callable[[float], None]) -> dict[str, Any]:
    """Watch a training run from its first steps on.

    Args:
        process: the learner.
        seconds: how long.
        each: called ten times a second with the seconds so far.

    Returns:
        Of learner, actors and shared memory: seconds → bytes.
    """
    held: dict[str, dict[float, int]] = {}
    now, looked_at = 0.0, time.monotonic()
    while now < seconds:
        # What the machine spends elsewhere, asleep or stopped, is not time of the run.
        now += min(time.monotonic() - looked_at, 0.5)
        looked_at = time.monotonic()
        assert process.poll() is None, process.communicate()
        sizes = {
            "learner": resident(process.pid),
            # One that has just been started still imports, and grows; the others do not.
            "the largest actor": max(map(resident, actors_of(process.pid)), default=0),
            "shared memory": shared(process.pid),
        }
        for name, size in sizes.items():
            held.setdefault(name, {})[now] = size
        each(now)
        time.sleep(0.1)
    return held


def assert_bounded(held: dict[str, dict[float, int]], seconds: float) -> None:
    """What was held in the last third is not more than what was held before, but for some slack."""
    for name, sizes in held.items():
        early = max(size for second, size in sizes.items() if second < seconds * 2 / 3)
        late = max(size for second, size in sizes.items() if second >= seconds * 2 / 3)
        print(f"{name}: {early / MEBIBYTE:.1f} MiB, then {late / MEBIBYTE:.1f} MiB")
        assert late <= early + SLACK, f"{name} grows"


def end(process: subprocess.Popen[str], run: Path) -> dict[str, Any]:
    """End a run as Ctrl-C does, and return what it recorded of its sampling."""
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    sampling: dict[str, Any] = json.loads((run / "manifest.json").read_text())["calls"][0]["sampling"]
    return sampling


def test_training_goes_on_while_actors_are_killed(start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    process = start(
        *TRAIN, "--env", "timed_env:Sealed-v0", "--actors", ACTORS, "--checkpoints", 10**7,
        "--env-option", "pause=0.001", "--out", run,
    )  # fmt: skip
    eventually(lambda: steps_of(run) > 0, "no training")
    killed: list[int] = []
    steps: list[int] = []

    def kill_one(now: float) -> None:
        if now >= (len(killed) + 1) * KILL_EVERY:
            victims = [actor for actor in actors_of(process.pid) if actor not in killed]
            os.kill(victims[0], signal.SIGKILL)
            killed.append(victims[0])
            steps.append(steps_of(run))

    held = watch(process, SECONDS, kill_one)
    assert len(killed) >= SECONDS // KILL_EVERY - 1
    assert steps[-1] > steps[0], "training stood still between the first kill and the last"
    eventually(lambda: steps_of(run) > steps[-1], "training has ended")
    eventually(lambda: len(actors_of(process.pid)) == ACTORS, "an actor is missing")
    sampling = end(process, run)
    print(f"killed {len(killed)}, replaced {sampling['replaced']}, {steps_of(run):,} steps")
    assert sampling["replaced"] == len(killed)
    assert_bounded(held, SECONDS)
    assert_sealed(run)
    assert not list((run / "checkpoints").glob(".*"))


def assert_sealed(run: Path) -> None:
    """Every transition in the replay is one that the environment gave: none was half written."""
    with zipfile.ZipFile(replay_of(list_checkpoints(run / "checkpoints")[-1])) as archive:
        saved = SavedArrays(archive)
        now, following, rewards = saved["now/"], saved["next/"], saved["columns/rewards"]
    assert len(now) > 1000
    for rows in (now, following):
        np.testing.assert_array_equal(rows[:, 2], rows[:, 0] + rows[:, 1])
    np.testing.assert_array_equal(following[:, 0], now[:, 0])
    np.testing.assert_array_equal(following[:, 1], now[:, 1] + 1)
    np.testing.assert_array_equal(rewards, now[:, 2])


@pytest.mark.parametrize("slow", ["learner", "actors"])
def test_memory_is_bounded_where_one_side_is_slow(slow: str, start: Start, tmp_path: Path) -> None:
    run = tmp_path / "run"
    slowly = (
        # Slow, but not so slow that it has taken no block by the end in which an actor had to wait.
        ["--set", "gradient_steps=50", "--set", "batch_size=256"]
        if slow == "learner"
        else ["--env-option", "pause=0.02"]
    )
    process = start(
        *TRAIN, "--env", "timed_env:Sealed-v0", "--actors", 2, "--checkpoints", 10**7, *slowly, "--out", run
    )
    eventually(lambda: steps_of(run) > 64, "no training")
    held = watch(process, SECONDS, lambda _: None)
    sampling = end(process, run)
    learner_idle, actor_idle = sampling["learner_idle"], np.mean(list(sampling["actor_idle"].values()))
    print(f"learner waits {learner_idle:.0%}, actors wait {actor_idle:.0%}, {steps_of(run):,} steps")
    assert (actor_idle if slow == "learner" else learner_idle) > 0.5, "the wrong side waits"
    assert_bounded(held, SECONDS)
