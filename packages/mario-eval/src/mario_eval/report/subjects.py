"""What a report is about: a folder and everything that was found in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mario_eval.errors import RecordingError
from mario_eval.recordings import Recording
from mario_eval.statistics.summary import summarise
from mario_eval.training import Training, monitor_files, read_training
from mario_eval.training_holds import ButtonHolds, holds_files, read_holds


@dataclass(frozen=True)
class Subject:
    """One folder given to a report.

    Attributes:
        path: the folder.
        name: what the page calls it.
        recording: its evaluation, if it has one.
        training: its training episodes, if it has some.
        manifest: of the training run, if there is one; the evaluation's is in ``recording``.
        problems: what could not be read, one line each.
        group: the algorithm that the run is one of; empty if runs are not grouped.
        targets: values of measures that count as full success.
        holds: how long each button was held over training; empty if that is not known.
    """

    path: Path
    name: str
    recording: Recording | None
    training: Training | None
    manifest: dict[str, Any]
    problems: list[str]
    group: str = ""
    targets: dict[str, float] = field(default_factory=dict)
    holds: dict[str, ButtonHolds] = field(default_factory=dict)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Statistics of the evaluation; empty if there is none."""
        return {} if self.recording is None else summarise(self.recording.episodes, self.targets)


def open_subject(path: Path, group: str = "", targets: Mapping[str, float] | None = None) -> Subject:
    """Find out what a folder holds.

    Args:
        path: an evaluation folder, a run folder (``training/``, ``evaluation/``), or one with monitor files.
        group: the algorithm that the run is one of, for comparisons over several runs.
        targets: values of measures that count as full success, over what the recording says itself.

    Raises:
        RecordingError: there is nothing to report on.
    """
    if not path.is_dir():
        raise RecordingError(f"{path} is not a folder; give the folder of an evaluation or of a training run")
    if (path / "episodes").is_dir():
        recording = Recording(path)
        aims = {**recording.targets, **(targets or {})}
        return Subject(path, recording.name, recording, None, {}, recording.problems, group, aims)

    problems: list[str] = []
    found: Recording | None = None
    if (path / "evaluation").is_dir():
        try:
            found = Recording(path / "evaluation")
            problems = found.problems
        except RecordingError as error:
            problems.append(str(error))
    training = read_training(monitor_files(path))
    if training is not None:
        problems.extend(training.problems)
    if found is None and training is None:
        why = f" ({'; '.join(problems)})" if problems else ""
        raise RecordingError(f"{path} holds neither an evaluation nor monitor files of a training run{why}")
    aims = {**(found.targets if found is not None else {}), **(targets or {})}
    holds = read_holds(holds_files(path), problems)
    return Subject(
        path, path.name, found, training, _run_manifest(path, problems), problems, group, aims, holds
    )


def _run_manifest(path: Path, problems: list[str]) -> dict[str, Any]:
    file = path / "manifest.json"
    if not file.exists():
        return {}
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        problems.append(f"manifest.json skipped: {error}")
        return {}
    return document if isinstance(document, dict) else {}
