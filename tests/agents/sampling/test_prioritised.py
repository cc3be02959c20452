"""DQN and QR-DQN on a prioritised replay: the paper's chances and weights, Stable-Baselines3's updates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mario_agents import experiment
from mario_agents.algorithms.prioritised import train_by_priority
from mario_agents.checkpoints import read_checkpoint
from mario_agents.configure import configure_run
from mario_agents.storage.returns import Discount
from scipy import stats
from stable_baselines3.common.logger import Logger

from .test_sync import OFF_POLICY, TIMED, Attach, assert_equal, attached, config_of

__all__ = ["attached"]  # a fixture

BY_PRIORITY = {**OFF_POLICY, "priority_exponent": 0.6}


def test_chances_and_weights_are_the_papers(attached: Attach) -> None:
    config = config_of("dqn", overrides={**BY_PRIORITY, "learning_starts": 10_000})
    model, learner = attached(config)
    model.learn(64)
    errors = np.random.default_rng(0).exponential(size=64)
    replay, count = learner._replay, len(learner._replay.store)
    assert count == 64
    replay.update_priorities(np.arange(64), torch.as_tensor(errors))
    drawn, weights_of = np.zeros(64, int), np.zeros(64)
    for _ in range(200):
        _, ids, weights = replay.sample_by_priority(64, 0.7)
        drawn += np.bincount(ids, minlength=64)
        weights_of[ids] = np.maximum(weights_of[ids], weights.numpy())
    chances = (errors + 1e-6) ** 0.6 / ((errors + 1e-6) ** 0.6).sum()  # equation 1
    assert stats.chisquare(drawn, drawn.sum() * chances).pvalue > 0.01
    # Section 3.4: (1 / N · 1 / P(i))^β, over the largest in the batch.
    _, ids, weights = replay.sample_by_priority(64, 0.7)
    expected = (count * chances[ids]) ** -0.7
    np.testing.assert_allclose(weights.numpy(), expected / expected.max(), rtol=1e-5)


class _Same:
    """Gives one batch again and again, as a uniform replay and as a prioritised one whose weights are 1."""

    def __init__(self, batch: Any, size: int) -> None:
        self.batch, self.size = batch, size
        self.errors: list[torch.Tensor] = []

    def sample(self, *_: Any, **__: Any) -> Any:
        return self.batch

    def sample_by_priority(self, *_: Any) -> Any:
        return self.batch, np.arange(self.size), torch.ones(self.size)

    def update_priorities(self, _: Any, errors: torch.Tensor) -> None:
        self.errors.append(errors)


@pytest.mark.parametrize("per", ["step", "frame"])
@pytest.mark.parametrize("name", ["dqn", "qrdqn"])
def test_with_equal_weights_updates_are_stable_baselines3s(name: str, per: str, attached: Attach) -> None:
    config = config_of(name, discount_per=per, overrides={**OFF_POLICY, "learning_starts": 10_000})
    (theirs, learner), (ours, _) = attached(config), attached(config)
    theirs.learn(80)
    ours.set_logger(Logger(None, []))
    ours._current_progress_remaining = theirs._current_progress_remaining
    same = _Same(learner._replay.sample(16), 16)
    theirs.replay_buffer = same
    theirs.train(3, 16)
    train_by_priority(ours, same, 0.4, 3, 16)  # type: ignore[arg-type]
    for key, weights in theirs.policy.state_dict().items():
        torch.testing.assert_close(ours.policy.state_dict()[key], weights, msg=key)
    assert ours._n_updates == theirs._n_updates == 3
    assert [errors.shape for errors in same.errors] == [(16,)] * 3
    assert not torch.equal(same.errors[0], same.errors[2])


@pytest.mark.parametrize("name", ["dqn", "qrdqn"])
def test_it_trains_on_transitions_by_their_errors(name: str, attached: Attach) -> None:
    config = config_of(name, overrides=BY_PRIORITY)
    assert (config.priority_exponent, config.priority_correction) == (0.6, 0.4)
    model, learner = attached(config)
    model.learn(240)
    assert model._n_updates > 0
    store = learner.store
    priorities = store.priorities._tree.get(np.arange(len(store)))  # type: ignore[union-attr]
    assert len(np.unique(priorities)) > 50
    # β has come near 1 with the end of training.
    assert 0.9 < store.priorities.correction <= 1.0  # type: ignore[union-attr]
    drawn = store.sample(4000, Discount(0.9), np.random.default_rng(0)).ids
    often = np.bincount(drawn, minlength=len(store))
    assert stats.spearmanr(often, priorities).statistic > 0.9


def test_a_resumed_run_keeps_its_priorities(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from .test_resuming import assert_same_end, break_after_a_checkpoint

    config = config_of("dqn", steps=480, checkpoints=4, overrides={**BY_PRIORITY, "buffer_size": 150})
    broken_at = break_after_a_checkpoint(config, tmp_path / "broken", monkeypatch)
    experiment.resume(tmp_path / "broken")
    outcome = experiment.train(config, tmp_path / "unbroken")
    assert_same_end(tmp_path / "unbroken", tmp_path / "broken", broken_at)
    uniform = config_of("dqn", steps=480, overrides={**OFF_POLICY, "buffer_size": 150})
    other = read_checkpoint(experiment.train(uniform, tmp_path / "uniform").checkpoint)[1]
    with pytest.raises(AssertionError):
        assert_equal(other, read_checkpoint(outcome.checkpoint)[1])


@pytest.mark.parametrize(
    ("name", "env_id", "settings", "message"),
    [
        ("ppo", TIMED, {}, "ppo cannot learn from a prioritised replay, as dqn and qrdqn can"),
        ("sac", "Pendulum-v1", {}, "sac cannot learn from a prioritised replay, as dqn and qrdqn can"),
        ("dqn", TIMED, {"store": "segments"}, "use --store transitions and no --pools"),
        ("dqn", TIMED, {"pools": 2}, "use --store transitions and no --pools"),
    ],
)
def test_where_it_cannot_be_had_it_is_refused(
    name: str, env_id: str, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message) as refusal:
        configure_run(name, env_id, steps=64, overrides={"priority_exponent": 0.6}, **settings)
    assert "\n" not in str(refusal.value)


def test_an_exponent_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match=r"priority_exponent 1.5: Input should be less than or equal to 1"):
        configure_run("dqn", TIMED, steps=64, overrides={"priority_exponent": 1.5})
