"""The sum tree against a running sum, and prioritised sampling against its formula."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_agents.storage.priorities import Priorities, SumTree
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Segment
from mario_agents.storage.transitions import TransitionStore

updates = st.lists(
    st.lists(st.tuples(st.integers(0, 20), st.floats(0, 100)), min_size=1, max_size=6), min_size=1, max_size=8
)


@settings(max_examples=100, deadline=None)
@given(updates=updates, points=st.lists(st.floats(0, 0.999), min_size=1, max_size=10))
def test_finds_what_a_running_sum_finds(updates: list[list[tuple[int, float]]], points: list[float]) -> None:
    tree, plain = SumTree(21), np.zeros(21)
    for group in updates:
        leaves, values = (np.array(column) for column in zip(*group, strict=True))
        tree.set(leaves, values)
        for leaf, value in group:
            plain[leaf] = value
    assert tree.total == pytest.approx(plain.sum())
    np.testing.assert_array_equal(tree.get(np.arange(21)), plain)
    if plain.sum() < 1e-6:
        return
    for share, found in zip(points, tree.find(np.array(points) * tree.total), strict=True):
        ends = np.cumsum(plain)
        assert plain[found] > 0
        slack = 1e-9 * ends[-1]
        assert ends[found] - plain[found] - slack <= share * ends[-1] <= ends[found] + slack


def segment(length: int) -> Segment:
    no = np.zeros(length, bool)
    return Segment.from_steps(
        lane=0, policy_version=0, observations={"": np.arange(length + 1.0)}, finals={},
        actions=np.arange(length), rewards=np.zeros(length), terminated=no, truncated=no,
        frames=np.ones(length),
    )  # fmt: skip


def test_draws_in_proportion_to_the_power_of_the_error() -> None:
    store = TransitionStore(4, priorities=Priorities(4, exponent=0.5, correction=1.0))
    store.add(segment(4))
    first = store.sample(4000, Discount(0.9), np.random.default_rng(0))
    assert np.bincount(first.actions).tolist() == [1000] * 4  # until an error is known, all alike
    np.testing.assert_allclose(first.weights, 1.0)

    store.update_priorities(np.arange(4), np.array([1.0, -4.0, 9.0, 0.0]))
    batch = store.sample(6000, Discount(0.9), np.random.default_rng(0))
    chances = np.array([1.0, 2.0, 3.0, 1e-3]) / 6.001
    np.testing.assert_allclose(np.bincount(batch.actions, minlength=4) / 6000, chances, atol=1e-3)
    weights = (1.0 / (4 * chances)) / (1.0 / (4 * chances[0]))  # of the rest over the first's
    by_action = {
        int(action): float(weight) for action, weight in zip(batch.actions, batch.weights, strict=True)
    }
    assert by_action[1] / by_action[0] == pytest.approx(weights[1], rel=1e-4)
    assert by_action[2] / by_action[0] == pytest.approx(weights[2], rel=1e-4)
    assert max(by_action.values()) == pytest.approx(1.0)


def test_what_is_gone_is_not_drawn_and_its_error_is_ignored() -> None:
    store = TransitionStore(4, priorities=Priorities(4))
    store.add(segment(4))
    old = store.sample(16, Discount(0.9), np.random.default_rng(0)).ids
    store.add(segment(2))
    store.update_priorities(old, np.where(old < 2, 1e9, 1.0))
    batch = store.sample(200, Discount(0.9), np.random.default_rng(1))
    assert set(batch.ids.tolist()) == {2, 3, 4, 5}
    store.forget_before(1)
    with pytest.raises(ValueError, match="empty"):
        store.sample(1, Discount(0.9), np.random.default_rng(1))


def test_an_error_that_is_not_a_number_is_refused() -> None:
    store = TransitionStore(4, priorities=Priorities(4))
    store.add(segment(4))
    with pytest.raises(ValueError, match="must be finite"):
        store.update_priorities(np.array([0]), np.array([np.nan]))
    with pytest.raises(ValueError, match="samples uniformly"):
        TransitionStore(4).update_priorities(np.array([0]), np.array([1.0]))
