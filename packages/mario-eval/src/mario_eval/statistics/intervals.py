"""Intervals: Wilson's for a rate, the bootstrap's for anything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

#: Values that one bootstrap batch may draw, to bound its memory (8 bytes each).
_BATCH_VALUES = 1_000_000

#: Values that a whole bootstrap may draw, to bound its time. Beyond it fewer samples are drawn, 200 at least:
#: with so many values the interval is narrow, and so is the error that fewer samples make of its ends.
_MOST_VALUES = 4_000_000


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval, in the unit of what was measured.

    Attributes:
        value: the estimate.
        low: lower end of the interval.
        high: upper end.
    """

    value: float
    low: float
    high: float


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return Wilson's score interval of a rate, without continuity correction.

    >>> [round(end, 4) for end in wilson(8, 10)]
    [0.4902, 0.9433]
    """
    if trials == 0:
        return 0.0, 1.0
    interval = stats.binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def bootstrap(
    strata: list[NDArray[np.float64]],
    statistic: Callable[[list[NDArray[np.float64]]], NDArray[np.float64]],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Estimate:
    """Return a statistic with its stratified percentile bootstrap interval (95 %).

    Each stratum is resampled by itself and keeps its size: for episodes of one agent there is one stratum,
    for runs over several tasks one per task (Agarwal et al. 2021).

    Args:
        strata: float ``[n_i]`` each, none empty.
        statistic: takes a list of ``[..., n_i]`` arrays and reduces their last axes to ``[...]``.
        resamples: number of bootstrap samples; fewer, but 200 at least, beyond 2,000 values.
        seed: of the resampling, so that a report of the same data shows the same numbers.
    """
    value = float(statistic(strata))
    if all(len(stratum) < 2 or np.ptp(stratum) == 0 for stratum in strata):
        return Estimate(value, value, value)
    size = sum(len(stratum) for stratum in strata)
    resamples = min(resamples, max(200, _MOST_VALUES // size))
    interval = stats.bootstrap(
        [np.concatenate([stratum, stratum]) if len(stratum) == 1 else stratum for stratum in strata],
        lambda *samples, axis=-1: statistic(list(samples)),
        n_resamples=resamples,
        batch=max(1, min(resamples, _BATCH_VALUES // size)),
        vectorized=True,
        paired=False,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return Estimate(value, float(interval.low), float(interval.high))
