"""One self-contained HTML page about recordings and training runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def write_report(folders: Sequence[Path], out: Path) -> Path:
    """Write one self-contained HTML page about one or several folders.

    Args:
        folders: evaluation folders, mario-agents run folders, or any folders with ``*.monitor.csv`` files.
        out: the page; replaced whole if it exists.

    Returns:
        The absolute path of the page.

    Raises:
        RecordingError: a folder holds nothing to report on.
    """
    raise NotImplementedError
