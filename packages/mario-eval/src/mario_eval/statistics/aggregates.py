"""The robust aggregates of Agarwal et al. 2021, "Deep RL at the Edge of the Statistical Precipice"."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats


def iqm(values: ArrayLike) -> NDArray[np.float64]:
    """Return the interquartile mean over the last axis: the mean without the lowest and the highest quarter.

    >>> float(iqm([0, 1, 2, 3, 4, 5, 6, 100]))
    3.5
    """
    return np.asarray(stats.trim_mean(np.asarray(values, np.float64), 0.25, axis=-1))


def optimality_gap(values: ArrayLike, target: float = 1.0) -> NDArray[np.float64]:
    """Return by how much values fall short of a target on average over the last axis; none counts above it.

    >>> float(optimality_gap([0.5, 2.0]))
    0.25
    """
    return np.asarray(target - np.minimum(np.asarray(values, np.float64), target).mean(axis=-1))


def performance_profile(values: ArrayLike, thresholds: ArrayLike) -> NDArray[np.float64]:
    """Return the share of values above each threshold, ``[len(thresholds)]``.

    >>> performance_profile([1, 2, 3, 4], [0, 2, 4])
    array([1. , 0.5, 0. ])
    """
    ordered = np.sort(np.asarray(values, np.float64).ravel())
    return 1 - np.searchsorted(ordered, np.asarray(thresholds, np.float64), side="right") / len(ordered)


def probability_of_improvement(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Return the probability that a run of ours beats one of theirs; ties count half (Mann–Whitney's U).

    >>> probability_of_improvement([2, 3], [1, 2])
    0.875
    """
    first, second = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    u = stats.mannwhitneyu(first, second, alternative="two-sided", method="asymptotic").statistic
    return float(u / (first.size * second.size))
