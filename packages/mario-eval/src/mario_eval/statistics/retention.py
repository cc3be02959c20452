"""How much of its best a training run still had at its end: peaks that do not hold are the failure to see."""

from __future__ import annotations

import numpy as np

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
