"""Levels of a curriculum: one environment after the other, whoever plays and whoever learns."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mario_agents import experiment
from mario_agents.checkpoints import list_checkpoints, read_checkpoint
from mario_agents.config import TrainConfig
from mario_agents.configure import configure_run, probe_spaces
from mario_agents.curriculum import Level, next_level, read_curriculum
from mario_agents.errors import AgentsError
from mario_agents.manifest import read_manifest
from mario_agents.saved_replay import replay_of, restore_replay
from mario_agents.storage.replay import make_store
from mario_agents.storage.returns import Discount

#: Rewards 0 for each step and -1 for the fall, where the environment itself gives 1 for each step.
FALLS = Level(until=0.5, env={"sutton_barto_reward": True})
SMALL: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 32, "batch_size": 32, "n_epochs": 1, "policy_kwargs": {"net_arch": [8]}},
    "dqn": {"learning_starts": 32, "batch_size": 16, "train_freq": 8, "buffer_size": 2000,
            "policy_kwargs": {"net_arch": [8]}},
}  # fmt: skip


def configured(name: str, levels: tuple[Level, ...] = (FALLS,), **settings: Any) -> TrainConfig:
    return configure_run(
        name, "CartPole-v1", steps=512, seed=1, lanes=2, overrides=SMALL[name], curriculum=levels, **settings
    )


def returns_of(run: Path, call: int) -> list[float]:
    lines = (run / "training" / f"{call}.monitor.csv").read_text().splitlines()[1:]
    return [float(row["r"]) for row in csv.DictReader(lines)]


def replayed_rewards(checkpoint: Path) -> list[float]:
    space, _ = probe_spaces("CartPole-v1", {})
    store = make_store("transitions", 2000, space, 1, 0.0)
    restore_replay(replay_of(checkpoint), store)
    assert 0 < len(store) <= 256
    rewards: list[float] = store.sample(300, Discount(0.9), np.random.default_rng(0)).rewards.tolist()
    return rewards


@pytest.mark.parametrize(("name", "sampler"), [("ppo", "sync"), ("dqn", "sync"), ("dqn", "async")])
def test_levels_are_learned_in_turn(name: str, sampler: str, tmp_path: Path) -> None:
    outcome = experiment.train(configured(name, sampler=sampler, checkpoints=2), tmp_path / "run")

    assert (outcome.steps, outcome.stopped_by) == (512, "steps")
    calls = read_manifest(outcome.run).calls
    assert [call.stopped_by for call in calls] == ["level", "steps"]
    assert calls[1].from_step == 256
    falls, steps = returns_of(outcome.run, 0), returns_of(outcome.run, 1)
    assert set(falls) == {-1.0}
    assert min(steps) > 1.0
    assert read_checkpoint(outcome.checkpoint)[0].level == 1
    if name == "dqn":
        assert set(replayed_rewards(outcome.checkpoint)) == {1.0}, "learned from the level before"


def test_a_level_that_was_passed_stays_passed_when_steps_are_added(tmp_path: Path) -> None:
    run = tmp_path / "run"
    experiment.train(configured("ppo"), run)

    outcome = experiment.resume(run, steps=1024)

    assert [call.stopped_by for call in read_manifest(run).calls] == ["level", "steps", "steps"]
    assert min(returns_of(run, 2)) > 1.0
    assert read_checkpoint(outcome.checkpoint)[0].level == 1


def test_a_run_broken_off_in_a_level_goes_on_in_it_and_ends_as_the_unbroken_one(tmp_path: Path) -> None:
    levels = (FALLS.model_copy(update={"until": 0.75}),)
    unbroken = experiment.train(configured("ppo", levels, keep=50), tmp_path / "unbroken")
    early = list_checkpoints(unbroken.run / "checkpoints")[3]
    assert read_checkpoint(early)[0].level == 0
    broken = tmp_path / "broken"
    (broken / "checkpoints").mkdir(parents=True)
    for name in ("manifest.json", f"checkpoints/{early.name}"):
        (broken / name).write_bytes((unbroken.run / name).read_bytes())

    outcome = experiment.resume(broken)

    ours, theirs = (read_checkpoint(end.checkpoint) for end in (outcome, unbroken))
    assert ours[0].counters == theirs[0].counters
    assert all((ours[1][key] == tensor).all() for key, tensor in theirs[1].items())


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- until: 1.5\n  env: {}", "0.until: Input should be less than 1"),
        ("- until: 0.5\n  environment: {}", "0.env: Field required"),
        ("- env: {}", "a level needs an end, until or success or both"),
        ("- {success: 0, env: {}}", "0.success: Input should be greater than 0"),
        ("- {until: 0.5, env: {}}\n- {until: 0.5, success: 0.5, env: {}}", "each level must end later"),
        ("- {until: 0.5, env: {}}\n- {until: 0.2, env: {}}", "each level must end later than the one before"),
        ("until: [", "is not YAML"),
        ("reward: original", "write a list such as"),
    ],
)
def test_a_file_that_is_no_curriculum_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "levels.yml"
    path.write_text(text)
    with pytest.raises(AgentsError, match=complaint) as refused:
        read_curriculum(path)
    assert "\n" not in str(refused.value)
    path.write_bytes("until: ½".encode("latin-1"))
    with pytest.raises(AgentsError, match="is not UTF-8"):
        read_curriculum(path)
    with pytest.raises(AgentsError, match="cannot be read: No such file"):
        read_curriculum(tmp_path / "none.yml")


SHARES = st.floats(0.01, 0.99)
LEVELS = st.lists(
    st.tuples(st.none() | SHARES, st.none() | SHARES, st.integers(1, 6)).filter(
        lambda ends: ends[:2] != (None, None)
    ),
    max_size=6,
).map(lambda rows: [Level(until=u, success=s, episodes=n, env={}) for u, s, n in rows])
EPISODES = st.lists(st.booleans(), max_size=12)


@given(LEVELS, st.data())
def test_levels_only_move_on(levels: list[Level], data: st.DataObject) -> None:
    """Through a run in which the used share grows, and in resumed ones, where it may shrink."""
    level = 0
    for _ in range(8):
        used, successes = data.draw(st.floats(0, 1)), data.draw(EPISODES)
        now = next_level(levels, level, used, successes)
        assert level <= now <= len(levels)
        assert now == next_level(levels, now, used, []), "what was passed over was not over"
        assert (
            now == next_level(levels, level, used, [*data.draw(EPISODES), *successes]) or len(successes) < 6
        )
        if now == level < len(levels):
            assert levels[level].until is None or used < levels[level].until
        level = now


@given(LEVELS, EPISODES)
def test_by_success_one_level_is_passed_at_a_time(levels: list[Level], successes: list[bool]) -> None:
    """Those after it have to be learned, too."""
    learned = next_level(levels, 0, 0.0, successes)
    assert learned <= 1
    if levels and levels[0].success is not None and len(successes) >= levels[0].episodes:
        assert learned == (np.mean(successes[-levels[0].episodes :]) >= levels[0].success)
    else:
        assert learned == 0


@given(st.lists(SHARES, unique=True, max_size=6).map(sorted), st.floats(0, 1))
def test_without_success_the_share_alone_tells_the_level(ends: list[float], used: float) -> None:
    levels = [Level(until=end, env={}) for end in ends]
    assert next_level(levels, 0, used, []) == sum(end <= used for end in ends)


def test_levels_that_may_be_learned_before_share_their_latest_end(tmp_path: Path) -> None:
    path = tmp_path / "levels.yml"
    path.write_text("[{until: 0.5, success: 0.8, env: {}}, {success: 0.8, env: {}}, {until: 0.5, env: {}}]")
    levels = read_curriculum(path)
    assert [next_level(levels, 0, used, []) for used in (0.4, 0.5)] == [0, 1]
    assert next_level(levels, 1, 0.6, [True] * 100) == 3


def test_levels_with_other_spaces_are_refused() -> None:
    with pytest.raises(AgentsError, match="level 1 of the curriculum sees or does something else"):
        configure_run(
            "ppo", "FrozenLake-v1", steps=100, curriculum=(Level(until=0.5, env={"map_name": "8x8"}),)
        )
    with pytest.raises(AgentsError, match="CartPole-v1 cannot be made"):
        configured("ppo", (Level(until=0.5, env={"no_such_option": 1}),))
