"""Demonstrations in a replay: their share, their returns, what they are worth, and in a run broken off."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents import experiment
from mario_agents.checkpoints import list_checkpoints, read_checkpoint
from mario_agents.config import TrainConfig
from mario_agents.configure import configure_run
from mario_agents.errors import AgentsError
from mario_agents.manifest import read_manifest
from mario_agents.movies.shipped import shipped_movies
from mario_agents.saved_replay import replay_of
from mario_agents.storage.replay import StoreReplay
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Segment
from mario_agents.storage.transitions import TransitionStore
from mario_agents.teaching.demonstrations import read_episodes
from mario_agents.teaching.discriminator.settings import AdversarialImitation
from mario_agents.teaching.movies import play_episode
from mario_agents.teaching.replayed.settings import ReplayedDemonstrations, read_replayed

from ...conftest import Cli
from ...sampling.test_resuming import break_after_a_checkpoint
from ...sampling.test_sync import assert_equal

SMALL = {
    "policy_kwargs": {"net_arch": [32]}, "batch_size": 32, "learning_rate": 3e-3, "train_freq": 16,
    "gradient_steps": 8,
}  # fmt: skip
PPO_Q = {**SMALL, "data": "mixed", "tau": 0.05}
OTHERS = ("sac", "td3", "ddpg", "tqc", "crossq", "dqn", "qrdqn")


def expert_rows(discrete: bool) -> dict[str, Any]:
    """Return one episode of full pushes to the right."""
    env = gymnasium.make("reach_env:Reach-v0", discrete=discrete)
    observation, _ = env.reset(seed=0)
    rows: dict[str, list[Any]] = {}
    over = False
    while not over:
        action = 2 if discrete else np.array([2.0], np.float32)
        after, reward, terminated, truncated, info = env.step(action)
        row = {"observations": observation, "actions": action, "rewards": reward, "next_observations": after}
        for name, value in {**row, "terminated": terminated, "frames": info["frames"]}.items():
            rows.setdefault(name, []).append(value)
        observation, over = after, terminated or truncated
    return {name: np.array(column) for name, column in rows.items()}


@pytest.fixture
def shown(tmp_path: Path) -> ReplayedDemonstrations:
    np.savez(tmp_path / "expert.npz", **expert_rows(discrete=False))
    return ReplayedDemonstrations(demonstrations=(str(tmp_path / "expert.npz"),))


def configured(name: str, shown: ReplayedDemonstrations | None, **settings: Any) -> TrainConfig:
    usual = {
        "steps": 320, "lanes": 1, "seed": 1, "overrides": PPO_Q if name == "ppo_q" else {}, "checkpoints": 1,
        "discount_per": "frame",
    }  # fmt: skip
    return configure_run(name, "reach_env:Reach-v0", **{**usual, "demonstrations": shown, **settings})


def returns_of(run: Path) -> list[float]:
    (log,) = (run / "training").glob("*.monitor.csv")
    with log.open() as file:
        return [float(row[0]) for row in list(csv.reader(file))[2:]]


def test_what_chance_does_not_find_is_found_where_it_was_shown(
    tmp_path: Path, shown: ReplayedDemonstrations
) -> None:
    alone = returns_of(experiment.train(configured("ppo_q", None), tmp_path / "alone").run)
    taught = returns_of(experiment.train(configured("ppo_q", shown), tmp_path / "taught").run)
    assert max(alone) <= 0
    assert np.mean(np.array(taught[-5:]) > 0) > 0.5, taught


@pytest.mark.parametrize("name", OTHERS)
def test_every_algorithm_with_a_replay_learns_beside_demonstrations(name: str, tmp_path: Path) -> None:
    discrete = name in ("dqn", "qrdqn")
    np.savez(tmp_path / "expert.npz", **expert_rows(discrete))
    shown = ReplayedDemonstrations(demonstrations=(str(tmp_path / "expert.npz"),))
    overrides = {**SMALL, "learning_starts": 16, "gradient_steps": 1}
    config = configured(name, shown, steps=64, env_kwargs={"discrete": discrete}, overrides=overrides)
    outcome = experiment.train(config, tmp_path / "run")
    assert read_checkpoint(outcome.checkpoint)[0].counters["_n_updates"] > 2
    assert read_manifest(outcome.run).config.demonstrations == shown


def test_a_run_broken_off_ends_as_the_unbroken_one(
    tmp_path: Path, shown: ReplayedDemonstrations, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured("ppo_q", shown, steps=192, checkpoints=2, overrides={**PPO_Q, "gradient_steps": 2})
    broken_at = break_after_a_checkpoint(config, tmp_path / "broken", monkeypatch)
    resumed = experiment.resume(tmp_path / "broken")
    unbroken = experiment.train(config, tmp_path / "unbroken")
    (info, tensors), (_, others) = (read_checkpoint(end.checkpoint) for end in (resumed, unbroken))
    assert 0 < broken_at.steps < info.steps
    assert_equal(tensors, others)
    replays = [replay_of(end.checkpoint).read_bytes() for end in (resumed, unbroken)]
    assert replays[0] == replays[1]
    assert len(list_checkpoints(tmp_path / "broken" / "checkpoints")) == 2


def test_a_run_whose_demonstration_is_gone_says_so(tmp_path: Path, shown: ReplayedDemonstrations) -> None:
    experiment.train(
        configured("ppo_q", shown, steps=16, overrides={**PPO_Q, "gradient_steps": 1}), tmp_path / "run"
    )
    Path(shown.demonstrations[0]).unlink()
    with pytest.raises(AgentsError, match=r"expert\.npz cannot be read"):
        experiment.resume(tmp_path / "run", steps=64)


def stretch(actions: float, rewards: list[float], frames: list[int], ends: bool = False) -> Segment:
    count = len(rewards)
    ended = np.arange(count) == count - 1 if ends else np.zeros(count, bool)
    return Segment.from_steps(
        lane=0, policy_version=0, observations={"": np.arange(count + 1, dtype=np.float32)[:, None]},
        finals={count - 1: {"": np.array([count], np.float32)}} if ends else {},
        actions=np.full((count, 1), actions, np.float32), rewards=np.array(rewards), terminated=ended,
        truncated=np.zeros(count, bool), frames=np.array(frames),
    )  # fmt: skip


def replay_with(demonstration: Segment, share: float, steps: int = 1) -> StoreReplay:
    """Return a replay that holds 4 transitions of its own with action 0, beside a demonstration with 1."""
    replay = StoreReplay(
        TransitionStore(4), spaces.Box(-9, 9, (1,)), spaces.Box(-1, 1, (1,)), "cpu",
        discount=Discount(0.5), steps=steps, seed=0,
    )  # fmt: skip
    shown = TransitionStore(len(demonstration))
    shown.add(demonstration)
    replay.show(shown, share)
    for _ in range(5):
        replay.add_segment(stretch(0.0, [0.0] * 3, [1] * 3))
    return replay


@pytest.mark.parametrize(
    ("share", "size", "expected"), [(0.25, 64, 16), (0.5, 5, 2), (0.9, 10, 9), (0.01, 8, 0)]
)
def test_a_share_of_each_batch_is_demonstrated_however_much_was_played(
    share: float, size: int, expected: int
) -> None:
    replay = replay_with(stretch(1.0, [1.0, 2.0], [1, 1]), share)
    for _ in range(20):
        batch = replay.sample(size)
        assert len(batch.rewards) == size
        assert int((batch.actions == 1).sum()) == expected
    assert len(replay.store) == 4


def test_demonstrated_returns_are_discounted_by_their_frames_over_n_steps() -> None:
    replay = replay_with(stretch(1.0, [1.0, 2.0, 4.0], [3, 1, 2], ends=True), share=0.9, steps=2)
    batch = replay.sample(200)
    shown = batch.actions.flatten() == 1
    assert batch.discounts is not None
    found = {
        int(now): tuple(float(column.flatten()[row]) for column in (
            batch.rewards, batch.discounts, batch.next_observations, batch.dones))
        for row, now in enumerate(batch.observations.flatten()) if shown[row]
    }  # fmt: skip
    half = 0.5
    assert found == {
        0: (1 + half**3 * 2, half**4, 2, 0),
        1: (2 + half**1 * 4, half**3, 3, 1),
        2: (4, half**2, 3, 1),
    }


def test_a_batch_without_demonstrations_is_what_it_was() -> None:
    batches = []
    for share in (None, 0.01):
        replay = replay_with(stretch(1.0, [1.0], [1]), share or 0.5)
        if share is None:
            replay._shown = None
        batches.append(replay.sample(8))
    assert torch.equal(batches[0].observations, batches[1].observations)


def test_recorded_rows_come_back_as_episodes(tmp_path: Path) -> None:
    rows = expert_rows(discrete=True)
    twice = {name: np.concatenate([column, column[:4]]) for name, column in rows.items()}
    np.savez(tmp_path / "a.npz", **twice)
    box = spaces.Box(-1, 1, (1,), np.float32)
    episode = read_episodes(tmp_path / "a.npz", box, spaces.Discrete(3))
    assert len(episode) == 14
    assert np.flatnonzero(episode.done).tolist() == [9]
    assert np.array_equal(episode.observations[""][episode.now], twice["observations"])
    assert np.array_equal(episode.observations[""][episode.next], twice["next_observations"])
    assert (episode.frames == 2).all()
    del twice["frames"]
    np.savez(tmp_path / "a.npz", **twice)
    assert (read_episodes(tmp_path / "a.npz", box, spaces.Discrete(3)).frames == 1).all()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"rewards": None}, "has no array 'rewards'; it has"),
        ({"next_observations": None}, "has no array 'next_observations'; it has"),
        ({"rewards": np.full(10, np.nan)}, "row 0 of rewards is outside"),
        ({"frames": np.zeros(10)}, "row 0 of frames is outside"),
        ({"terminated": np.zeros(9, bool)}, "terminated are bool of shape"),
        ({"observations": np.zeros((10, 1))}, "row 1 does not go on where the row before it ends; set trunc"),
    ],
)
def test_recordings_that_are_no_transitions_are_refused(
    change: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    rows = {**expert_rows(discrete=True), **change}
    np.savez(tmp_path / "a.npz", **{name: column for name, column in rows.items() if column is not None})
    with pytest.raises(AgentsError, match=complaint) as refused:
        read_episodes(tmp_path / "a.npz", spaces.Box(-1, 1, (1,), np.float32), spaces.Discrete(3))
    assert "\n" not in str(refused.value)


@pytest.mark.skipif(find_spec("mario_envs") is None, reason="mario-envs is not installed")
def test_a_movie_is_an_episode_with_its_rewards_and_frames() -> None:
    from mario_envs.movies.file import read_movie

    path = shipped_movies()["1-1"]
    options = {
        "observation": {"tiles": {"count": 1}}, "max_noops": 30,
        "action": {"continuous-frames": {"min_frames": 1}}, "reward": {"score": {}},
    }  # fmt: skip
    episode = play_episode(path, "MarioScore-1-1-ContinuousFrames-v0", options, seed=0)
    assert episode.frames.sum() >= read_movie(path).outcome.frames - 1  # the end is counted, too
    assert episode.done.tolist() == [False] * (len(episode) - 1) + [True]
    assert episode.rewards.sum() > 10
    for moments in episode.observations.values():
        assert len(moments) == len(episode) + 2


def test_what_a_discriminator_rewards_is_not_mixed_with_what_the_environment_does(
    shown: ReplayedDemonstrations,
) -> None:
    likeness = AdversarialImitation(demonstrations=("seen.npz",))
    with pytest.raises(AgentsError, match="leave --demonstrations or --discriminator out"):
        configured("sac", shown, discriminator=likeness)


@pytest.mark.parametrize(
    ("name", "settings", "complaint"),
    [
        ("a2c", {}, r"a2c keeps no replay as it is set up here: .* one of ppo_q with data mixed or off-p"),
        (
            "ppo_q",
            {"overrides": {**PPO_Q, "data": "on-policy"}},
            "ppo_q keeps no replay as it is set up here",
        ),
        (
            "dqn",
            {"overrides": {"priority_exponent": 0.6}, "env_kwargs": {"discrete": True}},
            "demonstrations have no priorities: leave --demonstrations or priority_exponent out",
        ),
    ],
)
def test_who_cannot_replay_them_is_refused_before_a_folder_is_there(
    name: str, settings: dict[str, Any], complaint: str, tmp_path: Path, shown: ReplayedDemonstrations
) -> None:
    with pytest.raises(AgentsError, match=complaint):
        experiment.train(configured(name, shown, **settings), tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "demonstrations: Field required; write a mapping such as"),
        ("{demonstrations: [a.movie], share: 1}", "share: Input should be less than 1"),
        ("{demonstrations: [a.movie], ratio: 0.5}", "ratio: Extra inputs are not permitted"),
    ],
)
def test_a_file_that_does_not_say_how_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "shown.yml").write_text(text)
    with pytest.raises(AgentsError, match=complaint):
        read_replayed(tmp_path / "shown.yml")


def test_the_command_names_what_is_no_demonstration(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "shown.yml").write_text("demonstrations: [pole.txt]")
    done = cli(
        "train", "dqn", "--env", "CartPole-v1", "--steps", 64, "--demonstrations", tmp_path / "shown.yml",
        "--out", tmp_path / "run", check=False,
    )  # fmt: skip
    assert done.stderr == "mario-agents: pole.txt is no demonstration: those are .movie and .npz\n"
    assert not (tmp_path / "run").exists()
