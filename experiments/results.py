"""What is kept of each cell, in the repository: a line of JSON, and a curve in a CSV file.

``NAME.jsonl`` has one line per finished cell, ``NAME.curves.csv`` the curves. A cell is finished when its
line is there; the curve is written before it.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from mario_agents.atomic import write_atomically
from mario_agents.config import TrainConfig
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from experiments.curves import MEASURES
from experiments.errors import ExperimentError
from experiments.protocol import VERSION, Cell

_COLUMNS = ("arm", "seed", "part", "frames", "seconds", "episodes", *MEASURES)
_WHOLE = ("part", "frames", "episodes")


class Result(BaseModel):
    """One finished cell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    protocol: int = Field(description="layout of this line")
    arm: str
    seed: int
    steps: int = Field(description="decisions in training, summed over lanes")
    frames: int = Field(description="emulated frames in training, summed over lanes")
    seconds: float = Field(description="that training, updates included, kept a processor busy")
    episodes: int = Field(description="that ended in training")
    calls: int = Field(description="of train and resume: above 1 it was interrupted and went on")
    started: str = Field(description="UTC time, ISO 8601")
    train: str = Field(description="the command that trained it")
    evaluate: str = Field(description="the command that judged it")
    evaluation: dict[str, Any] = Field(
        description="episodes, cleared, and of each measure mean and interquartile mean over them"
    )
    config: dict[str, Any] = Field(description="everything the run was told, hyper-parameters included")
    versions: dict[str, str] = Field(description="of what was installed and has a say in the figures")
    git_commit: str | None = Field(description="'+' if something was changed")

    def tells(self, measure: str) -> bool:
        """Tell whether the environment tells of a measure: ``clear``, or one of mario-eval's."""
        return ("cleared" if measure == "clear" else measure) in self.evaluation

    def value(self, measure: str) -> float:
        """Return what the run reached in its evaluation: the clear rate, or the mean over its episodes."""
        if measure == "clear":
            return float(self.evaluation["cleared"] / self.evaluation["episodes"])
        return float(self.evaluation[measure]["mean"])


Curve = dict[str, NDArray[np.float64]]


@dataclass
class Results:
    """The results of one comparison.

    Attributes:
        path: ``NAME.jsonl``.
        lines: by arm and seed.
        curves: columns by arm and seed.
    """

    path: Path
    lines: dict[tuple[str, int], Result]
    curves: dict[tuple[str, int], Curve]

    def add(self, result: Result, curve: Curve) -> None:
        """Write a finished cell."""
        key = (result.arm, result.seed)
        self.lines[key], self.curves[key] = result, curve
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_curves_of(self.path), _curves_as_csv(self.curves).encode())
        lines = (self.lines[one].model_dump_json() + "\n" for one in sorted(self.lines))
        write_atomically(self.path, "".join(lines).encode())

    def has(self, cell: Cell) -> bool:
        """Tell whether a cell is finished.

        Raises:
            ExperimentError: it is, but by another protocol or other hyper-parameters than those of now.
        """
        line = self.lines.get((cell.arm_name, cell.seed))
        if line is None:
            return False
        other = differences(line.config, cell.config())
        asked = cell.comparison.evaluation
        if f"--episodes {asked.episodes} --seed {asked.seed} " not in line.evaluate:
            other.append("evaluation")
        if other:
            raise ExperimentError(
                f"{self.path}: arm {line.arm}, seed {line.seed}, was run with other {', '.join(other)} than "
                "the protocol and hyperparams/*.yml have now; delete such lines to run them again"
            )
        return True


def differences(then: Mapping[str, Any], now: TrainConfig) -> list[str]:
    """Return the names of the settings in which a run differs from what it would be told now.

    Args:
        then: the settings as JSON has them; what has been added since counts as its default.
        now: the settings.
    """
    try:
        whole = TrainConfig.model_validate(then)
    except ValidationError:
        return ["settings"]
    before, after = (json.loads(config.model_dump_json()) for config in (whole, now))
    return [name for name, value in after.items() if before[name] != value]


def read_results(folder: Path, name: str) -> Results:
    """Read what is there of a comparison.

    Raises:
        ExperimentError: a file is damaged, or of another version.
    """
    path = folder / f"{name}.jsonl"
    lines: dict[tuple[str, int], Result] = {}
    for number, text in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), 1):
        try:
            document = json.loads(text)
            version = document.get("protocol")
            if version != VERSION:
                raise ExperimentError(
                    f"{path}, line {number}, is of version {version!r} of the protocol, this code reads "
                    f"version {VERSION}; move the file away, or use the code that wrote it"
                )
            line = Result.model_validate(document)
        except (ValueError, AttributeError) as error:
            if isinstance(error, ExperimentError):
                raise
            reason = "not one of ours" if isinstance(error, ValidationError) else "no JSON object"
            raise ExperimentError(f"{path}, line {number}: {reason}; delete the line") from error
        lines[line.arm, line.seed] = line
    curves = _read_curves(_curves_of(path))
    for arm, seed in lines:
        if (arm, seed) not in curves:
            raise ExperimentError(
                f"{_curves_of(path)} has no curve of arm {arm}, seed {seed}; delete its line in {path.name}"
            )
    return Results(path, lines, {key: curves[key] for key in lines})


def _curves_of(path: Path) -> Path:
    return path.with_suffix(".curves.csv")


def _curves_as_csv(curves: dict[tuple[str, int], Curve]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    for (arm, seed), curve in sorted(curves.items()):
        for row in range(len(curve["part"])):
            values = (_written(name, curve[name][row]) if name in curve else "" for name in _COLUMNS[2:])
            writer.writerow([arm, seed, *values])
    return text.getvalue()


def _written(name: str, value: float) -> str:
    """Write a number short; NaN is an empty field."""
    if math.isnan(value):
        return ""
    return str(round(value)) if name in _WHOLE else f"{value:.6g}"


def _read_curves(path: Path) -> dict[tuple[str, int], Curve]:
    if not path.exists():
        return {}
    rows: dict[tuple[str, int], list[list[float]]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            if tuple(next(reader, ())) != _COLUMNS:
                raise ValueError("its columns are others")
            for arm, seed, *values in reader:
                if len(values) != len(_COLUMNS) - 2:
                    raise ValueError("a row is cut short")
                rows.setdefault((arm, int(seed)), []).append([float(value or "nan") for value in values])
    except ValueError as error:
        raise ExperimentError(f"{path} is damaged: {error}; take it back from git") from error
    curves = {}
    for key, read in rows.items():
        columns = dict(zip(_COLUMNS[2:], np.array(read).T, strict=True))
        curves[key] = {name: column for name, column in columns.items() if not np.isnan(column).all()}
    return curves
