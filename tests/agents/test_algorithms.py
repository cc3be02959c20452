"""Each algorithm trains, saves, comes back and acts, on a task that it can serve."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from gymnasium import spaces
from mario_agents import experiment
from mario_agents.acting import load_agent
from mario_agents.algorithms.registry import ALGORITHMS
from mario_agents.checkpoints import list_checkpoints, read_checkpoint
from mario_agents.configure import configure_run
from mario_agents.env_ids import find_env
from mario_agents.hyperparams import constructor_keys
from mario_agents.sampling.vec_env import make_lanes

SMALL = {
    "policy_kwargs": {"net_arch": [16]},
    "batch_size": 32,
    "n_steps": 32,
    "n_epochs": 1,
    "learning_starts": 64,
    "gradient_steps": 1,
    "train_freq": 16,
}


@pytest.mark.parametrize("name", ALGORITHMS)
def test_trains_resumes_and_acts(name: str, tmp_path: Path) -> None:
    env_id = "CartPole-v1" if "Discrete" in ALGORITHMS[name].action_spaces else "Pendulum-v1"
    overrides = {key: value for key, value in SMALL.items() if key in constructor_keys(ALGORITHMS[name])}
    if "learning_starts" in overrides:
        del overrides["n_steps"]  # the length of a rollout on-policy, of a return off-policy
    settings = {"lanes": 2, "checkpoints": 2, "keep": 2}
    config = configure_run(name, env_id, steps=256, seed=1, overrides=overrides, **settings)
    run = tmp_path / "run"

    trained = experiment.train(config, run)
    assert trained.stopped_by == "steps"
    assert trained.steps >= 256
    assert trained.frames == trained.steps

    resumed = experiment.resume(run, steps=192)
    assert resumed.steps >= trained.steps + 192
    assert resumed.episodes >= trained.episodes
    assert len(list_checkpoints(run / "checkpoints")) == 2
    replays = list((run / "checkpoints").glob("*.replay.npz"))
    assert len(replays) == ("learning_starts" in overrides)
    assert len(list((run / "checkpoints").iterdir())) == 2 + len(replays)

    lanes = make_lanes(find_env(env_id), 3, {})
    agent, info = load_agent(run, lanes.observation_space, lanes.action_space, deterministic=True)
    assert info.steps == resumed.steps
    actions = agent(lanes.reset(), np.ones(3, bool))
    assert isinstance(lanes.action_space, spaces.Box | spaces.Discrete)
    assert all(lanes.action_space.contains(action) for action in actions)


def test_a_replay_that_was_not_saved_is_filled_before_the_first_update(tmp_path: Path) -> None:
    overrides = {key: SMALL[key] for key in ("batch_size", "learning_starts", "gradient_steps", "train_freq")}
    config = configure_run(
        "sac", "Pendulum-v1", steps=256, seed=1, lanes=2, overrides=overrides, save_replay=False
    )
    first, _ = read_checkpoint(experiment.train(config, tmp_path / "run").checkpoint)
    second, _ = read_checkpoint(experiment.resume(tmp_path / "run", steps=192).checkpoint)
    steps_per_update = 16 * 2
    assert second.steps - first.steps == 192
    assert second.counters["_n_updates"] - first.counters["_n_updates"] == (192 - 64) // steps_per_update
