"""Statistics over training runs: for a claim about an algorithm, the sampling unit is the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mario_eval.statistics.aggregates import iqm, optimality_gap, probability_of_improvement
from mario_eval.statistics.intervals import Estimate, bootstrap

_RESAMPLES = 1000


@dataclass(frozen=True)
class GroupStatistics:
    """What several runs of one algorithm reached, each run one value, with stratified bootstrap intervals.

    Attributes:
        runs: number of runs.
        tasks: number of tasks, the strata.
        mean: over all runs.
        median: of the tasks' means, as Agarwal et al. 2021 aggregate it.
        iqm: interquartile mean over all runs.
        gap: optimality gap to 1, for values where 1 is full success.
    """

    runs: int
    tasks: int
    mean: Estimate
    median: Estimate
    iqm: Estimate
    gap: Estimate


def group_statistics(values: Mapping[str, NDArray[np.float64]]) -> GroupStatistics:
    """Aggregate runs over tasks.

    Args:
        values: for each task, one value per run, float ``[runs]``; no task may be empty.
    """
    strata = [np.asarray(runs, np.float64) for runs in values.values()]

    def pooled(samples: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.concatenate(samples, axis=-1)

    def median_of_means(samples: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        return np.asarray(np.median([sample.mean(axis=-1) for sample in samples], axis=0))

    return GroupStatistics(
        runs=sum(len(stratum) for stratum in strata),
        tasks=len(strata),
        mean=bootstrap(strata, lambda samples: pooled(samples).mean(axis=-1)),
        median=bootstrap(strata, median_of_means),
        iqm=bootstrap(strata, lambda samples: iqm(pooled(samples))),
        gap=bootstrap(strata, lambda samples: optimality_gap(pooled(samples))),
    )


def group_profile(
    values: Mapping[str, NDArray[np.float64]], thresholds: NDArray[np.float64], seed: int = 0
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the performance profile over runs: which share of them, of all tasks, is above each threshold.

    Args:
        values: for each task, one value per run, float ``[runs]``.
        thresholds: float ``[n]``.
        seed: of the resampling.

    Returns:
        The shares ``[n]``, and both ends of their stratified bootstrap intervals (95 %), ``[n]`` each.
    """
    generator = np.random.default_rng(seed)
    above = [(np.asarray(runs)[:, None] > thresholds).astype(np.float64) for runs in values.values()]
    total = sum(len(runs) for runs in above)
    shares = sum(runs.sum(axis=0) for runs in above) / total
    draws = np.zeros((_RESAMPLES, len(thresholds)))
    for runs in above:
        # How often each run is drawn; as many draws as there are runs in the task.
        times = generator.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), _RESAMPLES)
        draws += times @ runs
    low, high = np.quantile(draws / total, (0.025, 0.975), axis=0)
    return np.asarray(shares), low, high


def group_improvement(
    ours: Mapping[str, NDArray[np.float64]], theirs: Mapping[str, NDArray[np.float64]], seed: int = 0
) -> Estimate | None:
    """Return the probability that a run of ours beats one of theirs, averaged over the tasks that both have.

    The interval is a stratified bootstrap's: runs are drawn anew within each task.

    Returns:
        None if they share no task.
    """
    shared = [task for task in ours if task in theirs]
    if not shared:
        return None
    generator = np.random.default_rng(seed)

    def drawn(runs: NDArray[np.float64]) -> NDArray[np.float64]:
        return generator.choice(runs, len(runs))

    value = np.mean([probability_of_improvement(ours[task], theirs[task]) for task in shared])
    draws = [
        np.mean([_beats(drawn(ours[task]), drawn(theirs[task])) for task in shared])
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(draws, (0.025, 0.975))
    return Estimate(float(value), float(low), float(high))


def _beats(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    difference = ours[:, None] - theirs[None, :]
    return float((np.sign(difference) + 1).mean() / 2)
