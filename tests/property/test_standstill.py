"""How long Mario has not moved, and how long he has come no farther, over places that a test makes up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from mario_envs.emulators.protocol import FRAMES_PER_SECOND
from mario_envs.game.state import GameState
from mario_envs.standstill import Standstill

#: x, area, dead and frames of a step.
Place = tuple[int, int, bool, int]
places = st.tuples(st.integers(0, 5), st.sampled_from([1, 2]), st.booleans(), st.integers(1, 60))


def at(x: int, area: int, dead: bool, frame: int) -> GameState:
    return replace(
        GameState.blank(1),
        x=np.array([x]),
        area=np.array([area]),
        dead=np.array([dead]),
        frame=np.array([frame]),
    )


def frames_since(steps: list[Place], number: int) -> int:
    return sum(frames for _, _, _, frames in steps[number + 1 :])


def stuck_frames(path: list[Place]) -> int:
    """Frames since the last place that is farther than all before it in the same stay in the same area."""
    entered = max(n for n, place in enumerate(path) if n == 0 or place[1] != path[n - 1][1] or place[2])
    stay = [x for x, _, _, _ in path[entered:]]
    return frames_since(path, entered + stay.index(max(stay)))


def still_frames(path: list[Place]) -> int:
    changed = [n for n in range(1, len(path)) if path[n][:2] != path[n - 1][:2]]
    return frames_since(path, changed[-1] if changed else 0)


@given(st.lists(places, min_size=1, max_size=12), st.integers(1, 200), st.integers(1, 200))
def test_it_lasts_too_long_from_the_frame_on_that_the_settings_say(
    steps: list[Place], most_still: int, most_stuck: int
) -> None:
    still = Standstill(1, most_still / FRAMES_PER_SECOND, None)
    stuck = Standstill(1, 10_000.0, most_stuck / FRAMES_PER_SECOND)
    row = np.zeros(1, np.intp)
    before = at(0, 1, False, 0)
    for standstill in (still, stuck):
        standstill.begin(row, before)
    path: list[Place] = [(0, 1, False, 0)]
    for x, area, dead, frames in steps:
        after = at(x, area, dead, int(before.frame[0]) + frames)
        path.append((x, area, dead, frames))
        assert still.lasts_too_long(row, before, after)[0] == (still_frames(path) >= most_still)
        assert stuck.lasts_too_long(row, before, after)[0] == (stuck_frames(path) >= most_stuck)
        before = after
