"""A learner that is killed and resumed: the same numbers as if nothing had happened."""

from __future__ import annotations

import json
import subprocess
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mario_agents import experiment
from mario_agents.checkpoints import CheckpointError, CheckpointInfo, list_checkpoints, read_checkpoint
from mario_agents.config import TrainConfig
from mario_agents.configure import probe_spaces
from mario_agents.saved_replay import replay_of, restore_replay
from mario_agents.storage.replay import make_store
from mario_agents.storage.returns import Discount

from ..conftest import COMMAND
from .test_sync import OFF_POLICY, TIMED, assert_equal, config_of

PPO_Q = {"train_freq": 30, "gradient_steps": 2, "batch_size": 32, "buffer_size": 1000}
PPO_MAX = {"n_steps": 60, "batch_size": 60, "n_epochs": 2, "policy_kwargs": {"head": "hybrid"}}
SELDOM = {**OFF_POLICY, "train_freq": 20}
MARIO = "MarioScore-1-1-DiscreteFrames-v0"
needs_mario = pytest.mark.skipif(find_spec("mario_envs") is None, reason="mario-envs is not installed")


def episodes_of(run: Path, call: int) -> list[list[str]]:
    lines = (run / "training" / f"{call}.monitor.csv").read_text().splitlines()[2:]
    # All but the time at which an episode ended.
    return [[part for i, part in enumerate(line.split(",")) if i != 2] for line in lines]


def drawn_from_replay(run: Path) -> dict[str, Any]:
    """What a batch drawn from the saved replay holds; empty without a replay."""
    checkpoint = list_checkpoints(run / "checkpoints")[-1]
    if not replay_of(checkpoint).exists():
        return {}
    config = read_checkpoint(checkpoint)[0].config
    space, _ = probe_spaces(config.env_id, config.env_kwargs)
    capacity = config.hyperparams["buffer_size"]
    store = make_store(config.store, capacity, space, config.pools, config.priority_exponent)
    restore_replay(replay_of(checkpoint), store)
    return vars(store.sample(300, Discount(0.9), np.random.default_rng(0), steps=3))


def assert_same_learner(unbroken: Path, broken: Path, broken_at: CheckpointInfo) -> None:
    """Weights, optimisers and counters are equal."""
    (info, tensors), (other_info, others) = (
        read_checkpoint(list_checkpoints(run / "checkpoints")[-1]) for run in (unbroken, broken)
    )
    assert 0 < broken_at.steps < info.steps
    assert_equal(tensors, others)
    assert info.counters == other_info.counters
    assert (info.frames, info.episodes) == (other_info.frames, other_info.episodes)
    assert info.policy_version == other_info.policy_version


def assert_same_end(unbroken: Path, broken: Path, broken_at: CheckpointInfo) -> None:
    """What was learned and the replay are equal, and so is every episode after the checkpoint."""
    assert_same_learner(unbroken, broken, broken_at)
    after = episodes_of(unbroken, 0)[broken_at.episodes :]
    assert after
    assert episodes_of(broken, 1) == after
    batch, other_batch = drawn_from_replay(unbroken), drawn_from_replay(broken)
    assert batch.keys() == other_batch.keys()
    for name, column in batch.items():
        np.testing.assert_equal(column, other_batch[name], err_msg=name)


def start(config: TrainConfig, run: Path) -> subprocess.Popen[str]:
    """Start that very run by the command line."""
    hyperparams = [f"{key}={json.dumps(value)}" for key, value in config.hyperparams.items()]
    options = [f"{key}={json.dumps(value)}" for key, value in config.env_kwargs.items()]
    names = ("steps", "seed", "lanes", "sampler", "order", "actors", "store", "checkpoints")
    return subprocess.Popen(
        [
            *COMMAND, "train", config.algorithm, "--env", config.env_id, "--out", str(run),
            *(part for name in names for part in (f"--{name}", str(getattr(config, name)))),
            *(part for pair in hyperparams for part in ("--set", pair)),
            *(part for pair in options for part in ("--env-option", pair)),
        ],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def kill_after_a_checkpoint(config: TrainConfig, run: Path) -> CheckpointInfo:
    """Run it, SIGKILL the learner when there is a checkpoint, and return what it will be resumed from."""
    process = start(config, run)
    while not list_checkpoints(run / "checkpoints") and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    output, _ = process.communicate()
    assert process.returncode == -9, output
    return read_checkpoint(list_checkpoints(run / "checkpoints")[-1])[0]


@pytest.mark.parametrize(
    ("name", "env_id", "settings"),
    [
        ("ppo", TIMED, {"actors": 2, "sampler": "async"}),
        ("recurrentppo", TIMED, {"sampler": "async"}),
        ("dqn", TIMED, {"actors": 2, "sampler": "async", "overrides": {**OFF_POLICY, "n_steps": 3}}),
        (
            "ppo", "CartPole-v1",
            {"steps": 6400, "overrides": {"n_steps": 32, "batch_size": 64, "n_epochs": 1}},
        ),
        pytest.param(
            "dqn", MARIO, {"lanes": 2, "steps": 2400, "env_kwargs": {"observation": "tiles"}},
            marks=needs_mario,
        ),
    ],
)  # fmt: skip
def test_a_killed_run_ends_as_an_unbroken_one(
    name: str, env_id: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    config = config_of(name, env_id, **{"steps": 480, "checkpoints": 4, **settings})
    # Slower, so that it can be killed before it ends; how long a step takes changes no number.
    slow = {"pause": 0.005} if env_id == TIMED else {}
    killed = config.model_copy(update={"env_kwargs": {**config.env_kwargs, **slow}})
    broken_at = kill_after_a_checkpoint(killed, tmp_path / "broken")
    experiment.resume(tmp_path / "broken")
    experiment.train(config, tmp_path / "unbroken")
    assert_same_end(tmp_path / "unbroken", tmp_path / "broken", broken_at)


class _Broken(Exception):  # noqa: N818 -- as a killed process, it saves nothing
    pass


def break_after_a_checkpoint(config: TrainConfig, run: Path, patch: pytest.MonkeyPatch) -> CheckpointInfo:
    """As if it were killed, within this process."""
    save = experiment._Training.save_and_begin_anew

    def save_and_break(self: Any) -> None:
        save(self)
        raise _Broken

    with patch.context() as patched:
        patched.setattr(experiment._Training, "save_and_begin_anew", save_and_break)
        with pytest.raises(_Broken):
            experiment.train(config, run)
    return read_checkpoint(list_checkpoints(run / "checkpoints")[-1])[0]


@pytest.mark.parametrize(
    ("name", "env_id", "settings"),
    [
        ("recurrentppo", TIMED, {"actors": 2}),
        ("ppo", "Pendulum-v1", {"overrides": {"n_steps": 60, "batch_size": 60, "use_sde": True}}),
        ("sac", "Pendulum-v1", {"overrides": {**SELDOM, "use_sde": True}}),
        ("td3", "Pendulum-v1", {"overrides": {**SELDOM, "action_noise": "ou_0.3"}}),
        ("crossq", "Pendulum-v1", {"overrides": SELDOM}),
        ("ppo_q", "Pendulum-v1", {"overrides": {**PPO_Q, "data": "on-policy", "rollouts": 2}}),
        (
            "ppo_q", "Pendulum-v1",
            {"overrides": {**PPO_Q, "data": "mixed", "policy_kwargs": {"net_arch": [8], "n_actors": 2}}},
        ),
        ("ppo_max", "Pendulum-v1", {"overrides": PPO_MAX}),
        ("qrdqn", TIMED, {"store": "segments"}),
        ("dqn", TIMED, {"overrides": {**OFF_POLICY, "buffer_size": 150}}),
        ("dqn", TIMED, {"pools": 3, "overrides": {**OFF_POLICY, "buffer_size": 150}}),
        ("dqn", TIMED, {"lanes": 1, "overrides": {**OFF_POLICY, "train_freq": [1, "episode"]}}),
        *(
            pytest.param(
                "dqn", MARIO,
                {
                    "store": store, "lanes": 2, "threads": 1, "steps": 240,
                    "overrides": {**SELDOM, "gradient_steps": 1},
                    "env_kwargs": {"observation": {"frames": {"count": 1, "steps": 4}}},
                },
                marks=needs_mario, id=f"pictures-{store}",
            )
            for store in ("segments", "transitions")
        ),
    ],
)  # fmt: skip
def test_every_kind_of_learner_goes_on_exactly(
    name: str, env_id: str, settings: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Episodes of Pendulum take 200 steps, and one shall end between two checkpoints.
    pendulum = {"steps": 1000, "lanes": 2, "checkpoints": 2}
    size = pendulum if env_id == "Pendulum-v1" else {"steps": 480, "checkpoints": 4}
    config = config_of(name, env_id, **{**size, **settings})
    broken_at = break_after_a_checkpoint(config, tmp_path / "broken", monkeypatch)
    experiment.resume(tmp_path / "broken")
    experiment.train(config, tmp_path / "unbroken")
    assert_same_end(tmp_path / "unbroken", tmp_path / "broken", broken_at)


def test_a_replay_that_is_not_there_is_filled_anew_and_the_user_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    experiment.train(config_of("dqn", TIMED, save_replay=False), run)
    assert not list((run / "checkpoints").glob("*.npz"))
    experiment.resume(run, steps=64)
    (word,) = [line for line in capsys.readouterr().err.splitlines() if "no saved replay" in line]
    assert word.startswith("step-000000240.safetensors")


def test_a_replay_is_kept_for_the_newest_checkpoint_only_and_refused_if_damaged(tmp_path: Path) -> None:
    run = tmp_path / "run"
    outcome = experiment.train(config_of("dqn", TIMED, checkpoints=5), run)
    replay = replay_of(outcome.checkpoint)
    assert list((run / "checkpoints").glob("*.npz")) == [replay]
    content = bytearray(replay.read_bytes())
    content[len(content) // 2] ^= 1
    replay.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"is damaged .* delete it to go on") as refusal:
        experiment.resume(run, steps=64)
    assert "\n" not in str(refusal.value)
    replay.unlink()
    assert experiment.resume(run, steps=64).steps >= outcome.steps + 64


@pytest.mark.parametrize(("exact", "settings"), [(True, {}), (False, {"exact_resume": False})])
def test_episodes_are_cut_at_checkpoints_where_that_was_not_declined(
    exact: bool, settings: dict[str, Any], tmp_path: Path
) -> None:
    config = config_of(
        "ppo", "timed_env:Timed-v0", steps=320, lanes=1, checkpoints=1000, **settings,
        overrides={"n_steps": 8, "batch_size": 8, "n_epochs": 1},
    )  # fmt: skip
    outcome = experiment.train(config, tmp_path / "run")
    lengths = [int(episode[1]) for episode in episodes_of(outcome.run, 0)]
    # Some last until their limit of eleven steps, unless a checkpoint cuts them after eight.
    assert (max(lengths) <= 8) is exact
    assert outcome.episodes == len(lengths)
    assert (sum(lengths) < 8 * 30) is exact  # what was cut is no episode
