"""The summary of a table of episodes: what the command line prints and the report's first table shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from mario_eval.schema import TERM_PREFIX
from mario_eval.statistics.aggregates import iqm, optimality_gap
from mario_eval.statistics.intervals import Estimate, bootstrap, wilson

#: Columns that are summarised where the episodes have them, in the order of the report.
MEASURES = ("return", "score", "distance", "steps", "frames")

#: Probabilities of the quantiles given for each measure.
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def numbers(table: pa.Table, column: str) -> NDArray[np.float64]:
    """Return the values of a column as floats, without nulls and NaN; empty if there is no such column."""
    if column not in table.column_names:
        return np.empty(0)
    values = table[column].drop_null()
    if not (
        pa.types.is_integer(values.type)
        or pa.types.is_floating(values.type)
        or pa.types.is_boolean(values.type)
    ):
        return np.empty(0)
    array = np.asarray(values.to_numpy(), np.float64)
    return array[~np.isnan(array)]


def summarise(episodes: pa.Table, targets: Mapping[str, float] | None = None) -> dict[str, Any]:
    """Return the statistics of episodes as numbers that JSON can hold; see ``EvaluationResult.summary``.

    Also has ``reward_terms``: the mean over episodes of each term's sum.

    Args:
        episodes: the table.
        targets: values of measures that count as full success; each measure that has one gets
            ``optimality_gap``: by how much episodes fall short of it on average, none counting above it.
    """
    summary: dict[str, Any] = {"episodes": episodes.num_rows}
    cleared = numbers(episodes, "clear")
    if cleared.size:
        successes = int(cleared.sum())
        low, high = wilson(successes, cleared.size)
        summary["clear_rate"] = {
            "value": successes / cleared.size,
            "low": low,
            "high": high,
            "cleared": successes,
            "episodes": int(cleared.size),
        }
    for measure in MEASURES:
        values = numbers(episodes, measure)
        if values.size:
            summary[measure] = describe(values)
            if targets and measure in targets:
                summary[measure]["optimality_gap"] = gap_to(values, targets[measure])
    terms = [name for name in episodes.column_names if name.startswith(TERM_PREFIX)]
    if terms:
        summary["reward_terms"] = {
            name.removeprefix(TERM_PREFIX): float(numbers(episodes, name).mean()) for name in terms
        }
    return summary


def describe(values: NDArray[np.float64]) -> dict[str, Any]:
    """Return mean, median and interquartile mean with 95 % intervals, and quantiles, of ``[n]`` values."""
    return {
        "mean": _plain(bootstrap([values], lambda strata: strata[0].mean(axis=-1))),
        "median": _plain(bootstrap([values], lambda strata: np.median(strata[0], axis=-1))),
        "iqm": _plain(bootstrap([values], lambda strata: iqm(strata[0]))),
        "quantiles": {
            str(p): float(q) for p, q in zip(QUANTILES, np.quantile(values, QUANTILES), strict=True)
        },
        "min": float(values.min()),
        "max": float(values.max()),
        "std": float(values.std(ddof=1)) if values.size > 1 else 0.0,
    }


def gap_to(values: NDArray[np.float64], target: float) -> dict[str, float]:
    """Return the optimality gap of ``[n]`` values with its 95 % interval, and the ``target``.

    >>> gap_to(np.array([100.0, 500.0]), 475)["value"]
    187.5
    """
    gap = bootstrap([values], lambda strata: optimality_gap(strata[0], target))
    return {**_plain(gap), "target": target}


def _plain(estimate: Estimate) -> dict[str, float]:
    return {"value": estimate.value, "low": estimate.low, "high": estimate.high}
