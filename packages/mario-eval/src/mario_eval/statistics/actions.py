"""What a policy did: how often each action, or the mean and spread of each number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mario_eval.recordings import Recording
from mario_eval.statistics.hand import BUTTONS

#: Stretches of episodes that are told apart.
STRETCHES = 20

#: More actions, or numbers in one, than a reader can take in.
_MOST = 64


@dataclass(frozen=True)
class Actions:
    """The actions of a recording, by stretch of episodes.

    Attributes:
        discrete: True if ``mean`` is the share of steps with each action, False if it is the mean of each
            number.
        names: of the actions, or of the numbers in one.
        episodes: ``[stretches]``, the last episode of each.
        mean: ``[stretches, names]``.
        std: ``[stretches, names]``, of each number over the steps; zeros for discrete actions.
        overall_mean: ``[names]`` over all steps.
        overall_std: ``[names]`` over all steps.
    """

    discrete: bool
    names: list[str]
    episodes: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    overall_mean: NDArray[np.float64]
    overall_std: NDArray[np.float64]


def actions_of(recording: Recording) -> Actions | None:
    """Sum up the actions; None if none were recorded, or they are neither discrete nor plain numbers.

    Streams over the steps: memory does not grow with their number.
    """
    last = int(recording.episodes["episode"].to_numpy().max())
    edges = np.unique(np.linspace(0, last + 1, STRETCHES + 1).astype(np.int64))
    stretches = len(edges) - 1
    counts = np.zeros(stretches)
    sums = squares = np.zeros((stretches, 0))
    discrete = False
    for table in recording.steps(["episode", "action"]):
        read = _numbers(table)
        if read is None or (counts.any() and (read[1] != discrete)):
            return None
        values, discrete = read
        if discrete:
            if values.min() < 0 or values.max() >= _MOST:
                return None
            values = np.eye(max(int(values.max()) + 1, sums.shape[1]))[values.astype(int)[:, 0]]
        wider = values.shape[1] - sums.shape[1]
        if wider > 0:
            sums, squares = (np.pad(array, ((0, 0), (0, wider))) for array in (sums, squares))
        where = np.searchsorted(edges, np.asarray(table["episode"].to_numpy()), side="right") - 1
        kept = where < stretches  # steps of episodes that never ended
        counts += np.bincount(where[kept], minlength=stretches)
        for name in range(values.shape[1]):
            column = values[kept, name]
            sums[:, name] += np.bincount(where[kept], column, minlength=stretches)
            squares[:, name] += np.bincount(where[kept], column**2, minlength=stretches)
    if not counts.any():
        return None

    mean, std = _moments(sums, squares, counts[:, None])
    overall_mean, overall_std = _moments(sums.sum(axis=0), squares.sum(axis=0), counts.sum())
    played = counts > 0
    return Actions(
        discrete=discrete,
        names=_names(recording, discrete, sums.shape[1]),
        episodes=edges[1:][played] - 1,
        mean=mean[played],
        std=np.zeros_like(mean[played]) if discrete else std[played],
        overall_mean=overall_mean,
        overall_std=np.zeros_like(overall_mean) if discrete else overall_std,
    )


def _numbers(table: pa.Table) -> tuple[NDArray[np.float64], bool] | None:
    """Return the actions as ``[rows, n]`` and whether they are discrete."""
    if "action" not in table.column_names:
        return None
    column: Any = table["action"].combine_chunks()
    if pa.types.is_integer(column.type):
        return np.asarray(column.to_numpy(), np.float64)[:, None], True
    if pa.types.is_fixed_size_list(column.type) and column.type.list_size <= _MOST:
        flat = np.asarray(column.flatten().to_numpy(), np.float64)
        return flat.reshape(-1, column.type.list_size), False
    return None


def _moments(
    sums: NDArray[np.float64], squares: NDArray[np.float64], counts: NDArray[np.float64] | np.float64
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    counts = np.maximum(counts, 1)
    mean = sums / counts
    return mean, np.sqrt(np.maximum(squares / counts - mean**2, 0.0))


def _names(recording: Recording, discrete: bool, count: int) -> list[str]:
    # Six numbers of an environment that tells of six buttons are those buttons.
    if not discrete and count == len(BUTTONS) and "pressed" in recording.step_columns():
        return list(BUTTONS)
    return [f"{'action' if discrete else 'number'} {index}" for index in range(count)]
