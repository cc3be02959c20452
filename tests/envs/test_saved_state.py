"""Going back to a saved state: the rest of a rollout is identical, and a damaged state is refused."""

import gymnasium
import mario_envs  # noqa: F401
import numpy as np
import pytest
from mario_envs.saved_state import SavedStateError

ENV_ID = "MarioScore-1-1-ContinuousFrames-v0"
SETTINGS = {"max_noops": 30, "action": {"continuous-frames": {"update": "add", "frames_per_unit": 30}}}


def some_actions(count, lanes=None):
    shape = (count, 6) if lanes is None else (count, lanes, 6)
    return np.random.default_rng(1).uniform(-1, 1, shape).astype(np.float32)


def assert_equal(first, second):
    if isinstance(first, dict):
        assert first.keys() == second.keys()
        for name in first:
            assert_equal(first[name], second[name])
    elif isinstance(first, tuple | list):
        for one, other in zip(first, second, strict=True):
            assert_equal(one, other)
    else:
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("observation", ["frames", "tiles"])
@pytest.mark.parametrize("emulator", ["native", "nes-py"])
def test_the_rest_of_a_rollout_is_identical(emulator, observation):
    env = gymnasium.make(ENV_ID, emulator=emulator, observation=observation, **SETTINGS)
    env.reset(seed=3)
    actions = some_actions(14)
    for action in actions[:4]:
        before = env.step(action)
    state = env.unwrapped.save_state()

    def rest():
        results = []
        for action in actions[4:]:
            results.append(env.step(action))
            if results[-1][2] or results[-1][3]:
                break
        if emulator == "native":  # nes-py keeps one state, and would need it for the start of the stage
            results.append(env.reset())  # the next episode's random numbers are part of the state
        return results

    once = rest()
    observed, info = env.unwrapped.restore_state(state)
    assert_equal(observed, before[0])
    assert info["holds"].any(), "the test should save in the middle of a hold"
    assert_equal(rest(), once)
    env.close()


def test_what_is_counted_of_a_standstill_is_part_of_the_state():
    env = gymnasium.make(ENV_ID, observation="tiles", max_stuck_seconds=2.0)
    nothing = np.full(6, -1, np.float32)

    def steps_to_the_end():
        for steps in range(1, 100):
            if env.step(nothing)[3]:
                return steps
        raise AssertionError("it is not truncated")

    env.reset(seed=3)
    whole = steps_to_the_end()
    env.reset(seed=3)
    for _ in range(10):
        env.step(nothing)
    state = env.unwrapped.save_state()
    assert steps_to_the_end() == whole - 10
    env.reset(seed=4)
    env.unwrapped.restore_state(state)
    assert steps_to_the_end() == whole - 10
    env.close()


def test_a_state_goes_from_one_environment_to_a_lane_of_a_batch():
    env = gymnasium.make(ENV_ID, observation="tiles", **SETTINGS)
    envs = gymnasium.make_vec(ENV_ID, num_envs=3, observation="tiles", **SETTINGS)
    env.reset(seed=3)
    envs.reset(seed=8)
    actions = some_actions(8)
    for action in actions[:4]:
        env.step(action)
    envs.unwrapped.restore_state(1, env.unwrapped.save_state())
    for action in actions[4:]:
        alone, batch = env.step(action), envs.step(np.tile(action, (3, 1)))
        for name in alone[0]:
            np.testing.assert_array_equal(alone[0][name], batch[0][name][1])
        assert alone[1] == batch[1][1]
        assert alone[4]["score"] == batch[4]["score"][1]
    env.close()
    envs.close()


@pytest.fixture
def saved():
    env = gymnasium.make(ENV_ID, observation="tiles")
    env.reset(seed=0)
    yield env.unwrapped, env.unwrapped.save_state()
    env.close()


@pytest.mark.parametrize("length", [0, 1, 100, 5000, -1])
def test_a_truncated_state_is_refused(saved, length):
    env, state = saved
    with pytest.raises(SavedStateError, match="the saved state is damaged"):
        env.restore_state(state[:length])


def test_an_altered_state_is_refused(saved):
    env, state = saved
    altered = bytearray(state)
    altered[len(state) // 2] ^= 0x10
    with pytest.raises(SavedStateError, match="damaged"):
        env.restore_state(bytes(altered))


SPACES = r"observation space is Dict\(.*28, 13, 16.*\), this environment's is Dict\(.*\)"


@pytest.mark.parametrize(
    ("observation", "what"),
    [
        ("frames", r"observation is .*/tiles'.*, this environment's is .*/frames'.*"),
        ({"tiles": {"count": 1}}, SPACES),
        ({"tiles": {"around_mario": True}}, SPACES),
    ],
)
def test_a_state_of_another_observation_is_refused_and_nothing_restored(saved, observation, what):
    other, same = (gymnasium.make(ENV_ID, observation=observation) for _ in range(2))
    *before, after = some_actions(5)
    for env in (other, same):
        env.reset(seed=0)
        for action in before:  # elsewhere than where the state was saved
            env.step(action)
    with pytest.raises(SavedStateError, match=f"^the saved state's {what}$"):
        other.unwrapped.restore_state(saved[1])
    assert_equal(other.step(after), same.step(after))
    for env in (other, same):
        env.close()
