"""One self-contained HTML page about recordings and training runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mario_eval.errors import EvaluationError, RecordingError
from mario_eval.files import replaced_whole
from mario_eval.recordings import Recording
from mario_eval.report.page import render
from mario_eval.report.subjects import open_subject


def write_report(
    folders: Sequence[Path],
    out: Path,
    *,
    replays: bool = True,
    baselines: Sequence[Path] = (),
    targets: Mapping[str, float] | None = None,
) -> Path:
    """Write one self-contained HTML page about one or several folders.

    Args:
        folders: evaluation folders, mario-agents run folders, or any folders with ``*.monitor.csv`` files.
        out: the page; replaced whole if it exists.
        replays: whether to replay episodes for videos and maps, which runs the environment that the folder's
            manifest names.
        baselines: evaluation folders whose score events count as known, so that the page tells hidden
            rewards.
        targets: values of measures (``score``, ``distance``, ``return``, …) that count as full success; the
            page then tells the optimality gap to them. The return from which on an environment counts as
            solved, as its registration says, is one by default.

    Returns:
        The absolute path of the page.

    Raises:
        RecordingError: a folder holds nothing to report on, or the page cannot be written.
    """
    subjects = [open_subject(folder, targets=targets) for folder in folders]
    known = [Recording(baseline) for baseline in baselines]
    return _write(render(subjects, replays=replays, baselines=known), out)


def write_comparison(
    folders: Sequence[Path],
    out: Path,
    *,
    groups: Sequence[str] = (),
    targets: Mapping[str, float] | None = None,
) -> Path:
    """Write one self-contained HTML page that puts runs side by side.

    Args:
        folders: two or more, of the same kinds as in :func:`write_report`.
        out: the page; replaced whole if it exists.
        groups: for each folder the name of the algorithm that it is one run of, or empty; with names, the
            page also tells statistics over runs.
        targets: as in :func:`write_report`.

    Returns:
        The absolute path of the page.

    Raises:
        EvaluationError: fewer than two folders, or not as many groups.
        RecordingError: a folder holds nothing to compare, or the page cannot be written.
    """
    if len(folders) < 2:
        raise EvaluationError("a comparison needs two folders or more")
    names = groups or [""] * len(folders)
    if len(names) != len(folders):
        raise EvaluationError(f"{len(folders)} folders but {len(names)} groups: give one for each")
    subjects = [open_subject(folder, name, targets) for folder, name in zip(folders, names, strict=True)]
    return _write(render(subjects, alone=True), out)


def _write(page: str, out: Path) -> Path:
    out = out.absolute()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with replaced_whole(out) as temporary:
            temporary.write_text(page, encoding="utf-8")
    except OSError as error:
        raise RecordingError(f"{out} cannot be written: {error.strerror or error}") from error
    return out
