"""The v0 IDs play as they always have: agents trained on them, and figures published of them, stay true.

What would change one of these numbers belongs to IDs of v1.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.actions.discrete_frames import DiscreteFrames


def hold_times(step: int) -> Any:
    """Return six values in twentieths, which no rounding changes; right is held more often than left."""
    up, down, left, right, a, b = ((step * 7 + button * 11) % 41 - 20 for button in range(6))
    return np.array([up, down, min(left, 0), abs(right), a, b], np.float32) / 20


def button_set(step: int) -> Any:
    return (step * 5 + step // 3) % 5


def played(env_id: str, action: Callable[[int], Any]) -> dict[str, Any]:
    env = gymnasium.make(env_id)
    observation, info = env.reset(seed=3)
    frames, rewards, ends = 0, 0.0, 0
    for step in range(200):
        observation, reward, terminated, truncated, info = env.step(action(step))
        frames, rewards = frames + info["frames"], rewards + float(reward)
        if terminated or truncated:
            ends += 1
            observation, info = env.reset()
    env.close()
    return {
        "frames": int(frames),
        "rewards": round(rewards, 3),
        "ends": ends,
        "stage": str(info["stage"]),
        "x": int(info["x"]),
        "score": int(info["score"]),
        "picture": zlib.crc32(np.ascontiguousarray(observation).tobytes()),
    }


@pytest.mark.parametrize(
    ("env_id", "action", "expected"),
    [
        (
            "MarioScore-1-1-ContinuousFrames-v0",
            hold_times,
            {
                "frames": 1443,
                "rewards": 155.8,
                "ends": 5,
                "stage": "1-1",
                "x": 722,
                "score": 100,
                "picture": 662110167,
            },
        ),
        (
            "MarioScore-RandomStages-ContinuousFrames-v0",
            hold_times,
            {
                "frames": 1446,
                "rewards": 194.2,
                "ends": 5,
                "stage": "4-4",
                "x": 100,
                "score": 0,
                "picture": 2709019715,
            },
        ),
        (
            "MarioScore-1-1-DiscreteFrames-v0",
            button_set,
            {
                "frames": 796,
                "rewards": 97.9,
                "ends": 2,
                "stage": "1-1",
                "x": 260,
                "score": 0,
                "picture": 523021180,
            },
        ),
        (
            "MarioScore-DiscreteFrames-v0",
            button_set,
            {
                "frames": 1441,
                "rewards": 97.9,
                "ends": 0,
                "stage": "1-1",
                "x": 260,
                "score": 400,
                "picture": 4079257091,
            },
        ),
    ],
)
def test_what_an_id_plays_is_what_it_always_played(
    env_id: str, action: Callable[[int], Any], expected: dict[str, Any]
) -> None:
    assert played(env_id, action) == expected


def test_the_options_of_the_actions_are_what_they_always_were() -> None:
    assert vars(ContinuousFrames()) == {
        "update": "replace", "select": "all", "bounds": "tanh",
        "frames_per_unit": 20.0, "max_hold": 120, "min_hold": 1, "min_frames": 4, "fresh_press": False,
    }  # fmt: skip
    assert vars(DiscreteFrames()) == {"buttons": "simple", "frames": 4}
