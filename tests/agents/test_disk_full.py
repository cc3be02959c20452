"""A disk that fills up while a checkpoint is saved takes nothing that was there."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from mario_agents.checkpoints import list_checkpoints, read_checkpoint

from .conftest import COMMAND


def assert_left_whole(run: Path, before: list[Path], done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    last_line = done.stderr.strip().splitlines()[-1]
    assert "could not be written" in last_line
    assert f"{before[-1]}, is whole; free some space and resume" in last_line
    assert list_checkpoints(run / "checkpoints") == before
    read_checkpoint(before[-1])
    assert not list((run / "checkpoints").glob(".*"))


def resume(run: Path, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    def set_limit() -> None:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    return subprocess.run(
        [*COMMAND, "resume", str(run), "--steps", "512"],
        capture_output=True, text=True, timeout=120, preexec_fn=set_limit,
    )  # fmt: skip


def test_a_file_that_may_not_grow(pole_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(pole_run, run)
    before = list_checkpoints(run / "checkpoints")
    assert_left_whole(run, before, resume(run, limit=before[-1].stat().st_size // 2))


@pytest.fixture
def small_disk(disk_of: Callable[[str], Path]) -> Path:
    return disk_of("2M")


def test_a_disk_without_space(pole_run: Path, small_disk: Path) -> None:
    run = small_disk / "run"
    shutil.copytree(pole_run, run)
    before = list_checkpoints(run / "checkpoints")
    free = shutil.disk_usage(small_disk).free
    (small_disk / "filler").write_bytes(bytes(free - before[-1].stat().st_size // 2))
    assert_left_whole(run, before, resume(run))
    (small_disk / "filler").unlink()
    assert resume(run).returncode == 0


def test_a_video_that_does_not_fit_leaves_nothing(pole_run: Path, small_disk: Path) -> None:
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))
    done = subprocess.run(
        [*COMMAND, "play", str(pole_run), "--video", str(small_disk / "film.mp4"), "--seed", "1"],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
