"""A run's training episodes → its learning curve in a few rows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from mario_eval.training import monitor_files, read_training
from numpy.typing import NDArray

from experiments.errors import ExperimentError

#: Rows of one curve: equal parts of the frames that a run played. A multiple of ten, for tenths of training.
PARTS = 40

#: What is averaged over the episodes that end in a part, where an environment tells it.
MEASURES = ("clear", "score", "distance", "return")


def curve_of(run: Path, frames: int, seconds: float) -> dict[str, NDArray[np.float64]]:
    """Sum up the episodes of a run by parts of its frames.

    Episodes that were cut off at the end, or where a run was stopped, are in no recording; their frames are
    spread evenly over those that are.

    Args:
        run: the run folder.
        frames: that it played.
        seconds: that it kept a processor busy.

    Returns:
        Columns, ``[PARTS]`` each: ``part`` (1 to PARTS), ``frames`` and ``seconds`` at its end, ``episodes``
        that ended in it, and the mean of each measure over them, NaN where there was none.

    Raises:
        ExperimentError: no episode ended.
    """
    training = read_training(monitor_files(run))
    if training is None or "frames" not in training.progress:
        raise ExperimentError(f"{run}: no episode ended in training; give it a larger budget")
    played = training.progress["frames"]
    share = played / played[-1]
    edges = np.linspace(0, 1, PARTS + 1)
    part = np.clip(np.searchsorted(edges, share, side="left") - 1, 0, PARTS - 1)
    episodes = np.bincount(part, minlength=PARTS).astype(np.float64)
    clock = training.progress["seconds"]
    curve = {
        "part": np.arange(1.0, PARTS + 1),
        "frames": np.round(edges[1:] * frames),
        "seconds": np.round(np.interp(edges[1:], share, clock * (seconds / clock[-1])), 1),
        "episodes": episodes,
    }
    for measure in MEASURES:
        if measure in training.episodes:
            sums = np.bincount(part, training.episodes[measure], minlength=PARTS)
            with np.errstate(invalid="ignore"):
                curve[measure] = sums / episodes
    return curve
