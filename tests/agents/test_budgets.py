"""What ends a run: a budget of frames, as one of steps, is rounded up to whole rollouts."""

from __future__ import annotations

from pathlib import Path

import pytest
from mario_agents import experiment
from mario_agents.configure import configure_run
from mario_agents.errors import AgentsError
from mario_agents.manifest import read_manifest
from mario_agents.schedules import Budget, Linear


def test_frames_end_a_run_after_a_whole_update(tmp_path: Path) -> None:
    overrides = {"n_steps": 32, "batch_size": 32, "n_epochs": 1, "learning_rate": "lin_1e-3"}
    config = configure_run(
        "ppo", "CartPole-v1", steps=10**6, frames=100, seed=1, lanes=2, overrides=overrides
    )

    outcome = experiment.train(config, tmp_path / "run")

    # CartPole tells of no frames: each step counts as one, and a rollout is 64.
    assert (outcome.frames, outcome.steps, outcome.stopped_by) == (128, 128, "frames")
    assert read_manifest(outcome.run).calls[0].stopped_by == "frames"
    with pytest.raises(AgentsError, match=r"has played its 100 frames; add some: .* --frames N"):
        experiment.resume(outcome.run)

    longer = experiment.resume(outcome.run, frames=64)
    assert (longer.frames, longer.stopped_by) == (192, "frames")


def test_a_schedule_follows_what_ends_first() -> None:
    played = 0
    budget = Budget(seconds=1e9, frames=200, played=lambda: played)
    falling = Linear(1.0, 0.0, budget)
    assert falling(1.0) == pytest.approx(1.0)
    played = 150
    assert falling(1.0) == 0.25
    assert falling(0.1) == 0.1
    played = 500
    assert falling(1.0) == 0.0
