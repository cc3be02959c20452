"""What self-imitation needs of an algorithm: what it expects, how likely it acts so, a step of descent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import torch
from gymnasium import spaces
from sb3_contrib import QRDQN, TQC
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import Tensor
from torch.optim import Optimizer

from mario_agents.algorithms.descent import descend
from mario_agents.algorithms.ppo_q import PPOQ
from mario_agents.algorithms.ppo_q.losses import pool


@dataclass(frozen=True)
class Judgement:
    """What an algorithm holds of B transitions, differentiable but for ``expected``.

    Attributes:
        expected: what a return is measured by, ``[B]``: V(s), or Q of the most likely action, where there is
            a policy to change; else Q(s, a).
        estimates: the values that a return bounds, ``[N, B]``: V(s), or Q(s, a) of each critic.
        log_probs: log π(a|s), ``[B]``; None without a policy that draws actions.
    """

    expected: Tensor
    estimates: Tensor
    log_probs: Tensor | None


class Student(Protocol):
    """One kind of algorithm.

    Attributes:
        has_policy: whether there is a log π(a|s).
        learns_q: whether estimates are of actions, Q(s, a).
    """

    has_policy: bool
    learns_q: bool

    def values(self, observations: Any) -> Tensor:
        """Return V(s), ``[B]``."""
        ...

    def judge(self, observations: Any, actions: Tensor) -> Judgement:
        """Judge transitions by states and actions, the latter ``[B, n]`` as the algorithm stores them."""
        ...

    def descend(self, policy_loss: Tensor, value_loss: Tensor) -> None:
        """Take a step with the algorithm's own optimisers and limit of gradients."""
        ...


class ActorCriticStudent:
    """PPO, A2C and PPO-max: a policy and V, under one optimiser."""

    has_policy = True
    learns_q = False

    def __init__(self, model: OnPolicyAlgorithm) -> None:
        self._model = model

    def values(self, observations: Any) -> Tensor:
        """Return V(s)."""
        return self._model.policy.predict_values(observations).flatten()

    def judge(self, observations: Any, actions: Tensor) -> Judgement:
        """Judge by V(s)."""
        if isinstance(self._model.action_space, spaces.Discrete):
            actions = actions.long().flatten()  # as in train()
        values, log_probs, _ = self._model.policy.evaluate_actions(observations, actions)
        return Judgement(values.detach().flatten(), values.reshape(1, -1), log_probs)

    def descend(self, policy_loss: Tensor, value_loss: Tensor) -> None:
        """Take one step on the sum."""
        _step(policy_loss + value_loss, self._model.policy.optimizer, self._model.max_grad_norm)


class QStudent:
    """DQN and QR-DQN: Q of all actions at once; acting is choosing the best."""

    has_policy = False
    learns_q = True

    def __init__(self, model: DQN | QRDQN) -> None:
        self._model = model

    def values(self, observations: Any) -> Tensor:
        """Return max_a Q(s, a)."""
        return self._of_all(observations).max(dim=1).values

    def judge(self, observations: Any, actions: Tensor) -> Judgement:
        """Judge by Q(s, a)."""
        values = self._of_all(observations).gather(1, actions.long()).T
        return Judgement(values.detach().flatten(), values, None)

    def descend(self, policy_loss: Tensor, value_loss: Tensor) -> None:
        """Take one step on the values' loss; there is no other."""
        _step(value_loss, self._model.policy.optimizer, self._model.max_grad_norm)

    def _of_all(self, observations: Any) -> Tensor:
        if isinstance(self._model, QRDQN):
            # [B, quantiles, actions]; a return bounds the distribution's mean.
            quantiles: Tensor = self._model.quantile_net(observations)
            return quantiles.mean(dim=1)
        values: Tensor = self._model.q_net(observations)
        return values


class ActorAndQStudent:
    """SAC, TQC, CrossQ, TD3, DDPG and PPO-Q: an actor and critics Q(s, a), each with its optimiser."""

    learns_q = True

    def __init__(self, model: Any) -> None:
        self._model = model
        actor = model.policy.actor
        self.has_policy = hasattr(actor, "get_action_dist_params") and not getattr(
            model.policy, "deterministic", False
        )

    def values(self, observations: Any) -> Tensor:
        """Return the least critic's Q(s, a*) of the most likely action, and −α log π(a*|s) with it.

        Of an action that is drawn it would be a sample, and what is avoided would hang on the draw.
        """
        actions, log_probs = self._most_likely(observations)
        values = pool(self._critics(observations, actions), "min")
        return values if log_probs is None else values - self._alpha * log_probs

    def judge(self, observations: Any, actions: Tensor) -> Judgement:
        """Judge by the least critic's Q(s, a*); by its Q(s, a) if the actor is deterministic."""
        estimates = self._critics(observations, actions)
        if not self.has_policy:
            return Judgement(pool(estimates.detach(), "min"), estimates, None)
        with torch.no_grad():
            best, _ = self._most_likely(observations)
            expected = pool(self._critics(observations, best), "min")
        return Judgement(expected, estimates, self._log_probs(observations, actions))

    def descend(self, policy_loss: Tensor, value_loss: Tensor) -> None:
        """Take a step of the critics, and one of the actor."""
        limit = getattr(self._model, "max_grad_norm", None)
        _step(value_loss, self._model.critic.optimizer, limit)
        _step(policy_loss, self._model.actor.optimizer, limit)

    def _critics(self, observations: Any, actions: Tensor) -> Tensor:
        """Return Q of each critic, ``[N, B]``."""
        values = self._model.critic(observations, actions)
        if isinstance(self._model, PPOQ):
            return values  # type: ignore[no-any-return]
        if isinstance(self._model, TQC):
            # [B, N, quantiles]
            return values.mean(dim=2).T  # type: ignore[no-any-return]
        return torch.cat(values, dim=1).T

    def _most_likely(self, observations: Any) -> tuple[Tensor, Tensor | None]:
        """Return a* and log π(a*|s); of several actors those of the one that would act."""
        if not self.has_policy:
            return self._model.policy._predict(observations, deterministic=True), None
        actor = self._model.policy.actor
        who_acts = self._model.policy if isinstance(self._model, PPOQ) else actor
        mean, log_std, more = who_acts.get_action_dist_params(observations)
        distribution = actor.action_dist.proba_distribution(mean, log_std, **more)
        actions = distribution.mode()
        return actions, distribution.log_prob(actions)

    @property
    def _alpha(self) -> Tensor:
        log_alpha = self._model.log_ent_coef
        alpha: Tensor = self._model.ent_coef_tensor if log_alpha is None else log_alpha.detach().exp()
        return alpha

    def _log_probs(self, observations: Any, actions: Tensor) -> Tensor:
        """Return log π(a|s), the mean of several actors' where there are."""
        actor = self._model.policy.actor
        mean, log_std, more = actor.get_action_dist_params(observations)
        several = actions.repeat(len(mean) // len(actions), 1)
        log_probs: Tensor = actor.action_dist.proba_distribution(mean, log_std, **more).log_prob(several)
        return log_probs.view(-1, len(actions)).mean(dim=0)


def student_of(model: BaseAlgorithm) -> Student:
    """Return the student for an algorithm; which ones there are none for is checked before a run begins."""
    if isinstance(model, OnPolicyAlgorithm):
        return ActorCriticStudent(model)
    return QStudent(model) if isinstance(model, DQN | QRDQN) else ActorAndQStudent(model)


def _step(loss: Tensor, optimizer: Optimizer, limit: float | None) -> None:
    if loss.requires_grad:  # else there is nothing of that kind to learn
        descend(loss, optimizer, limit)
