"""Self-imitation beside every algorithm, whoever plays, and in a run that is broken off."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mario_agents import experiment
from mario_agents.algorithms.registry import ALGORITHMS
from mario_agents.checkpoints import list_checkpoints, read_checkpoint
from mario_agents.configure import configure_run
from mario_agents.curriculum import Level
from mario_agents.errors import AgentsError
from mario_agents.hyperparams import constructor_keys
from mario_agents.manifest import read_manifest
from mario_agents.saved_replay import replay_of
from mario_agents.teaching.self_imitation.settings import SelfImitation, read_imitation

from ...conftest import Cli
from ...sampling.test_resuming import assert_same_end, break_after_a_checkpoint
from ...sampling.test_sync import assert_equal

CHAIN = "chain_env:Chain-v0"
SMALL = {
    "policy_kwargs": {"net_arch": [8]}, "batch_size": 24, "n_steps": 24, "n_epochs": 1, "learning_starts": 40,
    "gradient_steps": 1, "train_freq": 8, "buffer_size": 1000,
}  # fmt: skip
ALL = {"batch_size": 16, "updates": 2, "avoid": 1.0}


def overrides_of(name: str) -> dict[str, Any]:
    known = constructor_keys(ALGORITHMS[name])
    chosen = {key: value for key, value in SMALL.items() if key in known}
    if "learning_starts" in chosen:
        chosen.pop("n_steps", None)  # the length of a rollout on-policy, of a return off-policy
    return chosen


def configured(name: str, imitation: SelfImitation | None, **settings: Any) -> Any:
    discrete = "Discrete" in ALGORITHMS[name].action_spaces
    # Pendulum's episodes end at their limit.
    env = {"env_id": CHAIN, "env_kwargs": {"length": 5}} if discrete else {"env_id": "Pendulum-v1"}
    usual = {"steps": 480, "lanes": 2, "seed": 3, "overrides": overrides_of(name), "checkpoints": 2}
    return configure_run(name, **{**env, **usual, "imitation": imitation, **settings})


@pytest.mark.parametrize("name", [name for name in ALGORITHMS if name != "recurrentppo"])
def test_every_algorithm_learns_from_its_own_episodes(name: str, tmp_path: Path) -> None:
    settings = SelfImitation.model_validate(ALL)
    # One checkpoint, so that Pendulum's episodes of 200 steps are not cut short by others.
    outcome = experiment.train(configured(name, settings, checkpoints=1), tmp_path / "run")

    assert read_manifest(outcome.run).config.imitation == settings
    assert read_checkpoint(outcome.checkpoint)[0].counters["_n_updates"] > 2
    memory = np.load(replay_of(outcome.checkpoint, "memory"))
    for purpose in ("imitate", "avoid"):
        assert len(np.unique(memory[f"{purpose}/values"][: len(memory["returns"])])) > 1, "none was drawn"


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ppo", {}),
        ("dqn", {}),
        (
            "ppo_q",
            {
                "steps": 1000,
                "overrides": {**overrides_of("ppo_q"), "policy_kwargs": {"net_arch": [8], "n_actors": 2}},
            },
        ),
        ("ppo_max", {}),
    ],
)
def test_a_run_broken_off_ends_as_the_unbroken_one(
    name: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(name, SelfImitation.model_validate(ALL), **settings)
    broken = tmp_path / "broken"
    broken_at = break_after_a_checkpoint(config, broken, monkeypatch)
    assert replay_of(list_checkpoints(broken / "checkpoints")[-1], "memory").exists()
    resumed = experiment.resume(broken)
    unbroken = experiment.train(config, tmp_path / "unbroken")

    assert_same_end(unbroken.run, broken, broken_at)
    memories = [replay_of(end.checkpoint, "memory").read_bytes() for end in (resumed, unbroken)]
    assert len(memories[0]) > 1000
    assert memories[0] == memories[1]
    assert len(list((broken / "checkpoints").glob("*.memory.npz"))) == 1


def test_a_memory_that_is_not_there_begins_empty_and_the_user_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    outcome = experiment.train(configured("ppo", SelfImitation()), run)
    replay_of(outcome.checkpoint, "memory").unlink()
    experiment.resume(run, steps=96)
    (word,) = [line for line in capsys.readouterr().err.splitlines() if "no saved memory" in line]
    assert word.endswith("it is filled anew, and the run does not equal an unbroken one")


def test_what_was_rewarded_otherwise_is_forgotten_with_its_level(tmp_path: Path) -> None:
    levels = (Level(until=0.5, env={"treasure": -1.0}),)
    outcome = experiment.train(configured("ppo", SelfImitation(), curriculum=levels), tmp_path / "run")
    earned = np.load(replay_of(outcome.checkpoint, "memory"))["earned"]
    assert earned.max() > 0.9
    assert earned.min() >= 0.0


def test_actors_elsewhere_feed_the_same_memory(tmp_path: Path) -> None:
    settings = SelfImitation.model_validate(ALL)
    ends = [
        experiment.train(configured("dqn", settings, actors=2, sampler=sampler), tmp_path / sampler)
        for sampler in ("sync", "async")
    ]
    assert_equal(*(read_checkpoint(end.checkpoint)[1] for end in ends))
    memories = [replay_of(end.checkpoint, "memory").read_bytes() for end in ends]
    assert memories[0] == memories[1]


def test_from_the_command_line(cli: Cli, tmp_path: Path) -> None:
    settings, run = tmp_path / "imitation.yml", tmp_path / "run"
    settings.write_text("avoid: 0.5\nbatch_size: 8\n")
    arguments = (
        "--env", "CartPole-v1", "--steps", 192, "--lanes", 2, "--set", "n_steps=24",
        "--set", "batch_size=16", "--imitation", settings, "--out", run, "--seed", 1,
    )  # fmt: skip
    cli("train", "ppo", *arguments)
    document = json.loads((run / "manifest.json").read_text())
    assert document["config"]["imitation"]["avoid"] == 0.5


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "avoid: -1",
            "avoid: Input should be greater than or equal to 0; write a mapping such as {imitate: 1.0",
        ),
        ("imitat: 1.0", "imitat: Extra inputs are not permitted; write a mapping"),
        ("least_ratio: 1.5", "least_ratio: Input should be less than 1"),
        ("[1, 2]", "the file: Input should be a valid dictionary"),
        ("{imitate: 0, avoid: 0}", "imitate and avoid are both 0: nothing would be learned"),
        ("imitate: [", "is not YAML"),
    ],
)
def test_a_file_that_does_not_say_how_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "imitation.yml"
    path.write_text(text)
    with pytest.raises(AgentsError, match=complaint) as refused:
        read_imitation(path)
    assert "\n" not in str(refused.value)
    with pytest.raises(AgentsError, match="cannot be read: No such file"):
        read_imitation(tmp_path / "none.yml")
    path.write_text("")
    assert read_imitation(path) == SelfImitation()


def test_an_algorithm_that_learns_from_sequences_refuses_and_names_those_that_can() -> None:
    advice = r"leave --imitation out, or use one of: ppo, a2c, dqn, .*crossq$"
    with pytest.raises(AgentsError, match=advice) as refused:
        configured("recurrentppo", SelfImitation())
    assert "\n" not in str(refused.value)


def test_a_treasure_that_is_seldom_found_is_found_more_often(tmp_path: Path) -> None:
    overrides = {
        "n_steps": 32, "batch_size": 64, "n_epochs": 4, "gamma": 0.99, "learning_rate": 1e-3,
        "normalize_advantage": False, "ent_coef": 0.01, "policy_kwargs": {"net_arch": [32]},
    }  # fmt: skip

    def treasures(imitation: SelfImitation | None, seed: int) -> int:
        config = configure_run(
            "ppo", CHAIN, steps=5120, seed=seed, lanes=8, checkpoints=1, overrides=overrides,
            env_kwargs={"length": 11}, imitation=imitation,
        )  # fmt: skip
        run = experiment.train(config, tmp_path / f"{seed}-{imitation is None}").run
        lines = (run / "training" / "0.monitor.csv").read_text().splitlines()[1:]
        return sum(float(row["r"]) > 0 for row in csv.DictReader(lines))

    without, found = (
        [treasures(imitation, seed) for seed in range(3)]
        for imitation in (None, SelfImitation(batch_size=128))
    )
    assert min(without) > 0, "never found, it cannot be imitated"
    assert min(found) > 2 * max(without), (found, without)
