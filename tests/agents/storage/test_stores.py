"""The stores against slow, obvious ones that keep a list of transitions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_agents.storage.pools import Pools
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Segment
from mario_agents.storage.segments import SegmentStore
from mario_agents.storage.transitions import TransitionStore

STORES = [SegmentStore, TransitionStore]
STACKS = frozenset({"picture"})


@dataclass
class Step:
    """One transition as anyone would write it down."""

    lane: int
    version: int
    now: dict[str, Any]
    next: dict[str, Any]
    action: float
    reward: float
    terminated: bool
    truncated: bool
    frames: int
    segment: int


class World:
    """Lanes whose observations tell where they are from; pictures move through a stack of three."""

    def __init__(self, lanes: int, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.stacks = [self._fresh() for _ in range(lanes)]
        self.time, self.segments = 0, 0
        self.steps: list[Step] = []

    def _picture(self) -> Any:
        # Few different pictures, so that equal ones turn up where no stack moved on.
        return np.full((6, 5), self.random.integers(3), np.uint8) + np.uint8(self.random.random() < 0.1)

    def _fresh(self) -> list[Any]:
        return [self._picture()] * 3

    def _see(self, lane: int) -> dict[str, Any]:
        self.time += 1
        return {"picture": np.stack(self.stacks[lane]), "vector": np.array([lane, self.time], np.float32)}

    def play(self, lane: int, length: int, version: int) -> Segment:
        seen, finals = [self._last(lane)], {}
        steps = []
        for step in range(length):
            before = seen[-1]
            self.stacks[lane] = [*self.stacks[lane][1:], self._picture()]
            after = self._see(lane)
            terminated, truncated = self.random.random(2) < 0.15
            if terminated or truncated:
                finals[step] = after
                self.stacks[lane] = self._fresh()
                seen.append(self._see(lane))
            else:
                seen.append(after)
            one = Step(
                lane, version, before, after, self.random.normal(), np.float32(self.random.normal()),
                bool(terminated), bool(truncated), int(self.random.integers(1, 6)), self.segments,
            )  # fmt: skip
            steps.append(one)
        self.segments += 1
        self.latest[lane] = seen[-1]
        self.steps += steps
        return Segment.from_steps(
            lane=lane,
            policy_version=version,
            first_step=sum(one.lane == lane for one in self.steps) - length,
            observations={key: np.stack([one[key] for one in seen]) for key in ("picture", "vector")},
            finals=finals,
            actions=np.array([one.action for one in steps]),
            rewards=np.array([one.reward for one in steps]),
            terminated=np.array([one.terminated for one in steps]),
            truncated=np.array([one.truncated for one in steps]),
            frames=np.array([one.frames for one in steps]),
        )

    latest: dict[int, dict[str, Any]]

    def _last(self, lane: int) -> dict[str, Any]:
        if not hasattr(self, "latest"):
            self.latest = {}
        if lane not in self.latest:
            self.latest[lane] = self._see(lane)
        return self.latest[lane]


def reference(steps: list[Step], start: int, n: int, gamma: float, within_segment: bool) -> Any:
    """Walk on from one transition as a person with a pencil would."""
    at, total, factor = start, 0.0, 1.0
    for count in range(n):
        one = steps[at]
        total += factor * one.reward
        factor *= gamma**one.frames
        if one.terminated or one.truncated or count == n - 1:
            break
        later = [i for i in range(at + 1, len(steps)) if steps[i].lane == one.lane]
        if not later or (within_segment and steps[later[0]].segment != one.segment):
            break
        at = later[0]
    return total, factor, steps[at]


plans = st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=12)


@pytest.mark.parametrize("kind", STORES)
@settings(max_examples=60, deadline=None)
@given(plan=plans, seed=st.integers(0, 999), n=st.integers(1, 5), gamma=st.floats(0.0, 1.0))
def test_gathers_what_was_added(
    kind: Any, plan: list[tuple[int, int]], seed: int, n: int, gamma: float
) -> None:
    world, store = World(3, seed), kind(10_000, STACKS)
    for version, (lane, length) in enumerate(plan):
        store.add(world.play(lane, length, version))
    assert len(store) == store.added == len(world.steps)
    batch = store.gather(np.arange(len(store)), Discount(gamma), steps=n)
    seen = store.observations(np.arange(len(store)))
    for i, one in enumerate(world.steps):
        total, factor, last = reference(world.steps, i, n, gamma, kind is SegmentStore)
        assert batch.rewards[i] == pytest.approx(total, abs=1e-5)
        assert batch.discounts[i] == pytest.approx(factor, abs=1e-6)
        assert batch.terminated[i] == last.terminated
        assert batch.actions[i] == one.action
        for key in ("picture", "vector"):
            np.testing.assert_array_equal(batch.observations[key][i], one.now[key])
            np.testing.assert_array_equal(seen[key][i], one.now[key])
            np.testing.assert_array_equal(batch.next_observations[key][i], last.next[key])


@pytest.mark.parametrize("kind", STORES)
@settings(max_examples=60, deadline=None)
@given(plan=plans, seed=st.integers(0, 999), capacity=st.integers(1, 30))
def test_the_oldest_go_and_the_rest_stays_right(
    kind: Any, plan: list[tuple[int, int]], seed: int, capacity: int
) -> None:
    world, store = World(3, seed), kind(capacity, STACKS)
    longest = max(length for _, length in plan)
    for lane, length in plan:
        store.add(world.play(lane, length, 0))
        assert len(store) <= max(capacity, longest)
        newest = world.steps[-len(store) :]
        batch = store.gather(np.arange(len(store)), Discount(0.9))
        for i, one in enumerate(newest):
            np.testing.assert_array_equal(batch.observations["vector"][i], one.now["vector"])
            np.testing.assert_array_equal(batch.observations["picture"][i], one.now["picture"])
            np.testing.assert_array_equal(batch.next_observations["picture"][i], one.next["picture"])
    if kind is TransitionStore:
        assert len(store) == min(capacity, len(world.steps))


@pytest.mark.parametrize("kind", STORES)
@settings(max_examples=50, deadline=None)
@given(
    versions=st.lists(st.integers(0, 6), min_size=1, max_size=10),
    bound=st.integers(0, 7),
    capacity=st.integers(3, 40),
)
def test_nothing_older_than_the_bound_is_drawn(
    kind: Any, versions: list[int], bound: int, capacity: int
) -> None:
    world, store = World(2, 1), kind(capacity, STACKS)
    for number, version in enumerate(versions):
        store.add(world.play(number % 2, 4, version))
    store.forget_before(bound)
    by_time = {one.now["vector"][1]: one.version for one in world.steps}
    if len(store):
        batch = store.sample(64, Discount(0.9), np.random.default_rng(0))
        assert all(by_time[time] >= bound for time in batch.observations["vector"][:, 1])
    if versions[-1] >= bound:
        assert len(store) > 0


@pytest.mark.parametrize("kind", STORES)
def test_every_transition_is_drawn_about_as_often(kind: Any) -> None:
    world, store = World(2, 3), kind(1000, STACKS)
    for lane, length in ((0, 3), (1, 40), (0, 1), (1, 6)):
        store.add(world.play(lane, length, 0))
    batch = store.sample(20_000, Discount(0.9), np.random.default_rng(0))
    _, counts = np.unique(batch.observations["vector"][:, 1], return_counts=True)
    assert len(counts) == 50
    assert np.all(np.abs(counts - 400) < 5 * np.sqrt(400))


@pytest.mark.parametrize("kind", STORES)
def test_an_empty_store_says_so(kind: Any) -> None:
    with pytest.raises(ValueError, match="the store is empty"):
        kind(10).sample(1, Discount(0.9), np.random.default_rng(0))
    with pytest.raises(ValueError, match="room for a transition"):
        kind(0)


def test_pictures_are_held_while_they_are_named_and_no_longer() -> None:
    world, store = World(1, 5), TransitionStore(50, STACKS)
    world._picture = lambda: world.random.integers(0, 255, (6, 5), np.uint8)  # type: ignore[method-assign]
    sizes = []
    for _ in range(100):
        store.add(world.play(0, 20, 0))
        sizes.append(store.nbytes)
    assert max(sizes[50:]) <= max(sizes[:50])
    batch = store.gather(np.arange(50), Discount(0.9))
    for i, one in enumerate(world.steps[-50:]):
        np.testing.assert_array_equal(batch.observations["picture"][i], one.now["picture"])


@pytest.mark.parametrize("kind", STORES)
def test_a_stack_that_moves_on_costs_one_picture_a_step(kind: Any) -> None:
    random = np.random.default_rng(0)
    film = random.integers(0, 255, (2003, 84, 84), np.uint8)  # noise: nothing here can be compressed
    stacks = np.stack([film[i : i + 4] for i in range(2000)])
    no = np.zeros(1999, bool)
    store = kind(5000, frozenset({""}))
    store.add(
        Segment.from_steps(
            lane=0, policy_version=0, observations={"": stacks}, finals={}, actions=np.zeros(1999),
            rewards=np.zeros(1999), terminated=no, truncated=no, frames=np.ones(1999),
        )
    )  # fmt: skip
    assert store.nbytes < 1.2 * film.nbytes
    batch = store.gather(np.array([0, 1998]), Discount(0.9))
    np.testing.assert_array_equal(batch.next_observations[""], stacks[[1, 1999]])


@settings(max_examples=40, deadline=None)
@given(plan=plans, size=st.integers(9, 20), number=st.integers(2, 4))
def test_pools_fill_and_go_whole(plan: list[tuple[int, int]], size: int, number: int) -> None:
    world, pools = World(3, 0), Pools(number, size, lambda capacity: SegmentStore(capacity, STACKS))
    full: list[list[Step]] = []
    filling: list[Step] = []
    for lane, length in plan:
        before = len(world.steps)
        pools.add(world.play(lane, length, 0))
        filling += world.steps[before:]
        if len(filling) >= size:
            full, filling = [*full, filling][-(number - 1) :], []
    kept = {one.now["vector"][1] for pool in full for one in pool}
    assert len(pools) == len(kept)
    with pytest.raises(ValueError, match="does not fit into a pool"):
        pools.add(world.play(0, size + 1, 0))
    if kept:
        batch = pools.sample(32, Discount(0.9), np.random.default_rng(0), steps=2)
        assert set(batch.observations["vector"][:, 1]) <= kept
        assert len(batch.ids) == 32


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": np.ones(2)}, "another length of frames"),
        ({"observations": {"": np.zeros(3)}}, "another length of observations"),
        ({"terminated": np.array([False, True, False])}, r"episodes end in steps \[1\]"),
    ],
)
def test_segments_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    whole: dict[str, Any] = {
        "lane": 0, "policy_version": 0, "observations": {"": np.zeros(4)}, "finals": {},
        "actions": np.zeros(3), "rewards": np.zeros(3), "terminated": np.zeros(3, bool),
        "truncated": np.zeros(3, bool), "frames": np.ones(3),
    }  # fmt: skip
    with pytest.raises(ValueError, match=message):
        Segment.from_steps(**{**whole, **changes})
