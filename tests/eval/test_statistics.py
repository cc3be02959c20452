"""Statistics against published values and against independent computation."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mario_eval.statistics.aggregates import (
    iqm,
    optimality_gap,
    performance_profile,
    probability_of_improvement,
)
from mario_eval.statistics.groups import group_improvement, group_profile, group_statistics
from mario_eval.statistics.intervals import bootstrap, wilson
from mario_eval.statistics.summary import describe, summarise
from scipy import stats

#: The scores and results in rliable's own test of its metrics (google-research/rliable, metrics_test.py):
#: rows are runs, columns are tasks.
RLIABLE_X = np.array([[1, 2], [2, 2], [1, 1], [2, 1]])
RLIABLE_Y = np.array([[1, 1], [2, 2], [3, 3]])


def test_aggregates_equal_rliables_published_values():
    assert iqm(RLIABLE_X.ravel()) == 1.5
    assert iqm(RLIABLE_Y.ravel()) == 2
    by_task = [probability_of_improvement(RLIABLE_X[:, task], RLIABLE_Y[:, task]) for task in (0, 1)]
    assert np.mean(by_task) == pytest.approx(1 / 3)


def test_groups_equal_rliables_published_values():
    """rliable's matrices have runs as rows and tasks as columns."""
    x = {f"task {task}": RLIABLE_X[:, task].astype(float) for task in (0, 1)}
    y = {f"task {task}": RLIABLE_Y[:, task].astype(float) for task in (0, 1)}
    ours, theirs = group_statistics(x), group_statistics(y)
    assert (ours.median.value, ours.mean.value, ours.iqm.value) == (1.5, 1.5, 1.5)
    assert (theirs.median.value, theirs.mean.value, theirs.iqm.value) == (2, 2, 2)
    assert (ours.runs, ours.tasks, theirs.runs) == (8, 2, 6)
    better = group_improvement(x, y)
    assert better.value == pytest.approx(1 / 3)
    assert better.low < better.value < better.high
    assert group_improvement(x, {"another": np.ones(3)}) is None


def test_gap_and_profiles_on_rliables_own_test_scores():
    """rliable's library_test.py has these scores and thresholds, but only the shape of what comes out.

    The values follow from its definitions by counting: of 0 to 79 only 0 lies below a target of 1, and 79,
    79, 79 and 78 of 80 are above 0, a quarter, a half and 1.
    """
    x = np.arange(5 * 16.0).reshape(5, 16)
    tasks = {f"task {task}": x[:, task] for task in range(16)}
    flipped = {name: runs[::-1] for name, runs in tasks.items()}
    thresholds = np.array([0.0, 0.25, 0.5, 1.0])
    assert optimality_gap(x.ravel()) == pytest.approx(1 / 80)
    assert performance_profile(x, thresholds) == pytest.approx([79 / 80, 79 / 80, 79 / 80, 78 / 80])

    ours = group_statistics(tasks)
    assert ours.mean.value == ours.median.value == ours.iqm.value == 39.5
    assert ours.gap.value == pytest.approx(1 / 80)
    for estimate in (ours.mean, ours.median, ours.iqm):
        assert estimate.low < estimate.value < estimate.high
    shares, low, high = group_profile(tasks, thresholds)
    assert shares == pytest.approx([79 / 80, 79 / 80, 79 / 80, 78 / 80])
    assert np.all(low <= shares)
    assert np.all(shares <= high)
    assert group_improvement(tasks, flipped).value == 0.5


def test_a_profile_over_runs_has_the_interval_that_drawing_runs_gives():
    """One task with ten runs, five of them above: their number among ten draws is binomial."""
    runs = {"task": np.array([0.0] * 5 + [1.0] * 5)}
    shares, low, high = group_profile(runs, np.array([0.5]))
    ends = stats.binom.ppf((0.025, 0.975), 10, 0.5) / 10
    assert shares[0] == 0.5
    assert (low[0], high[0]) == pytest.approx(ends)


def test_a_summary_holds_measures_against_their_targets():
    episodes = pa.table({"return": [100.0, 500.0, 475.0], "steps": [1, 2, 3]})
    gap = summarise(episodes, {"return": 475})["return"]["optimality_gap"]
    assert (gap["value"], gap["target"]) == (125.0, 475)
    assert gap["low"] <= 125 <= gap["high"]
    assert "optimality_gap" not in summarise(episodes, {"return": 475})["steps"]
    assert "optimality_gap" not in summarise(episodes)["return"]


def test_wilson_equals_published_values():
    # Newcombe 1998, table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for k, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert wilson(k, n) == pytest.approx((low, high), abs=5e-5)
    assert wilson(0, 0) == (0, 1)


numbers = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60)


@given(numbers)
def test_iqm_lies_within_the_middle_half(values):
    ordered = np.sort(values)
    cut = len(ordered) // 4
    middle = ordered[cut : len(ordered) - cut]
    assert middle[0] - 1e-6 <= iqm(values) <= middle[-1] + 1e-6
    assert iqm(values) == pytest.approx(middle.mean(), rel=1e-9, abs=1e-9)


@given(numbers, numbers)
def test_improvement_one_way_and_the_other_add_up_to_one(ours, theirs):
    direct = np.mean([(a > b) + 0.5 * (a == b) for a in ours for b in theirs])
    assert probability_of_improvement(ours, theirs) == pytest.approx(direct)
    assert probability_of_improvement(ours, theirs) + probability_of_improvement(
        theirs, ours
    ) == pytest.approx(1)


@given(numbers, numbers)
def test_a_profile_never_rises_and_counts_what_is_above(values, thresholds):
    thresholds = sorted(thresholds)
    profile = performance_profile(values, thresholds)
    assert np.all(np.diff(profile) <= 0)
    assert profile == pytest.approx([np.mean(np.array(values) > t) for t in thresholds])


@given(numbers)
def test_the_gap_is_never_negative_below_the_target_only(values):
    assert optimality_gap(values, target=1.0) == pytest.approx(np.mean([max(0.0, 1.0 - v) for v in values]))


def test_bootstrap_covers_the_truth_about_as_often_as_it_says():
    generator = np.random.default_rng(1)
    hits = 0
    for trial in range(200):
        sample = generator.normal(3.0, 2.0, 40)
        interval = bootstrap([sample], lambda strata: strata[0].mean(axis=-1), resamples=500, seed=trial)
        hits += interval.low <= 3.0 <= interval.high
    assert 0.88 <= hits / 200 <= 0.99


def test_stratified_bootstrap_keeps_each_task_apart():
    # Two tasks far apart: resampling them together would make the mean's interval wide; apart it is narrow.
    tasks = [np.array([0.0, 1.0, 0.0, 1.0]), np.array([100.0, 101.0, 100.0, 101.0])]

    def mean(strata):
        return np.concatenate(strata, axis=-1).mean(axis=-1)

    interval = bootstrap(tasks, mean)
    assert interval.value == 50.5
    assert 49.9 <= interval.low <= interval.high <= 51.1


def test_describe_handles_one_value_and_equal_values():
    assert describe(np.array([3.0]))["mean"] == {"value": 3.0, "low": 3.0, "high": 3.0}
    assert describe(np.full(10, 2.0))["iqm"] == {"value": 2.0, "low": 2.0, "high": 2.0}
    assert describe(np.array([3.0]))["std"] == 0


def test_describe_agrees_with_numpy_and_scipy():
    values = np.random.default_rng(0).gamma(2.0, 10.0, 101)
    described = describe(values)
    assert described["median"]["value"] == np.median(values)
    assert described["iqm"]["value"] == pytest.approx(stats.trim_mean(values, 0.25))
    assert described["quantiles"]["0.95"] == np.quantile(values, 0.95)
    assert described["mean"]["low"] < described["mean"]["value"] < described["mean"]["high"]
