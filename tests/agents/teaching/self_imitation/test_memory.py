"""What is remembered of episodes: each transition's return, whole, cut or broken off."""

from __future__ import annotations

import zipfile
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from mario_agents.storage.returns import Discount
from mario_agents.storage.saved import SavedArrays, write_arrays
from mario_agents.storage.segment import Segment
from mario_agents.teaching.self_imitation.memory import EpisodeMemory

SPACE = spaces.Box(-100, 100, (1,), np.float32)


def played(first: int, rewards: list[float], ends: dict[int, str], lane: int = 0) -> Segment:
    """Steps that see their own number and span two frames each; what an episode ends with is number + 0.5."""
    steps = len(rewards)
    numbers = np.arange(first, first + steps + 1, dtype=np.float32)[:, None]
    return Segment.from_steps(
        lane=lane,
        policy_version=0,
        first_step=first,
        observations={"": numbers},
        finals={at: {"": numbers[at] + 0.5} for at in ends},
        actions=numbers[:-1] * 10,
        rewards=np.array(rewards),
        terminated=np.array([ends.get(at) == "terminated" for at in range(steps)]),
        truncated=np.array([ends.get(at) == "truncated" for at in range(steps)]),
        frames=np.full(steps, 2),
    )


def worth_ten_times(observations: Any) -> Any:
    return observations[""][:, 0] * 10


def half_the_action(observations: Any, actions: Any) -> Any:
    np.testing.assert_equal(observations[""] * 10, actions)
    return actions[:, 0] / 2


def remembered(memory: EpisodeMemory) -> dict[float, tuple[float, float, float]]:
    """Number → return, log-probability, and the number of what followed."""
    batch, returns, log_probs = memory.draw(400, "imitate", np.random.default_rng(0))
    after = batch.next_observations[""][:, 0]
    rows = zip(batch.observations[""][:, 0], returns, log_probs, after, strict=True)
    return {float(row[0]): tuple(map(float, row[1:])) for row in rows}  # type: ignore[misc]


def memory_of(*segments: Segment, capacity: int = 100, per_frame: bool = True) -> EpisodeMemory:
    memory = EpisodeMemory(capacity, SPACE, Discount(0.5, per_frame=per_frame))
    for segment in segments:
        memory.add(segment, worth_ten_times, half_the_action)
    return memory


@pytest.mark.parametrize(("per_frame", "gamma"), [(True, 0.25), (False, 0.5)])
def test_returns_are_those_of_whole_episodes_in_whatever_pieces_they_came(
    per_frame: bool, gamma: float
) -> None:
    pieces = (
        played(0, [1.0, 2.0], {}),
        played(7, [5.0], {0: "terminated"}, lane=1),
        played(2, [4.0, 8.0, 16.0], {1: "terminated"}),
        played(5, [32.0, 64.0], {0: "truncated"}),
    )
    known = remembered(memory_of(*pieces, per_frame=per_frame))

    fourth = 8.0
    third = 4 + gamma * fourth
    second = 2 + gamma * third
    first = 1 + gamma * second
    sixth = 32 + gamma * 55  # a limit cut it at what is worth ten times 5.5
    fifth = 16 + gamma * sixth
    expected = {
        0.0: (first, 0.0, 1.0),
        1.0: (second, 5.0, 2.0),
        2.0: (third, 10.0, 3.0),
        3.0: (fourth, 15.0, 3.5),
        4.0: (fifth, 20.0, 5.0),
        5.0: (sixth, 25.0, 5.5),
        7.0: (5.0, 35.0, 7.5),
    }
    assert known == expected, "the step of an episode that is under way is not yet remembered"


def test_the_scale_is_that_of_what_was_earned() -> None:
    nothing = memory_of(played(0, [0.0] * 4, {3: "truncated"}))
    assert nothing.scale == 1.0, "values of where it was cut are no spread of returns"
    some = memory_of(played(0, [0.0, 4.0], {0: "terminated", 1: "terminated"}))
    assert some.scale == pytest.approx(2.0)


def test_an_episode_that_was_broken_off_is_forgotten() -> None:
    # Another actor has taken over the lane: its steps do not go on where those before ended.
    memory = memory_of(played(0, [1.0, 1.0], {}), played(4, [1.0, 1.0], {1: "terminated"}))
    assert remembered(memory).keys() == {4.0, 5.0}


def test_the_newest_stay_and_what_was_saved_comes_back() -> None:
    memory = memory_of(*(played(3 * n, [float(n)] * 3, {2: "terminated"}) for n in range(5)), capacity=7)
    batch, _, _ = memory.draw(50, "avoid", np.random.default_rng(1))
    memory.update("avoid", batch.ids, np.arange(50.0))
    memory.add(played(15, [5.0], {}), worth_ten_times, half_the_action)
    assert remembered(memory).keys() == set(map(float, range(8, 15)))

    file = BytesIO()
    write_arrays(file, memory.save())
    other = EpisodeMemory(7, SPACE, Discount(0.5))
    other.restore(SavedArrays(zipfile.ZipFile(file)))

    assert (len(other), other.scale) == (7, memory.scale)
    for one in (memory, other):
        one.add(played(30, [2.0, 3.0], {1: "terminated"}), worth_ten_times, half_the_action)
    for purpose in ("imitate", "avoid"):
        ours, theirs = (one.draw(30, purpose, np.random.default_rng(2)) for one in (memory, other))
        np.testing.assert_equal(vars(ours[0]), vars(theirs[0]))
        np.testing.assert_equal(ours[1:], theirs[1:])


def test_gaps_decide_how_often_a_transition_is_drawn() -> None:
    memory = memory_of(played(0, [1.0] * 4, {3: "terminated"}))
    memory.update("imitate", np.arange(4), np.array([0.0, 0.0, 1.0, 0.0]))
    batch, _, _ = memory.draw(100, "imitate", np.random.default_rng(0))
    assert (batch.ids == 2).mean() > 0.98
    batch, _, _ = memory.draw(100, "avoid", np.random.default_rng(0))
    assert np.bincount(batch.ids).tolist() == pytest.approx([25] * 4, abs=1)


def test_stacks_of_pictures_are_remembered_as_they_were() -> None:
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (9, 12, 12), np.uint8)
    stacks = np.stack([pictures[at : at + 2] for at in range(7)])
    space = spaces.Box(0, 255, (2, 12, 12), np.uint8)
    memory = EpisodeMemory(50, space, Discount(0.5))
    for first, last in ((0, 3), (3, 6)):
        steps = last - first
        ends = np.arange(first, last) == 5
        memory.add(
            Segment.from_steps(
                lane=0, policy_version=0, first_step=first, observations={"": stacks[first : last + 1]},
                finals={2: {"": stacks[6]}} if ends.any() else {}, actions=np.arange(first, last)[:, None],
                rewards=np.ones(steps), terminated=ends, truncated=np.zeros(steps, bool),
                frames=np.ones(steps),
            ),
            worth_ten_times,
            lambda _, actions: actions[:, 0],
        )  # fmt: skip
    batch, _, numbers = memory.draw(60, "imitate", rng)
    assert set(numbers) == set(range(6))
    np.testing.assert_equal(batch.observations[""], stacks[numbers.astype(int)])
    np.testing.assert_equal(batch.next_observations[""], stacks[numbers.astype(int) + 1])
