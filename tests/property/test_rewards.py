"""R1 to R6 of the manual, over states that a test makes up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mario_envs.game.movement import sent_back
from mario_envs.game.state import GameState
from mario_envs.rewards.original import OriginalReward
from mario_envs.rewards.score import ScoreReward

FLAGS = ("moved_by_game", "clear", "dead")
LANES = 2


def lanes_of(values: st.SearchStrategy[Any], dtype: Any = np.int64) -> st.SearchStrategy[Any]:
    return st.lists(values, min_size=LANES, max_size=LANES).map(lambda drawn: np.array(drawn, dtype))


@st.composite
def steps(draw: st.DrawFn, **fixed: Any) -> tuple[GameState, GameState]:
    """Draw the states before and after a step of 1 to 120 frames."""
    ranges: dict[str, Any] = {
        "x": st.integers(0, 4_000),
        "area": st.sampled_from([0xA690, 0xAD7B]),
        "score": st.integers(0, 999_999).map(lambda tens: tens * 10),
        "time": st.integers(0, 400),
        "world": st.integers(1, 8),
        "stage": st.integers(1, 4),
    }
    before = replace(
        GameState.blank(LANES),
        **{name: draw(lanes_of(values)) for name, values in ranges.items()},
        moved_by_game=draw(lanes_of(st.booleans(), bool)),
    )
    # The states of one life belong together: now and then something else changes too.
    same_place = draw(st.booleans())
    places = ("area", "world", "stage")
    after = replace(
        before,
        x=before.x + draw(lanes_of(st.integers(-600, 600))),
        score=before.score + draw(lanes_of(st.integers(0, 2_000).map(lambda tens: tens * 10))),
        time=draw(lanes_of(ranges["time"])),
        frame=before.frame + draw(lanes_of(st.integers(1, 120))),
        clear=draw(lanes_of(st.booleans(), bool)),
        dead=draw(lanes_of(st.booleans(), bool)),
        **{} if same_place else {name: draw(lanes_of(ranges[name])) for name in places},
    )
    start = np.maximum(before.score - draw(lanes_of(st.integers(0, 5_000))), 0)
    after = replace(after, clear=after.clear & ~after.dead)
    return replace(before, score_at_start=start), replace(after, score_at_start=start, **fixed)


weights = st.floats(0, 10, allow_subnormal=False)


@given(steps(), st.sampled_from([ScoreReward(), OriginalReward()]))
def test_each_term_is_finite_and_one_per_lane(step: Any, reward: Any) -> None:
    terms = reward(*step)
    for name, term in terms.items():
        assert term.shape == (LANES,), name
        assert np.isfinite(term).all(), name


@given(steps())
def test_progress_is_the_distance_walked(step: Any) -> None:
    """R1."""
    before, after = step
    progress = ScoreReward(progress=1, scale=1)(before, after)["progress"]
    for lane in range(LANES):
        b, a = before.take(np.array([lane])), after.take(np.array([lane]))
        moved = int(a.x[0] - b.x[0])
        elsewhere = (a.area, a.world, a.stage) != (b.area, b.world, b.stage)
        faster_than_mario = abs(moved) > 4 * a.frame[0] + 8
        if elsewhere or faster_than_mario or a.dead[0] or b.moved_by_game[0]:
            assert progress[lane] == 0
        else:
            assert progress[lane] == moved


@given(
    st.lists(st.tuples(st.integers(1, 40), st.integers(-3, 3), st.booleans()), max_size=60),
    st.floats(0, 1, allow_subnormal=False),
)
def test_progress_in_a_maze_is_new_ground_and_a_share_of_what_was_walked_before(
    walk: list[tuple[int, int, bool]], repeated: float
) -> None:
    """Each step has its frames, px a frame, and whether the maze sends Mario back four pages in it."""
    reward = ScoreReward(progress=1, scale=1, repeated=repeated)
    state = replace(GameState.blank(1), x=np.array([600]))
    # How far he is along a way without loops; what he has seen of it; and what was paid.
    place, farthest, paid, new, moved = 600, 600, 0.0, 0, 0
    owing = False
    for frames, speed, loops in walk:
        place += frames * speed
        moved += frames * speed
        x = state.x + frames * speed
        if loops:
            if not owing:
                farthest = place - frames * speed
            place, x, owing = place - 1024, x - 1024, True
            moved -= frames * speed  # of that step nothing is paid
        if owing:
            new += max(place - farthest, 0)
        elif not loops:
            new += frames * speed
        owing = owing and place < farthest
        after = replace(state, x=x, frame=state.frame + frames)
        after = replace(after, sent_back=sent_back(state, after))
        paid += reward(state, after)["progress"].item()
        state = after
    assert paid == pytest.approx(new + repeated * (moved - new))


@given(steps(), weights, weights)
def test_score_is_the_difference_over_the_step(step: Any, weight: float, scale: float) -> None:
    """R2."""
    before, after = step
    term = ScoreReward(score=weight, scale=scale)(before, after)["score"]
    assert np.allclose(term, scale * weight * (after.score - before.score), rtol=1e-12)


@given(steps())
def test_time_is_a_penalty_only_while_the_clock_runs(step: Any) -> None:
    """R3."""
    before, after = step
    term = ScoreReward(time=1, scale=1)(before, after)["time"]
    ended = after.clear | after.dead
    assert (term <= 0).all()
    assert (term[ended] == 0).all()
    ticked = np.maximum(before.time - after.time, 0)
    assert np.array_equal(term[~ended], -ticked[~ended])


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=10), st.integers(0, 5_000), weights)
def test_a_death_takes_back_exactly_what_the_life_has_gained(
    gains: list[int], at_start: int, weight: float
) -> None:
    """R4."""
    reward = ScoreReward(score=weight)
    now = replace(
        GameState.blank(1), score=np.array([at_start * 10]), score_at_start=np.array([at_start * 10])
    )
    total = 0.0
    for number, gain in enumerate(gains, 1):
        last = np.array([number == len(gains)])
        after = replace(now, score=now.score + gain * 10, frame=now.frame + 4, dead=last)
        terms = reward(now, after)
        total += float(terms["score"][0] + terms["lost_score"][0])
        assert (terms["death"][0] < 0) == bool(last[0])
        now = after
    assert total == pytest.approx(0, abs=1e-6 * (1 + weight * sum(gains)))


@given(steps(), weights, weights, weights)
def test_a_death_costs_a_further_penalty_and_nothing_else_does(
    step: Any, share: float, penalty: float, scale: float
) -> None:
    """R4."""
    before, after = step
    terms = ScoreReward(lost_score=share, death=penalty, scale=scale)(before, after)
    assert (terms["lost_score"] <= 0).all()
    assert np.array_equal(terms["death"], np.where(after.dead, -scale * penalty, 0))
    assert (terms["lost_score"][~after.dead] == 0).all()


@given(steps(dead=np.zeros(LANES, bool)))
def test_a_clear_is_worth_its_score_and_no_more(step: Any) -> None:
    """R5."""
    before, after = step
    cleared = ScoreReward()(before, replace(after, clear=np.ones(LANES, bool)))
    played_on = ScoreReward()(before, replace(after, clear=np.zeros(LANES, bool)))
    for name in cleared:
        if name != "time":
            assert np.array_equal(cleared[name], played_on[name]), name


@given(steps(), weights.filter(bool), weights)
def test_a_clear_is_worth_what_is_asked_for_besides(step: Any, clear: float, scale: float) -> None:
    before, after = step
    terms = ScoreReward(clear=clear, scale=scale)(before, after)
    assert np.array_equal(terms["clear"], np.where(after.clear, scale * clear, 0))
    assert "clear" not in ScoreReward(scale=scale)(before, after)


def test_a_hundred_points_are_one_by_default() -> None:
    """R6; every term has one scale besides."""
    before = GameState.blank(1)
    after = replace(before, score=np.array([100]), frame=np.array([4]))
    assert ScoreReward(scale=1)(before, after)["score"].tolist() == [1.0]
    assert ScoreReward()(before, after)["score"].tolist() == [0.1]


@given(steps(), st.floats(1, 50), st.floats(0, 50))
def test_the_original_reward_is_clipped(step: Any, limit: float, death: float) -> None:
    before, after = step
    terms = OriginalReward(death=death, limit=limit)(before, after)
    total = np.sum(list(terms.values()), axis=0)
    assert (np.abs(total) <= limit + 1e-9).all()
    unclipped = terms["progress"] + terms["time"] + terms["death"]
    assert np.allclose(total, np.clip(unclipped, -limit, limit))
    assert np.array_equal(terms["death"], -death * after.dead)


def test_the_original_reward_is_within_fifteen() -> None:
    before = GameState.blank(2)
    after = replace(before, x=np.array([40, 0]), dead=np.array([False, True]), frame=np.array([20, 20]))
    total = np.sum(list(OriginalReward()(before, after).values()), axis=0)
    assert total.tolist() == [15.0, -15.0]


@given(steps(), st.sampled_from([ScoreReward(), OriginalReward()]))
def test_a_lane_does_not_depend_on_the_others(step: Any, reward: Any) -> None:
    before, after = step
    together = reward(before, after)
    for lane in range(LANES):
        row = np.array([lane])
        for name, term in reward(before.take(row), after.take(row)).items():
            assert np.array_equal(term, together[name][row]), name
