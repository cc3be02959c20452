"""A batch is equal to as many single environments, whatever happens in its lanes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from mario_envs import MarioVectorEnv
from mario_envs.actions.base import ActionError

LANES = 3
# Lanes that stand still, die, and begin in different stages after different waits.
SETTINGS: dict[str, Any] = {"stages": ("1-1", "4-4"), "max_noops": 8, "max_still_seconds": 0.6}
Same = Callable[[Any, Any], bool]


def pair(mode: AutoresetMode, kind: str, **settings: Any) -> tuple[SyncVectorEnv, gymnasium.vector.VectorEnv]:
    """Return Gymnasium's batch of single environments and ours."""
    env_id = f"MarioScore-RandomStages-{kind}-v0"
    settings = SETTINGS | settings
    single = SyncVectorEnv(
        [lambda: gymnasium.make(env_id, **settings) for _ in range(LANES)], autoreset_mode=mode
    )
    return single, gymnasium.make_vec(env_id, num_envs=LANES, autoreset_mode=mode, **settings)


def actions(space: gymnasium.Space[Any], random: np.random.Generator) -> Any:
    """Draw actions of which the first lane often rests and the others walk into something to die of."""
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        return np.where(np.arange(LANES) > 0, random.choice([1, 1, 3], LANES), random.choice([0, 0, 0, 4]))
    drawn = space.sample()
    drawn[:, 3] = random.choice([-1.0, 0.4, 0.9], size=LANES, p=[0.3, 0.4, 0.3])
    drawn[:, [0, 1, 2]] = -1
    return drawn


CHOICES = [
    ("ContinuousFrames", {}),
    ("ContinuousFrames", {"action": {"continuous-frames": {"update": "add"}}, "observation": "tiles"}),
    ("DiscreteFrames", {"task": "game", "reward": "original", "action": {"discrete-frames": {"frames": 12}}}),
]


@pytest.mark.parametrize("mode", list(AutoresetMode), ids=lambda mode: mode.name)
@pytest.mark.parametrize(("kind", "settings"), CHOICES, ids=["pictures", "tiles", "whole-game"])
def test_equals_single_environments_step_for_step(
    mode: AutoresetMode, kind: str, settings: dict[str, Any], identical: Same
) -> None:
    single, batch = pair(mode, kind, **settings)
    random = np.random.default_rng(3)
    batch.action_space.seed(3)
    assert batch.single_observation_space == single.single_observation_space
    assert batch.observation_space == single.observation_space
    assert batch.action_space == single.action_space
    assert batch.metadata["autoreset_mode"] is mode

    expected, got = single.reset(seed=11), batch.reset(seed=11)
    assert identical(expected[0], got[0])
    assert identical(expected[1], got[1])
    ended = np.zeros(LANES, int)
    for step in range(70):
        chosen = actions(batch.action_space, random)
        expected, got = single.step(chosen), batch.step(chosen)
        for name, one, other in zip(
            ("observations", "rewards", "terminated", "truncated", "infos"), expected, got, strict=True
        ):
            assert identical(one, other), f"step {step}: {name} differ:\n{one}\n{other}"
        over = got[2] | got[3]
        ended += over
        if mode is AutoresetMode.DISABLED and over.any():
            seeds = [100 + step if lane % 2 else None for lane in range(LANES)]
            expected = single.reset(seed=seeds, options={"reset_mask": over})
            got = batch.reset(seed=seeds, options={"reset_mask": over})
            assert identical(expected[0], got[0])
            assert identical(expected[1], got[1])
    # The test has seen what it is for.
    assert (ended > 0).any()
    single.close()
    batch.close()


@pytest.fixture(scope="module")
def batch() -> Iterator[gymnasium.vector.VectorEnv]:
    envs = gymnasium.make_vec("MarioScore-1-1-DiscreteFrames-v0", num_envs=LANES, max_noops=30)
    yield envs
    envs.close()


def test_make_vec_makes_ours_and_keeps_the_spec(batch: gymnasium.vector.VectorEnv) -> None:
    assert isinstance(batch.unwrapped, MarioVectorEnv)
    assert batch.num_envs == LANES
    assert batch.spec is not None
    assert batch.spec.id == "MarioScore-1-1-DiscreteFrames-v0"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_gymnasiums_own_batches_work_too(mode: str) -> None:
    # Worker processes know the ID only if it names the module to import.
    envs = gymnasium.make_vec(
        "mario_envs:MarioScore-1-1-DiscreteFrames-v0", num_envs=2, vectorization_mode=mode
    )
    observations, infos = envs.reset(seed=0)
    assert observations.shape == (2, 4, 84, 84)
    _, _, _, _, infos = envs.step(np.array([1, 0]))
    assert infos["frames"].tolist() == [4, 4]
    envs.close()


def test_a_seed_counts_up_over_the_lanes(batch: gymnasium.vector.VectorEnv, identical: Same) -> None:
    by_number = batch.reset(seed=5)
    by_list = batch.reset(seed=[5, 6, 7])
    assert all(map(identical, by_number, by_list))
    others, _ = batch.reset(seed=[7, 6, 5])
    assert np.array_equal(others[::-1], by_number[0])


def test_a_seed_of_none_goes_on_with_the_lanes_stream(
    batch: gymnasium.vector.VectorEnv, identical: Same
) -> None:
    batch.reset(seed=5)
    first = batch.reset()
    batch.reset(seed=[5, None, 7])
    second = batch.reset(seed=[None, 6, None])
    assert np.array_equal(first[0][[0, 2]], second[0][[0, 2]])
    assert np.array_equal(batch.reset(seed=[1, 6, 1])[0][1], second[0][1])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": [1, 2]}, "3"),
        ({"options": {"reset_mask": np.zeros(LANES, bool)}}, "reset_mask"),
        ({"options": {"reset_mask": np.ones(LANES + 1, bool)}}, "reset_mask"),
        ({"options": {"reset_mask": np.ones(LANES, int)}}, "reset_mask"),
    ],
)
def test_bad_resets_are_refused(
    batch: gymnasium.vector.VectorEnv, arguments: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        batch.reset(**arguments)


@pytest.mark.parametrize("given", [np.zeros(2, int), np.zeros((LANES, 1), int), 1, [0, 1, 7], [0, 1, np.nan]])
def test_bad_actions_are_refused_before_any_frame(batch: gymnasium.vector.VectorEnv, given: Any) -> None:
    batch.reset(seed=0)
    with pytest.raises(ActionError):
        batch.step(given)
    assert batch.step(np.zeros(LANES, int))[-1]["episode_frames"].tolist() == [4, 4, 4]


def test_a_step_needs_a_reset() -> None:
    envs = gymnasium.make_vec(
        "MarioScore-1-1-DiscreteFrames-v0", num_envs=2, autoreset_mode="Disabled", max_still_seconds=0.25
    )
    with pytest.raises(gymnasium.error.ResetNeeded, match="reset"):
        envs.step(np.zeros(2, int))
    envs.reset(seed=0)
    for _ in range(4):
        envs.step(np.array([1, 0]))
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"lanes \[1\]"):
        envs.step(np.array([1, 0]))
    envs.close()


def test_observations_are_the_users_to_keep(batch: gymnasium.vector.VectorEnv) -> None:
    first, _ = batch.reset(seed=0)
    copy = first.copy()
    second = batch.step(np.full(LANES, 4))[0]
    assert not np.shares_memory(first, second)
    assert np.array_equal(first, copy)
    first[:] = 0
    second[:] = 0
    third = batch.step(np.full(LANES, 4))[0]
    assert third.any()


@pytest.mark.parametrize("observation", ["frames", "tiles"])
def test_lanes_that_stay_show_what_they_saw_last(observation: str, identical: Same) -> None:
    envs = gymnasium.make_vec(
        "MarioScore-1-1-DiscreteFrames-v0",
        num_envs=LANES,
        observation=observation,
        autoreset_mode=AutoresetMode.DISABLED,
    )

    def lanes_of(observations: Any, *lanes: int) -> Any:
        whole = observations if isinstance(observations, dict) else {"": observations}
        return {name: part[list(lanes)] for name, part in whole.items()}

    first, _ = envs.reset(seed=0)
    for _ in range(5):
        seen = envs.step(np.array([1, 3, 4]))[0]
    after, _ = envs.reset(options={"reset_mask": np.array([False, True, False])})
    assert identical(lanes_of(after, 0, 2), lanes_of(seen, 0, 2))
    assert identical(lanes_of(after, 1), lanes_of(first, 1))

    saved = envs.unwrapped.save_state(2)  # type: ignore[attr-defined]
    then = envs.step(np.array([1, 3, 4]))[0]
    back, _ = envs.unwrapped.restore_state(2, saved)  # type: ignore[attr-defined]
    assert identical(lanes_of(back, 0, 1), lanes_of(then, 0, 1))
    assert identical(lanes_of(back, 2), lanes_of(after, 2))
    envs.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_envs": 0}, "num_envs"),
        ({"render_mode": "human"}, "one lane"),
        ({"render_mode": "rgb"}, "rgb_array"),
        ({"autoreset_mode": "never"}, "never"),
    ],
)
def test_bad_batches_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MarioVectorEnv(**({"num_envs": 2} | settings))
