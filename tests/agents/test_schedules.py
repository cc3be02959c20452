from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mario_agents.errors import AgentsError
from mario_agents.schedules import Budget, Linear, parse_schedule

NO_LIMIT = Budget()


def test_one_number_falls_to_zero_and_two_to_the_second() -> None:
    assert parse_schedule("lin_2.5e-4", NO_LIMIT) == Linear(2.5e-4, 0.0, NO_LIMIT)
    assert parse_schedule("lin_1e-4_1e-5", NO_LIMIT) == Linear(1e-4, 1e-5, NO_LIMIT)


@pytest.mark.parametrize("text", ["lin_", "lin_x", "lin_1_2_3"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(AgentsError, match="lin_START"):
        parse_schedule(text, NO_LIMIT)


@given(st.floats(0, 1), st.floats(0, 1), st.floats(-4, 1))
def test_stays_between_its_ends(start: float, end: float, progress: float) -> None:
    value = Linear(start, end, NO_LIMIT)(progress)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


def test_minutes_that_run_out_first_end_it() -> None:
    used_up = Budget(seconds=10.0, spent=10.0)
    assert used_up.remaining == 0
    assert Linear(1.0, 0.2, used_up)(0.9) == 0.2


def test_time_spent_in_earlier_calls_counts() -> None:
    budget = Budget(seconds=100.0, spent=50.0)
    budget.start()
    time.sleep(0.01)
    assert 0.49 < budget.remaining < 0.5
