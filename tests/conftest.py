"""What tests of several packages use."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# For the tests and for every process that they start, before anything reads it. Several tests run at once:
# where each has a thread of torch's for every processor, threads spend their time waiting for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # windows open where there is no display
os.environ["COLUMNS"] = "100"


@pytest.fixture
def disk_of(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount an empty disk of a size such as 2M."""
    disks: list[Path] = []

    def mount(size: str) -> Path:
        disk = tmp_path / f"disk-{len(disks)}"
        disk.mkdir()
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)], capture_output=True, text=True
        )
        if mounted.returncode:
            pytest.skip(f"a small tmpfs needs the right to mount: {mounted.stderr.strip()}")
        disks.append(disk)
        return disk

    yield mount
    for disk in disks:
        subprocess.run(["umount", str(disk)], check=True)
