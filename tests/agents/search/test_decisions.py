"""Search among an environment's own decisions: what it finds is an episode of that environment."""

from __future__ import annotations

from pathlib import Path

import gymnasium
import mario_envs  # noqa: F401 (registers the IDs)
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_agents.errors import AgentsError
from mario_agents.search.decisions import DecisionsInLanes, RandomDecisions, draw_holds, read_action
from mario_agents.search.stage import SearchConfig, search_stage
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.actions.decisions import decide, values_of
from mario_envs.buttons import DOWN, LEFT, RIGHT, UP, A, B
from mario_envs.movies.file import read_movie
from mario_envs.movies.holds import holds_of

#: The options with which PPO-Q and PPO-max learn to hold buttons (experiments/protocol.yml).
OPTIONS = {"fresh_press": True, "frames_per_unit": 30, "min_frames": 8}
ACTION = ContinuousFrames(**OPTIONS)  # type: ignore[arg-type]


def test_an_environment_with_these_options_plays_what_is_found(tmp_path: Path) -> None:
    config = SearchConfig(lanes=16, threads=1, frames=300_000, tries=RandomDecisions(ACTION))
    found = search_stage("1-1", config, tmp_path)
    assert found.movie is not None
    movie = read_movie(Path(found.movie))
    decisions = holds_of(movie, ACTION)
    env = gymnasium.make(
        "MarioScore-1-1-ContinuousFrames-v0", observation="tiles", action={"continuous-frames": OPTIONS}
    )
    env.reset(seed=0)
    for number, action in enumerate(decisions.actions):
        _, _, terminated, truncated, info = env.step(action)
        assert (terminated, truncated) == (number == len(decisions.actions) - 1, False)
    env.close()
    assert (info["clear"], info["score"]) == (True, movie.outcome.score)
    assert decisions.frames.min() >= 8


@settings(deadline=None, max_examples=50)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 12),
    st.integers(1, 12),
    st.sampled_from(["all", "longest"]),
    st.booleans(),
    st.booleans(),
)
def test_what_is_tried_comes_back_as_decisions(
    seed: int, min_frames: int, min_hold: int, select: str, fresh_press: bool, goes_back: bool
) -> None:
    """Also where a lane went back to a cell: what was held there is held again."""
    action = ContinuousFrames(
        select=select, min_frames=min_frames, min_hold=min_hold, fresh_press=fresh_press  # type: ignore[arg-type]
    )  # fmt: skip
    tries = RandomDecisions(action).begin(2, np.random.default_rng(seed))
    everyone = np.arange(2)
    tries.go_back(everyone, [b"", b""])
    first = play(tries, 3)
    if goes_back:
        held = tries.held(0)
        play(tries, 2)
        tries.go_back(everyone, [held, held])
    down = np.concatenate([first, play(tries, 3)])
    found = decide(down, action)
    assert found.frames[:-1].sum() < len(down) <= found.frames.sum()  # the last may outlast them


def play(tries: DecisionsInLanes, decisions: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
    """Return which buttons lane 0 has down, bool ``[frames, 6]``."""
    frames = []
    for _ in range(decisions):
        plan = tries.plan()
        time = np.arange(plan.frames[0])[:, None]
        frames.append((plan.released[0] <= time) & (time < plan.holds[0]))
        tries.ran(plan.frames)
    return np.concatenate(frames)


def test_holds_are_drawn_as_promised() -> None:
    holds = draw_holds(5_000, ACTION, np.random.default_rng(0))
    assert set(holds[holds > 0]) == set(range(8, 31))
    assert not (holds[:, [UP, LEFT]] * holds[:, [DOWN, RIGHT]]).any()
    pressed = (holds > 0).mean(axis=0)
    assert pressed.min() > 0
    assert pressed[RIGHT] > 2 * pressed[LEFT]
    assert (pressed[[A, B]] < 1).all()
    values = values_of(holds, np.zeros(6, np.int32), ACTION)
    assert all(ACTION.space.contains(row) for row in values)
    plan = ACTION.plan(values, np.zeros_like(holds))
    assert np.array_equal(plan.holds, holds)
    assert plan.frames.max() == 30


@pytest.mark.parametrize("unit", [1, 20, 200])
def test_a_hold_is_at_most_what_an_action_can_say_and_forty_frames(unit: float) -> None:
    action = ContinuousFrames(frames_per_unit=unit, min_frames=1)
    assert draw_holds(1_000, action, np.random.default_rng(0)).max() == min(unit, 40)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{continuous-frames: {min_frame: 8}}", "did you mean 'min_frames'?"),
        ("{continuous-frames: {min_frames: 0}}", "min_frames must be a whole number"),
        ("discrete-frames", "continuous-frames alone, not of DiscreteFrames"),
        ("{continuous-frames: {update: add}}", "with update replace alone, not add"),
        ("{continuous-frames: {frames_per_unit: 0.4}}", "makes no hold of min_hold 1"),
        ("{continuous-frames: {frames_per_unit: 5, min_hold: 6}}", "makes no hold of min_hold 6"),
        ("{", "--action cannot be read as YAML: '{'"),
        ("3", "--action: action int is not"),
    ],
)
def test_an_action_that_cannot_be_searched_with_is_refused(text: str, message: str) -> None:
    with pytest.raises(AgentsError) as refused:
        RandomDecisions(read_action(text))
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
