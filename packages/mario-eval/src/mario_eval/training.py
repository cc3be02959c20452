"""Reads the episodes of training from Stable-Baselines3 monitor files, and smooths them."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

#: Columns of a monitor file and what we call them.
_NAMES = {"r": "return", "l": "steps", "t": "seconds"}

#: Units in which progress can be counted, in the order in which the report offers them.
PROGRESS = ("steps", "frames", "seconds")

#: Points drawn of one learning curve.
_POINTS = 240


@dataclass(frozen=True)
class Training:
    """The episodes of a training run, in the order in which they ended.

    Attributes:
        episodes: ``[n]`` floats each: ``return``, ``steps``, and whatever the files have besides, such as
            ``score``, ``distance``, ``clear``, ``frames``.
        progress: ``[n]`` floats each, how far training was at the episode's end: ``steps``, ``seconds`` and,
            where known, ``frames``.
        problems: one line for each file or row that was skipped.
    """

    episodes: dict[str, NDArray[np.float64]]
    progress: dict[str, NDArray[np.float64]]
    problems: list[str]

    @property
    def count(self) -> int:
        """Number of episodes."""
        return len(self.episodes["return"])


@dataclass(frozen=True)
class Curve:
    """A rolling mean over episodes with its 95 % interval; arrays of equal length.

    Attributes:
        progress: where training was, by unit.
        mean: the rolling mean.
        low: lower end of its interval.
        high: upper end.
        window: episodes that each point averages.
    """

    progress: dict[str, NDArray[np.float64]]
    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    window: int


def monitor_files(folder: Path) -> list[Path]:
    """Return the monitor files of a run folder (in ``training/``) or of any folder that has them directly."""
    return sorted([*folder.glob("training/*monitor.csv"), *folder.glob("*monitor.csv")])


def read_training(files: Sequence[Path]) -> Training | None:
    """Read monitor files of one run: of several environments side by side, or of one run that was resumed.

    Files that overlap in time ran side by side. Where one begins after all before it had ended, the pause
    between is left out of the seconds.

    Returns:
        The episodes, or None if no file holds any.
    """
    problems: list[str] = []
    pieces: list[tuple[float, dict[str, NDArray[np.float64]]]] = []
    for file in files:
        try:
            pieces.append(_read_monitor(file, problems))
        except (OSError, ValueError, pa.ArrowInvalid) as error:
            problems.append(f"{file.name} skipped: {str(error).splitlines()[0][:120]}")
    pieces = sorted((piece for piece in pieces if len(piece[1]["return"])), key=lambda piece: piece[0])
    if not pieces:
        return None

    began = ended = pieces[0][0]
    pauses = 0.0
    for start, columns in pieces:
        pauses += max(0.0, start - ended)
        ended = max(ended, start + columns["seconds"].max())
        columns["seconds"] = columns["seconds"] + (start - pauses - began)
    names = dict.fromkeys(name for _, columns in pieces for name in columns)
    merged = {
        name: np.concatenate(
            [columns.get(name, np.full(len(columns["return"]), np.nan)) for _, columns in pieces]
        )
        for name in names
    }
    order = np.argsort(merged["seconds"], kind="stable")
    merged = {name: values[order] for name, values in merged.items()}
    progress = {"steps": np.cumsum(merged["steps"]), "seconds": merged.pop("seconds")}
    frames = merged.get("frames", merged.get("episode_frames"))
    if frames is not None and not np.isnan(frames).any():
        progress["frames"] = np.cumsum(frames)
    return Training(merged, progress, problems)


def rolling(training: Training, measure: str) -> Curve | None:
    """Smooth one measure of the training episodes.

    The window is a twentieth of the episodes, at least 10 and at most 200. The interval is the mean ± 1.96
    standard errors: it tells how well the window's episodes pin down the mean, not how runs would differ.

    Returns:
        At most 240 points, or None if the measure is missing or has fewer than two values.
    """
    values = training.episodes.get(measure)
    if values is None:
        return None
    kept = ~np.isnan(values)
    values = values[kept]
    if len(values) < 2:
        return None
    window = int(np.clip(len(values) // 20, 10, 200))
    # Points before the first whole window would jump about.
    first = min(window, len(values))
    ends = np.unique(np.linspace(first, len(values), min(_POINTS, len(values))).round().astype(int))
    starts = np.maximum(ends - window, 0)
    # Sums of squares of centred values, or large returns would cancel to noise.
    centre = values.mean()
    sums = np.concatenate([[0.0], np.cumsum(values - centre)])
    squares = np.concatenate([[0.0], np.cumsum((values - centre) ** 2)])
    counts = ends - starts
    offset = (sums[ends] - sums[starts]) / counts
    variance = np.maximum((squares[ends] - squares[starts]) / counts - offset**2, 0.0)
    half = 1.96 * np.sqrt(variance / counts)
    # A mean lies among its values; the sums above may miss that by a rounding error.
    mean = np.clip(centre + offset, values.min(), values.max())
    low, high = mean - half, mean + half
    if measure == "clear":
        low, high = np.maximum(low, 0.0), np.minimum(high, 1.0)
    progress = {unit: points[kept][ends - 1] for unit, points in training.progress.items()}
    return Curve(progress, mean, low, high, window)


def _read_monitor(file: Path, problems: list[str]) -> tuple[float, dict[str, NDArray[np.float64]]]:
    """Return when the file began and its columns; a row cut off while it was written is left out."""
    with file.open("rb") as opened:
        first = opened.readline()
        rest = opened.read()
    if not first.startswith(b"#"):
        raise ValueError("not a monitor file: its first line is not #{…}")
    header = json.loads(first[1:])
    start = float(header.get("t_start", 0.0)) if isinstance(header, dict) else 0.0
    # A line without its newline may still be growing.
    rest = rest[: rest.rfind(b"\n") + 1]
    if not rest.strip():
        return start, {"return": np.empty(0), "steps": np.empty(0), "seconds": np.empty(0)}

    def skip(row: Any) -> Any:
        problems.append(
            f"{file.name}: a row with {row.actual_columns} instead of {row.expected_columns} values skipped"
        )
        return "skip"

    table = csv.read_csv(io.BytesIO(rest), parse_options=csv.ParseOptions(invalid_row_handler=skip))
    missing = {"r", "l", "t"} - set(table.column_names)
    if missing:
        raise ValueError(f"not a monitor file: no column {', '.join(sorted(missing))}")
    columns: dict[str, NDArray[np.float64]] = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            columns[_NAMES.get(name, name)] = column.to_numpy().astype(np.float64)
        elif name in _NAMES:
            raise ValueError(f"column {name} holds something that is no number")
    return start, columns
