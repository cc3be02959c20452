"""Lanes that do not wait for each other go the same way as lanes that do."""

import gymnasium
import mario_envs  # noqa: F401
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from mario_envs.emulators.protocol import EmulatorError

LANES, STEPS = 6, 50
ENV_ID = "MarioScore-1-1-ContinuousFrames-v0"


def batch(mode, **settings):
    envs = gymnasium.make_vec(ENV_ID, num_envs=LANES, autoreset_mode=mode, max_noops=10, **settings)
    envs.reset(seed=0)
    return envs


def actions_to_the_right():
    random = np.random.default_rng(0)
    actions = random.uniform(-1, 1, (STEPS, LANES, 6)).astype(np.float32)
    actions[..., 3] = np.abs(actions[..., 3])
    actions[..., 2] = -1
    return actions


def lockstep(mode, observation, actions):
    envs = batch(mode, observation=observation)
    steps = []
    for action in actions:
        steps.append(envs.step(action))
        if mode is AutoresetMode.DISABLED and (steps[-1][2] | steps[-1][3]).any():
            break
    envs.close()
    return steps


def parts(observations):
    return observations.items() if isinstance(observations, dict) else [("", observations)]


def tells(infos, name, row):
    """Return whether a row has an info; one that has just begun has no frames, and perhaps none has."""
    return f"_{name}" in infos and bool(infos[f"_{name}"][row])


@pytest.mark.parametrize("observation", ["frames", "tiles"])
@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
def test_send_and_recv_bring_each_lane_what_step_brings(mode, observation):
    actions = actions_to_the_right()
    expected = lockstep(mode, observation, actions)
    envs = batch(mode, observation=observation)
    played = np.zeros(LANES, int)
    envs.unwrapped.send(actions[0], np.arange(LANES))
    while played.min() < len(expected):
        lanes, observations, rewards, terminated, truncated, infos = envs.unwrapped.recv(min_lanes=2)
        for row, lane in enumerate(lanes):
            wanted = expected[played[lane]]
            for name, part in parts(observations):
                np.testing.assert_array_equal(part[row], dict(parts(wanted[0]))[name][lane])
            assert rewards[row] == wanted[1][lane]
            assert terminated[row] == wanted[2][lane]
            assert truncated[row] == wanted[3][lane]
            for name in ("x", "score", "frames", "episode_frames", "holds"):
                assert tells(infos, name, row) == tells(wanted[4], name, lane)
                if tells(infos, name, row):
                    np.testing.assert_array_equal(infos[name][row], wanted[4][name][lane])
        played[lanes] += 1
        going = lanes[played[lanes] < len(expected)]
        if len(going):
            envs.unwrapped.send(actions[played[going], going], going)
    envs.close()
    assert (played == len(expected)).all()


@pytest.mark.parametrize("observation", ["frames", "tiles"])
def test_lanes_that_begin_come_at_once_where_no_other_is_ready(monkeypatch, observation):
    envs = batch(AutoresetMode.NEXT_STEP, observation=observation).unwrapped
    actions = actions_to_the_right()[0]
    over = np.zeros(LANES, bool)
    while not over.any():
        _, _, terminated, truncated, _ = envs.step(actions)
        over = terminated | truncated
    assert not over.all(), "others are to be on their way"
    none_ready = (np.empty(0, np.intp), np.empty(0, np.int32))
    monkeypatch.setattr(envs._lanes.emulator, "recv", lambda min_lanes: none_ready)
    envs.send(actions, np.arange(LANES))
    lanes, observations, rewards, terminated, truncated, _ = envs.recv(min_lanes=1)
    monkeypatch.undo()
    np.testing.assert_array_equal(lanes, np.flatnonzero(over))
    assert all(len(part) == len(lanes) for _, part in parts(observations))
    assert not rewards.any(), "an episode that begins has earned nothing"
    assert not (terminated | truncated).any()
    rest, *_ = envs.recv(min_lanes=LANES)
    assert sorted([*lanes, *rest]) == list(range(LANES))
    envs.close()


def test_a_lane_on_its_way_cannot_be_sent_or_reset():
    envs = batch(AutoresetMode.SAME_STEP).unwrapped
    envs.send(actions_to_the_right()[0][:2], np.array([0, 1]))
    with pytest.raises(ValueError, match=r"lanes \[1\] were sent and not yet received"):
        envs.send(actions_to_the_right()[0][:1], np.array([1]))
    with pytest.raises(ValueError, match="call recv"):
        envs.reset()
    lanes, *_ = envs.recv(min_lanes=2)
    assert sorted(lanes) == [0, 1]
    envs.close()


def test_nes_py_says_that_it_cannot():
    envs = gymnasium.make_vec(ENV_ID, num_envs=1, emulator="nes-py")
    envs.reset(seed=0)
    with pytest.raises(EmulatorError, match='emulator="native"'):
        envs.unwrapped.send(np.zeros((1, 6), np.float32), np.array([0]))
    envs.close()


def test_a_lane_that_is_on_its_way_is_neither_saved_nor_restored():
    envs = batch(AutoresetMode.NEXT_STEP).unwrapped
    state = envs.save_state(1)
    envs.send(actions_to_the_right()[0][:2], np.arange(2))
    for call in (lambda: envs.save_state(1), lambda: envs.restore_state(1, state)):
        with pytest.raises(ValueError, match=r"lanes \[1\] were sent and not yet received: call recv"):
            call()
    assert len(envs.save_state(2)) > 0, "a lane that was not sent may be saved"
    while envs._lanes.on_their_way:
        envs.recv()
    envs.restore_state(1, state)
    envs.close()
