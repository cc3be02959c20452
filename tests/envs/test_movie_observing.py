"""Looking at a movie without actions shows what an environment shows that plays it by actions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import repeat
from pathlib import Path
from typing import Any

import gymnasium
import mario_envs  # noqa: F401 (registers the IDs)
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_envs.buttons import Button
from mario_envs.emulators import native
from mario_envs.movies.file import read_movie
from mario_envs.movies.holds import holds_of
from mario_envs.movies.movie import Movie, MovieError
from mario_envs.movies.observing import observe
from mario_envs.movies.replay import record

ACTION = {"continuous-frames": {"min_frames": 1, "frames_per_unit": 120}}
SHIPPED = Path(__file__).parents[2] / "packages/mario-agents/src/mario_agents/movies"
OURS = pytest.mark.skipif(not native.available(), reason="movies end alike on the emulator that recorded")


def movie() -> Movie:
    """Run into the first enemy, with a jump on the way."""
    right = Button.RIGHT
    return record("1-1", bytes([0] * 9 + [right] * 30 + [right | Button.A] * 17 + [right | Button.B] * 200))


@pytest.mark.parametrize(
    "observation",
    ["frames", {"frames": {"count": 1, "steps": 4}}, {"frames": {"count": 9, "height": 30}}, "tiles"],
)
def test_it_shows_what_a_policy_sees_whose_actions_play_the_movie(
    observation: Any, identical: Callable[[Any, Any], bool]
) -> None:
    options: dict[str, Any] = {"observation": observation}
    env = gymnasium.make("MarioScore-1-1-ContinuousFrames-v0", action=ACTION, **options)
    decisions = holds_of(movie(), env.unwrapped.action)  # type: ignore[attr-defined]
    seen, infos = [env.reset(seed=3)[0]], [{}]
    for action in decisions.actions:
        after, _, over, _, info = env.step(action)
        seen.append(after)
        infos.append(info)
    assert over
    env.close()

    intervals = [info["frames"] for info in infos[1:]]
    # What is no business of a movie's, its action, may be anything.
    sights = list(observe(movie(), {**options, "action": "discrete-frames", "max_noops": 9}, intervals, 3))
    assert [sight.frames for sight in sights] == [0, *intervals]
    assert [sight.over for sight in sights] == [False] * len(intervals) + [True]
    for sight, expected in zip(sights, seen, strict=True):
        if observation == "tiles":
            expected["vector"][8:] = 0.0  # what remains of a plan
        assert identical(sight.observation, expected)


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(1, 60), min_size=1))
def test_whatever_the_intervals_every_frame_of_the_movie_is_played_once(intervals: list[int]) -> None:
    shown = list(observe(movie(), {"observation": "tiles"}, [*intervals, *repeat(50, 20)], seed=0))
    frames = [sight.frames for sight in shown]
    assert sum(frames) == movie().outcome.frames - 1  # the reset waits one
    assert frames[1:-1] == [*intervals, *[50] * 20][: len(frames) - 2]
    assert [sight.over for sight in shown] == [False] * (len(shown) - 1) + [True]


@OURS
def test_a_solution_ends_where_the_stage_is_cleared() -> None:
    found = read_movie(SHIPPED / "1-1.movie")
    *_, last = observe(found, {"observation": "tiles"}, repeat(30), seed=0)
    assert found.outcome.clear
    assert last.over


def test_what_no_environment_plays_is_refused(tmp_path: Path) -> None:
    good = movie()

    def refusal(bad: Movie, **options: Any) -> str:
        with pytest.raises(MovieError) as refused:
            list(observe(bad, options, repeat(40), seed=0, name="it"))
        return str(refused.value)

    assert refusal(replace(good, start="power-on")).startswith("it starts at power-on")
    assert "frame 2" in refusal(replace(good, buttons=bytes([0, 0, Button.START, 0])))
    assert "another ROM" in refusal(replace(good, rom_sha256="0" * 64))
    harmless = replace(good, buttons=good.buttons[:20])
    assert "does not end here as it says" in refusal(harmless)
