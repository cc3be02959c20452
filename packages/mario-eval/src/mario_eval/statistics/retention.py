"""How much of its best a training run still had at its end: peaks that do not hold are the failure to see."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mario_eval.training import Training, rolling


def retention(training: Training, measure: str) -> float | None:
    """Return the last value of a measure's learning curve as a share of its highest.

    1 means that the run ended at its best. Ratios mean nothing for measures below zero, so None is returned
    if the curve goes there, as it is if there is no curve.
    """
    curve = rolling(training, measure)
    if curve is None or np.min(curve.mean) < 0 or np.max(curve.mean) <= 0:
        return None
    return float(curve.mean[-1] / np.max(curve.mean))


def retention_of_tenths(means: NDArray[np.float64], episodes: NDArray[np.float64]) -> float | None:
    """Return the mean over the last tenth of training as a share of that over the best tenth.

    Args:
        means: of a measure over equal parts of training, float ``[10 n]``; NaN where no episode ended.
        episodes: that ended in each part, ``[10 n]``.

    Returns:
        None if a mean is below zero, where ratios mean nothing, if all are zero, or if no episode ended in
        the last tenth.

    >>> retention_of_tenths(np.array([0.0, 1, 2, 3, 4, 5, 8, 7, 6, 6]), np.ones(10))
    0.75
    """
    counts = episodes.reshape(10, -1).sum(axis=1)
    sums = np.where(episodes > 0, means * episodes, 0.0).reshape(10, -1).sum(axis=1)
    tenths = sums[counts > 0] / counts[counts > 0]
    if counts[-1] == 0 or tenths.min() < 0 or tenths.max() == 0:
        return None
    return float(tenths[-1] / tenths.max())
