"""A disk that fills up while episodes are recorded: one line says so, and what was written stays whole."""

import json
import os
import resource
import shutil
import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from mario_eval import RecordingError, write_report
from mario_eval.recorders import RecordEnv, RecordingFolder
from mario_eval.recordings import Recording

#: Parts of 4,000 steps, so that several are written before the disk is full.
COMMAND = """
import sys
import mario_eval.recorders.folder as folder
folder.ROWS_PER_PART = 4000
from mario_eval.cli import main
main()
"""


def record(out, preexec=None):
    arguments = ["run", "random", "--env", "Pendulum-v1", "--episodes", "100000", "--out", str(out)]
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        capture_output=True, text=True, timeout=120, preexec_fn=preexec,
    )  # fmt: skip


def assert_told_and_whole(out, done):
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith(f"mario-eval: {out}: recording stopped: ")
    assert "free some space" in line
    # Nothing half written is left, and every finished episode that is there has all its steps.
    assert not list(out.rglob("*.tmp"))
    recording = Recording(out)
    parts = list((out / "steps").glob("part-*.parquet"))
    assert f"the {len(parts)} parts of steps" in line
    assert len(parts) >= 2
    counts = np.zeros(recording.episodes["episode"].to_numpy().max() + 1, int)
    for table in recording.steps(["episode"]):
        found = table["episode"].to_numpy()
        counts += np.bincount(found[found < len(counts)], minlength=len(counts))
    for row in recording.episodes.to_pylist():
        assert counts[row["episode"]] == row["steps"] == 200
    assert recording.problems == []


def test_a_disk_without_space(tmp_path, disk_of):
    disk = disk_of("400k")
    done = record(disk / "rec")
    assert "No space left on device" in done.stderr
    assert_told_and_whole(disk / "rec", done)
    assert json.loads((disk / "rec" / "manifest.json").read_text())["end"].startswith("stopped")
    assert write_report([disk / "rec"], tmp_path / "page.html", replays=False).exists()

    free = shutil.disk_usage(disk).free
    (disk / "filler").write_bytes(bytes(free))
    begun = record(disk / "second")
    assert begun.returncode == 2
    assert "cannot be written: No space left on device" in begun.stderr
    assert begun.stderr.count("\n") == 1
    report = subprocess.run(
        [sys.executable, "-c", COMMAND, "report", str(disk / "rec"), "-o", str(disk / "page.html")],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert report.returncode == 2
    # SDL, which draws this environment, may say a line of its own before ours.
    last = report.stderr.splitlines()[-1]
    assert last == f"mario-eval: {disk}/page.html cannot be written: No space left on device"
    assert "Traceback" not in report.stderr


def test_files_that_may_not_grow(tmp_path):
    """A quota refuses in another way: no file may be longer than this, and the second part would be."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))

    done = record(tmp_path / "rec", limit)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "recording stopped: File too large; the 0 parts" in done.stderr
    assert not list((tmp_path / "rec").rglob("part-*"))


def test_a_recorder_that_was_refused_writes_no_more(tmp_path, monkeypatch):
    """Space may come back later; a part written then would leave a hole before it."""
    env = RecordEnv(gymnasium.make("CartPole-v1"), tmp_path / "rec")
    folder = env._session.folder

    def refuse(*_, **__):
        raise OSError(28, os.strerror(28))

    env.reset(seed=1)
    env.step(0)
    folder.flush()
    env.step(1)
    with monkeypatch.context() as full:
        full.setattr("pyarrow.parquet.write_table", refuse)
        with pytest.raises(RecordingError, match="recording stopped: No space left on device; the 1 parts"):
            folder.flush()
    env.step(0)
    env.close()
    assert len(list((tmp_path / "rec" / "steps").iterdir())) == 1
    assert json.loads((tmp_path / "rec" / "manifest.json").read_text())["end"].startswith("stopped: No space")
    # The folder is free again, and refused because there is a recording, not because it is locked.
    with pytest.raises(RecordingError, match="holds a recording already"):
        RecordingFolder(tmp_path / "rec", {})
