"""Learning from a replay that is sampled by priority (Schaul et al. 2016, arXiv 1511.05952).

Stable-Baselines3's ``train`` averages the loss of a batch before anyone sees it. Prioritised sampling needs
the loss and the error of each transition, so that ``train`` of the algorithms here is replaced by
:func:`train_by_priority`, and nothing else of them is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from sb3_contrib import QRDQN
from stable_baselines3 import DQN
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from torch.nn import functional

from mario_agents.algorithms.descent import descend
from mario_agents.storage.replay import StoreReplay

#: From an algorithm and a batch to the loss and the error of each transition, both ``[B]``.
Losses = Callable[[Any, Any], tuple[torch.Tensor, torch.Tensor]]


def dqn_losses(model: DQN, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return DQN's Huber losses and its TD errors.

    Args:
        model: the algorithm.
        batch: what :class:`StoreReplay` gives.
    """
    with torch.no_grad():
        following = model.q_net_target(batch.next_observations).max(dim=1, keepdim=True).values
        targets = batch.rewards + (1 - batch.dones) * _discounts(model, batch) * following
    values = model.q_net(batch.observations).gather(1, batch.actions.long())
    losses = functional.smooth_l1_loss(values, targets, reduction="none")
    return losses.flatten(), (targets - values.detach()).flatten()


def qrdqn_losses(model: QRDQN, batch: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return QR-DQN's quantile Huber losses, and the errors of the expected values.

    Args:
        model: the algorithm.
        batch: what :class:`StoreReplay` gives.
    """
    with torch.no_grad():
        following = model.quantile_net_target(batch.next_observations)  # [B, quantiles, actions]
        greedy = following.mean(dim=1).argmax(dim=1)
        following = _of_actions(following, greedy)
        targets = batch.rewards + (1 - batch.dones) * _discounts(model, batch) * following
    quantiles = _of_actions(model.quantile_net(batch.observations), batch.actions.long().flatten())
    # Equation 10 of Dabney et al. (2018, arXiv 1710.10044) with κ = 1: each quantile against each target.
    errors = targets[:, None, :] - quantiles[:, :, None]
    count = quantiles.shape[1]
    midpoints = (torch.arange(count, device=errors.device) + 0.5) / count
    huber = functional.huber_loss(errors, torch.zeros_like(errors), reduction="none")
    weighed = (midpoints[:, None] - (errors.detach() < 0).float()).abs() * huber
    return weighed.sum(dim=1).mean(dim=1), (targets - quantiles.detach()).mean(dim=1)


def _of_actions(quantiles: torch.Tensor, actions: torch.Tensor) -> torch.Tensor:
    """Return ``[B, quantiles]`` of one action each from ``[B, quantiles, actions]``."""
    return quantiles[torch.arange(len(actions), device=actions.device), :, actions]


def _discounts(model: OffPolicyAlgorithm, batch: Any) -> Any:
    return model.gamma if batch.discounts is None else batch.discounts


LOSSES: dict[type[OffPolicyAlgorithm], Losses] = {DQN: dqn_losses, QRDQN: qrdqn_losses}


def train_by_priority(
    model: Any, replay: StoreReplay, correction: float, gradient_steps: int, batch_size: int
) -> None:
    """Do what the algorithm's ``train`` does, with importance weights and with priorities kept up to date.

    Args:
        model: a DQN or QRDQN.
        replay: whose store has priorities.
        correction: β at the beginning of training; it rises in a line to 1 at its end (section 3.4).
        gradient_steps: updates.
        batch_size: transitions in each.
    """
    losses_of = LOSSES[type(model)]
    model.policy.set_training_mode(True)
    model._update_learning_rate(model.policy.optimizer)
    beta = 1.0 - model._current_progress_remaining * (1.0 - correction)
    seen = []
    for _ in range(gradient_steps):
        batch, ids, weights = replay.sample_by_priority(batch_size, beta)
        losses, errors = losses_of(model, batch)
        replay.update_priorities(ids, errors)
        loss = (weights * losses).mean()
        seen.append(loss.item())
        descend(loss, model.policy.optimizer, model.max_grad_norm)
    model._n_updates += gradient_steps
    model.logger.record("train/n_updates", model._n_updates, exclude="tensorboard")
    model.logger.record("train/loss", float(np.mean(seen)))
    model.logger.record("train/priority_correction", beta)
