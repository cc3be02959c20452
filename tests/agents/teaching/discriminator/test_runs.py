"""A discriminator beside every algorithm, whoever plays, and in a run that is broken off."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from mario_agents import experiment
from mario_agents.algorithms.registry import ALGORITHMS
from mario_agents.checkpoints import CheckpointError, list_checkpoints, read_checkpoint
from mario_agents.configure import configure_run
from mario_agents.errors import AgentsError
from mario_agents.hyperparams import constructor_keys
from mario_agents.manifest import read_manifest
from mario_agents.movies.shipped import shipped_movies
from mario_agents.saved_replay import replay_of
from mario_agents.teaching.discriminator import losses
from mario_agents.teaching.discriminator.settings import AdversarialImitation

from ...conftest import Cli
from ...sampling.test_resuming import assert_same_learner, break_after_a_checkpoint
from ...sampling.test_sync import assert_equal

EXITS = "exits_env:Exits-v0"
SMALL = {
    "policy_kwargs": {"net_arch": [8]}, "batch_size": 24, "n_steps": 24, "n_epochs": 1, "learning_starts": 40,
    "gradient_steps": 1, "train_freq": 8, "buffer_size": 1000,
}  # fmt: skip


@pytest.fixture(scope="module")
def exits(exits_env: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What somebody was seen to do who leaves by the far corner."""
    return str(exits_env.demonstrate(tmp_path_factory.mktemp("shown") / "exits.npz"))


@pytest.fixture(scope="module")
def pendulum(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A pendulum that hangs still."""
    seen = np.tile(np.array([-1.0, 0.0, 0.0], np.float32), (30, 1))
    path = tmp_path_factory.mktemp("shown") / "pendulum.npz"
    np.savez(path, observations=seen, terminated=np.zeros(30, bool), truncated=np.zeros(30, bool))
    return str(path)


def imitating(demonstration: str, **settings: Any) -> AdversarialImitation:
    usual = {"demonstrations": (demonstration,), "batch_size": 16, "capacity": 200}
    return AdversarialImitation.model_validate({**usual, **settings})


def configured(name: str, demonstration: str, **settings: Any) -> Any:
    known = constructor_keys(ALGORITHMS[name])
    overrides = {key: value for key, value in SMALL.items() if key in known}
    if "learning_starts" in overrides:
        overrides.pop("n_steps", None)  # the length of a rollout on-policy, of a return off-policy
    env = "Pendulum-v1" if "pendulum" in demonstration else EXITS
    if env == EXITS:
        overrides["policy"] = "MlpLstmPolicy" if name == "recurrentppo" else "MlpPolicy"
    usual = {"steps": 480, "lanes": 2, "seed": 3, "overrides": overrides, "checkpoints": 2}
    return configure_run(name, env, **{**usual, "discriminator": imitating(demonstration), **settings})


def returns(run: Path) -> list[float]:
    lines = (run / "training" / "0.monitor.csv").read_text().splitlines()[1:]
    return [float(row["r"]) for row in csv.DictReader(lines)]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_every_algorithm_learns_from_its_rewards(
    name: str, exits: str, pendulum: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = exits if "Discrete" in ALGORITHMS[name].action_spaces else pendulum
    paid = []

    def counted(*arguments: Any) -> Any:
        paid.append(rewards(*arguments))
        return paid[-1]

    rewards = losses.likeness_rewards
    monkeypatch.setattr(losses, "likeness_rewards", counted)
    outcome = experiment.train(configured(name, shown), tmp_path / "run")
    assert read_manifest(outcome.run).config.discriminator == imitating(shown)
    assert sum(part.size for part in paid) == 480
    assert np.std(paid[-1]) > 0
    weights = np.load(replay_of(outcome.checkpoint, "discriminator"))
    assert weights["counts"][1] == 480 / 16, "a minibatch for every batch_size decisions"
    if name == "dqn":
        learned = np.load(replay_of(outcome.checkpoint))["columns/rewards"]
        assert np.allclose(np.sort(learned), np.sort(np.concatenate([part.ravel() for part in paid])))
    assert set(returns(outcome.run)) <= {0.0, 1.0} or shown == pendulum, "records have the task's own"


@pytest.mark.parametrize("name", ["ppo", "dqn", "ppo_q"])
def test_a_run_broken_off_ends_as_the_unbroken_one(
    name: str, exits: str, pendulum: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(name, pendulum if name == "ppo_q" else exits)
    broken = tmp_path / "broken"
    broken_at = break_after_a_checkpoint(config, broken, monkeypatch)
    assert replay_of(list_checkpoints(broken / "checkpoints")[-1], "discriminator").exists()
    resumed = experiment.resume(broken)
    unbroken = experiment.train(config, tmp_path / "unbroken")

    assert_same_learner(unbroken.run, broken, broken_at)
    first, second = (np.load(replay_of(end.checkpoint, "discriminator")) for end in (resumed, unbroken))
    assert first.files == second.files
    assert any(name.startswith("optimiser/") for name in first.files)
    for key in (key for key in first.files if not key.startswith("played/")):
        assert np.array_equal(first[key], second[key]), key
    assert len(list((broken / "checkpoints").glob("*.discriminator.npz"))) == 1


def test_a_movie_is_looked_at_anew_where_a_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configure_run(
        "ppo", "MarioScore-1-1-ContinuousFrames-v0", steps=96, lanes=2, seed=1, checkpoints=2,
        env_kwargs={"observation": {"tiles": {"count": 1}}},
        overrides={"n_steps": 24, "batch_size": 24, "n_epochs": 1},
        discriminator=imitating(str(shipped_movies()["1-1"])),
    )  # fmt: skip
    broken = tmp_path / "broken"
    break_after_a_checkpoint(config, broken, monkeypatch)
    ends = [experiment.resume(broken), experiment.train(config, tmp_path / "unbroken")]
    assert_equal(*(read_checkpoint(end.checkpoint)[1] for end in ends))
    first, second = (np.load(replay_of(end.checkpoint, "discriminator")) for end in ends)
    assert "played/now/tiles" in first.files
    assert "played/now/vector" not in first.files, "what is planned is in it"
    assert np.array_equal(first["network/head.weight"], second["network/head.weight"])


def test_actors_elsewhere_are_paid_alike(exits: str, tmp_path: Path) -> None:
    ends = [
        experiment.train(configured("dqn", exits, actors=2, sampler=sampler), tmp_path / sampler)
        for sampler in ("sync", "async")
    ]
    assert_equal(*(read_checkpoint(end.checkpoint)[1] for end in ends))


def test_the_task_counts_as_much_as_it_is_told_to(
    exits: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(losses, "likeness_rewards", lambda f, stays, discounts, terminated: np.ones(f.shape))
    settings = imitating(exits, task=3.0, reward=0.5)
    outcome = experiment.train(configured("dqn", exits, discriminator=settings), tmp_path / "run")
    learned = np.load(replay_of(outcome.checkpoint))["columns/rewards"]
    assert set(learned.tolist()) == {0.5, 3.5}
    assert (learned == 3.5).sum() == sum(returns(outcome.run))


def test_one_that_is_not_there_begins_anew_and_the_user_is_told(
    exits: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    outcome = experiment.train(configured("ppo", exits, save_replay=False), run)
    replay_of(outcome.checkpoint, "discriminator").unlink()
    experiment.resume(run, steps=48)
    (word,) = [line for line in capsys.readouterr().err.splitlines() if "no saved discriminator" in line]
    assert word.endswith("it begins anew, and the run does not equal an unbroken one")


def test_what_was_saved_of_another_discriminator_is_refused(exits: str, tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcome = experiment.train(configured("ppo", exits), run)
    path = replay_of(outcome.checkpoint, "discriminator")
    arrays = dict(np.load(path))
    for name, array in (("network/head.weight", np.zeros((1, 3), np.float32)), ("lengths", None)):
        changed = {key: part for key, part in {**arrays, name: array}.items() if part is not None}
        np.savez(path, **changed)
        with pytest.raises(CheckpointError, match=r"discriminator.npz is damaged or not this run's"):
            experiment.resume(run, steps=48)


def test_numbers_that_are_none_stop_training_and_say_what_to_do(exits: str, tmp_path: Path) -> None:
    settings = imitating(exits, learning_rate=1e30)
    with pytest.raises(AgentsError, match=r"loss of the discriminator is not finite.*smaller learning_rate"):
        experiment.train(configured("ppo", exits, discriminator=settings), tmp_path / "run")


def test_a_life_that_is_judged_for_ever_needs_a_discount(exits: str, tmp_path: Path) -> None:
    config = configured("ppo", exits)
    config = config.model_copy(update={"hyperparams": {**config.hyperparams, "gamma": 1.0}})
    with pytest.raises(AgentsError, match="needs a gamma below 1"):
        experiment.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_from_the_command_line(cli: Cli, pendulum: str, tmp_path: Path) -> None:
    settings, run = tmp_path / "discriminator.yml", tmp_path / "run"
    settings.write_text(f"demonstrations: [{pendulum}]\nbatch_size: 8\n")
    arguments: Sequence[object] = (
        "--env", "Pendulum-v1", "--steps", 96, "--lanes", 2, "--set", "n_steps=24", "--set", "batch_size=16",
        "--discriminator", settings, "--out", run, "--seed", 1,
    )  # fmt: skip
    cli("train", "ppo", *arguments)
    document = json.loads((run / "manifest.json").read_text())
    assert document["config"]["discriminator"]["demonstrations"] == [pendulum]

    settings.write_text("demonstrations: [none.npz]")
    refused = cli("train", "ppo", *(tmp_path / "no" if one == run else one for one in arguments), check=False)
    assert refused.returncode == 1
    assert (
        refused.stderr.strip().splitlines()[-1]
        == "mario-agents: none.npz cannot be read: No such file or directory"
    )
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("ppo", {"n_steps": 64, "batch_size": 128, "n_epochs": 4, "learning_rate": 2e-3, "ent_coef": 0.01}),
        (
            "dqn",
            {
                "learning_rate": 1e-3, "learning_starts": 500, "train_freq": 8, "gradient_steps": 4,
                "target_update_interval": 200, "buffer_size": 5000, "exploration_fraction": 0.5,
            },
        ),
    ],
)  # fmt: skip
def test_one_does_as_was_seen_without_any_reward_and_without_seeing_actions(
    name: str, overrides: dict[str, Any], exits: str, tmp_path: Path
) -> None:
    def found(discriminator: AdversarialImitation | None) -> float:
        """Return the share of the last fifty episodes that left by the far corner."""
        config = configure_run(
            name, EXITS, steps=5120 if discriminator else 1024, seed=0, lanes=8, checkpoints=1,
            discriminator=discriminator,
            overrides={"policy": "MlpPolicy", "policy_kwargs": {"net_arch": [64]}, "gamma": 0.9, **overrides},
            env_kwargs={} if discriminator else {"pays": 0.0},
        )  # fmt: skip
        run = experiment.train(config, tmp_path / str(discriminator is None)).run
        last = list(csv.DictReader((run / "training" / "0.monitor.csv").read_text().splitlines()[1:]))[-50:]
        return sum(int(row["found"] == "True") for row in last) / len(last)

    shown = imitating(exits, batch_size=64, learning_rate=1e-3, capacity=2000, penalty=0.1)
    assert found(shown) > 0.9 > 0.7 > found(None)
