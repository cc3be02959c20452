"""The same seed and the same actions give the same observations, rewards and infos: here and elsewhere."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest

# Prints a hash of everything that an episode's first steps bring, for tests to run in other processes.
PROGRAM = """
import hashlib, json, sys
import gymnasium, mario_envs, numpy as np

settings = json.loads(sys.argv[2])
env = gymnasium.make(sys.argv[1], max_noops=20, **settings)
env.action_space.seed(1)
digest = hashlib.sha256()

def add(observation, *rest):
    parts = observation.values() if isinstance(observation, dict) else [observation]
    for part in parts:
        digest.update(part.tobytes())
    digest.update(json.dumps(rest, default=np.ndarray.tolist, sort_keys=True).encode())

add(*env.reset(seed=7))
for _ in range(int(sys.argv[3])):
    step = env.step(env.action_space.sample())
    add(*step)
    if step[2] or step[3]:
        add(*env.reset())
print(digest.hexdigest())
"""

CHOICES = [
    ("MarioScore-1-1-ContinuousFrames-v0", "{}", "40"),
    ("MarioScore-1-1-ContinuousFrames-v0", '{"emulator": "nes-py"}', "10"),
    ("MarioScore-RandomStages-DiscreteFrames-v0", '{"observation": "tiles", "reward": "original"}', "40"),
]


@pytest.mark.parametrize(("env_id", "settings", "steps"), CHOICES)
def test_processes_agree(env_id: str, settings: str, steps: str) -> None:
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, env_id, settings, steps],
            stdout=subprocess.PIPE,
            text=True,
            # Another order of hashes, as another run of Python has it.
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
        )
        for seed in ("1", "2")
    ]
    first, second = (run.communicate(timeout=120)[0] for run in runs)
    assert len(first.strip()) == 64
    assert first == second


def play(env: gymnasium.Env[Any, Any], seed: int, steps: int = 25) -> list[Any]:
    env.action_space.seed(3)
    brought: list[Any] = [env.reset(seed=seed)]
    brought += [env.step(env.action_space.sample()) for _ in range(steps)]
    return brought


@pytest.fixture(scope="module")
def env() -> Any:
    env = gymnasium.make("MarioScore-1-1-ContinuousFrames-v0", max_noops=20)
    yield env
    env.close()


def test_an_episode_repeats_after_another(env: gymnasium.Env[Any, Any], identical: Any) -> None:
    first = play(env, seed=5)
    play(env, seed=6)
    again = play(env, seed=5)
    for one, other in zip(first, again, strict=True):
        assert all(map(identical, one, other))


def test_another_seed_goes_another_way(env: gymnasium.Env[Any, Any]) -> None:
    assert not np.array_equal(play(env, seed=5)[-1][0], play(env, seed=6)[-1][0])


def test_an_observation_is_the_users_to_keep(env: gymnasium.Env[Any, Any]) -> None:
    first, _ = env.reset(seed=0)
    copy = first.copy()
    second = env.step([-1, -1, -1, 1, 1, 1])[0]
    assert np.array_equal(first, copy)
    assert not np.shares_memory(first, second)


def test_a_saved_state_goes_on_as_it_went(env: gymnasium.Env[Any, Any], identical: Any) -> None:
    mario: Any = env.unwrapped
    play(env, seed=5, steps=10)
    state = mario.save_state()
    actions = [env.action_space.sample() for _ in range(15)]
    went = [env.step(action) for action in actions]
    mario.restore_state(state)
    goes = [env.step(action) for action in actions]
    for one, other in zip(went, goes, strict=True):
        assert all(map(identical, one, other))


def test_closing_twice_does_no_harm() -> None:
    for env in (
        gymnasium.make("MarioScore-1-1-DiscreteFrames-v0"),
        gymnasium.make_vec("MarioScore-1-1-DiscreteFrames-v0", num_envs=2),
    ):
        env.reset(seed=0)
        env.close()
        env.close()
