"""One self-contained HTML page about recordings and training runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mario_eval.files import replaced_whole
from mario_eval.report.page import render
from mario_eval.report.subjects import open_subject


def write_report(folders: Sequence[Path], out: Path, *, replays: bool = True) -> Path:
    """Write one self-contained HTML page about one or several folders.

    Args:
        folders: evaluation folders, mario-agents run folders, or any folders with ``*.monitor.csv`` files.
        out: the page; replaced whole if it exists.
        replays: whether to replay episodes for videos and maps, which runs the environment that the folder's
            manifest names.

    Returns:
        The absolute path of the page.

    Raises:
        RecordingError: a folder holds nothing to report on.
    """
    page = render([open_subject(folder) for folder in folders], replays=replays)
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    with replaced_whole(out) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return out
