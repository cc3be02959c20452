"""The updates of behaviour cloning: the demonstrated actions become likely."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.utils import obs_as_tensor

from mario_agents.algorithms.finite import check_finite
from mario_agents.algorithms.ppo_max import PPOMax
from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError
from mario_agents.storage.segment import from_leaves
from mario_agents.teaching.cloning.settings import BehaviourCloning
from mario_agents.teaching.demonstrations import Demonstrations, is_movie, read_recorded
from mario_agents.teaching.movies import play_movie
from mario_agents.teaching.students import Student, student_of

_ABLE = "ppo, a2c, ppo_max, sac, tqc, crossq, ppo_q"
#: Observations that are counted at once where there is no gradient.
_CHUNK = 1024


def clone_demonstrations(model: BaseAlgorithm, config: TrainConfig) -> None:
    """Let a new agent learn from the run's demonstrations, and say on stderr what came of it.

    Raises:
        AgentsError: the algorithm cannot, or a demonstration cannot be used.
    """
    settings = config.cloning
    assert settings is not None
    student = _student(model)
    demonstrations = Demonstrations.joined(
        [_read(Path(text), model, config) for text in settings.demonstrations]
    )
    losses = list(_epochs(model, student, demonstrations, settings, config.seed))
    number = len(settings.demonstrations)
    print(
        f"cloned {len(demonstrations):,} decisions, of {number:,} demonstration{'s' * (number > 1)}: "
        f"mean log-likelihood from {-losses[0]:,.2f} in the first epoch to {-losses[-1]:,.2f} in the last",
        file=sys.stderr,
    )


def clone(
    model: BaseAlgorithm, demonstrations: Demonstrations, settings: BehaviourCloning, seed: int
) -> list[float]:
    """Make demonstrated actions likely under an algorithm's own policy; its critics stay as they are.

    Descends −mean_B log π(a|s) by the algorithm's own optimiser, within its limit of gradients: Pomerleau's
    behaviour cloning (1991, Neural Computation 3, 88–97), whose squared error is that of a fixed Gaussian.

    Args:
        model: PPO, A2C, PPO-max, SAC, TQC, CrossQ or PPO-Q.
        demonstrations: what to do where.
        settings: how often; where demonstrations lie is not used here.
        seed: of the order of minibatches.

    Returns:
        Mean loss of each epoch, in nats, as it was while learning.

    Raises:
        AgentsError: the policy has no probabilities, or learns from sequences; or the loss is not finite.
    """
    return list(_epochs(model, _student(model), demonstrations, settings, seed))


def _student(model: BaseAlgorithm) -> Student:
    student = None if isinstance(model, RecurrentPPO) else student_of(model)
    if student is None or not student.has_policy:
        why = "learns from whole sequences" if student is None else "has a policy without probabilities"
        raise AgentsError(
            f"{type(model).__name__} {why} as it is set up here: leave --cloning out, or use one of: {_ABLE}"
        )
    return student


def _read(path: Path, model: BaseAlgorithm, config: TrainConfig) -> Demonstrations:
    if is_movie(path):
        return play_movie(path, config.env_id, config.env_kwargs, config.seed)
    return read_recorded(path, model.observation_space, model.action_space)


def _epochs(
    model: BaseAlgorithm,
    student: Student,
    demonstrations: Demonstrations,
    settings: BehaviourCloning,
    seed: int,
) -> Iterable[float]:
    rng, policy = np.random.default_rng(seed), model.policy
    actions = torch.as_tensor(_as_stored(model, demonstrations.actions, settings.margin), device=model.device)
    policy.set_training_mode(False)  # as it plays: no statistics of a batch
    if isinstance(model, PPOMax):
        # Moments of features that came only with the first rollout would make another policy of this one.
        for first in range(0, len(actions), _CHUNK):
            model.policy.see(_observations(model, demonstrations, slice(first, first + _CHUNK)))
    nothing = torch.zeros((), device=model.device)
    for epoch in range(settings.epochs):
        order, total = rng.permutation(len(actions)), 0.0
        for first in range(0, len(order), settings.batch_size):
            rows = order[first : first + settings.batch_size]
            judged = student.judge(_observations(model, demonstrations, rows), actions[rows])
            assert judged.log_probs is not None
            loss = -judged.log_probs.mean()
            check_finite(loss, "loss of behaviour cloning is not finite", epoch, "a smaller learning_rate")
            student.descend(loss, nothing)
            total += loss.item() * len(rows)
        yield total / len(order)


def _observations(model: BaseAlgorithm, demonstrations: Demonstrations, rows: Any) -> Any:
    seen = {key: part[rows] for key, part in demonstrations.observations.items()}
    return obs_as_tensor(from_leaves(seen), model.device)


def _as_stored(model: BaseAlgorithm, actions: NDArray[Any], margin: float) -> NDArray[np.float32]:
    """Return actions as the algorithm stores them, ``[N, n]``: in (−1, 1) where its policy ends in tanh."""
    if isinstance(model.action_space, spaces.Box) and model.policy.squash_output:
        scaled = model.policy.scale_action(actions)
        actions = np.clip(scaled, margin - 1.0, 1.0 - margin)
    return actions.reshape(len(actions), -1).astype(np.float32)
