"""The updates of self-imitation, after those of the algorithm."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.utils import obs_as_tensor
from torch import Tensor

from mario_agents.algorithms.finite import check_finite
from mario_agents.sampling.block import Block
from mario_agents.storage.batch import Batch
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Leaves, from_leaves
from mario_agents.teaching.self_imitation import losses
from mario_agents.teaching.self_imitation.memory import EpisodeMemory
from mario_agents.teaching.self_imitation.settings import SelfImitation
from mario_agents.teaching.students import student_of

#: Transitions that are judged at once where there is no gradient.
_CHUNK = 1024


class ImitateItself(BaseCallback):
    """Remembers what was played, and after each update of the algorithm learns from it once more.

    It comes after the algorithm's update and before the weights go to who plays: in a rollout, the policy
    that played and the policy whose ratio is clipped stay the same.

    Args:
        settings: what it is told.
        learner: the algorithm.
        discount: γ, per step or per frame.
        seed: of the drawing of batches.

    Attributes:
        memory: what it remembers.
        rng: where batches are drawn from.
    """

    def __init__(
        self, settings: SelfImitation, learner: BaseAlgorithm, discount: Discount, seed: int
    ) -> None:
        super().__init__()
        self._settings = settings
        self._student = student_of(learner)
        self._device = learner.device
        self._policy = learner.policy
        self.memory = EpisodeMemory(settings.capacity, learner.observation_space, discount)
        self.rng = np.random.default_rng(seed)
        on_policy = isinstance(learner, OnPolicyAlgorithm)
        self._minibatches = settings.updates or (4 if on_policy else 1)
        self._updates_seen = 0

    def see(self, blocks: Iterable[Block]) -> None:
        """Take in what actors played."""
        self._policy.set_training_mode(False)
        for block in blocks:
            for segment in block.segments():
                self.memory.add(segment, self._value, self._log_probs)

    @torch.no_grad()
    def _value(self, observations: Leaves) -> NDArray[Any]:
        return self._student.values(self._tensors(observations)).cpu().numpy()

    @torch.no_grad()
    def _log_probs(self, observations: Leaves, actions: NDArray[Any]) -> NDArray[Any]:
        if not self._student.has_policy or not self._settings.avoid:
            return np.zeros(len(actions), np.float32)
        parts = []
        for first in range(0, len(actions), _CHUNK):
            rows = slice(first, first + _CHUNK)
            seen = self._tensors({key: part[rows] for key, part in observations.items()})
            log_probs = self._student.judge(seen, self._actions(actions[rows])).log_probs
            assert log_probs is not None
            parts.append(log_probs.cpu().numpy())
        return np.concatenate(parts)

    def _on_training_start(self) -> None:
        self._updates_seen = self.model._n_updates

    def _on_rollout_start(self) -> None:
        updates = self.model._n_updates
        if updates == self._updates_seen or not len(self.memory):
            return
        self._updates_seen = updates
        # As it plays: no statistics of a batch, which here is not one of the algorithm's own.
        self._policy.set_training_mode(False)
        logged: dict[str, list[float]] = {}
        for _ in range(self._minibatches):
            self._one_minibatch(logged)
        for name, values in logged.items():
            self.logger.record(f"imitation/{name}", float(np.mean(values)))
        self.logger.record("imitation/remembered", len(self.memory))

    def _one_minibatch(self, logged: dict[str, list[float]]) -> None:
        policy_loss = value_loss = torch.zeros((), device=self._device)
        for weight, learn in ((self._settings.imitate, self._imitate), (self._settings.avoid, self._avoid)):
            if weight:
                of_policy, of_value = learn(logged)
                policy_loss, value_loss = policy_loss + weight * of_policy, value_loss + weight * of_value
        for name, loss in (("policy_loss", policy_loss), ("value_loss", value_loss)):
            self._check_finite(loss, name)
            logged.setdefault(name, []).append(loss.item())
        self._student.descend(policy_loss, value_loss)

    def _imitate(self, logged: dict[str, list[float]]) -> tuple[Tensor, Tensor]:
        """Return the policy's and the value's loss on transitions whose return may lie above expectation."""
        settings, scale = self._settings, self.memory.scale
        batch, found, _ = self.memory.draw(settings.batch_size, "imitate", self.rng)
        returns, weights = self._tensor(found), self._tensor(batch.weights)
        judged = self._student.judge(self._tensors(batch.observations), self._actions(batch.actions))
        gap = losses.gaps(returns, judged.expected, scale, settings.most)
        self._note("imitate", batch, gap, logged)
        value_loss = losses.bound_loss(returns, judged.estimates, weights, scale, settings.most)
        if judged.log_probs is None:
            return torch.zeros_like(value_loss), value_loss
        part = 1.0 if self._student.learns_q else settings.value
        return losses.imitation_loss(judged.log_probs, gap, weights), part * value_loss

    def _avoid(self, logged: dict[str, list[float]]) -> tuple[Tensor, Tensor]:
        """Return the losses on transitions after which things may have gone worse than expected."""
        settings, scale = self._settings, self.memory.scale
        batch, found, first_log_probs = self.memory.draw(settings.batch_size, "avoid", self.rng)
        weights = self._tensor(batch.weights)
        with torch.no_grad():
            next_values = self._student.values(self._tensors(batch.next_observations))
        discounts = self._tensor(batch.discounts * ~batch.terminated)
        # The better of what came and of what might have come from where the action led: an old episode that
        # was lost later on does not speak against the actions that led to a good place.
        better = torch.maximum(self._tensor(found), self._tensor(batch.rewards) + discounts * next_values)
        judged = self._student.judge(self._tensors(batch.observations), self._actions(batch.actions))
        gap = losses.gaps(judged.expected, better, scale, settings.most)
        self._note("avoid", batch, gap, logged)
        nothing = torch.zeros((), device=self._device)
        if judged.log_probs is None:
            return nothing, losses.bound_loss(judged.estimates, better, weights, scale, settings.most)
        first = self._tensor(first_log_probs)
        return (
            losses.avoidance_loss(judged.log_probs, first, gap, weights, settings.least_ratio),
            nothing,
        )

    def _note(self, purpose: str, batch: Batch, gap: Tensor, logged: dict[str, list[float]]) -> None:
        self._check_finite(gap, f"{purpose}_gap")
        self.memory.update(purpose, batch.ids, gap.cpu().numpy().astype(np.float64))
        logged.setdefault(f"{purpose}_gap", []).append(gap.mean().item())
        logged.setdefault(f"{purpose}_share", []).append((gap > 0).float().mean().item())

    def _check_finite(self, numbers: Tensor, name: str) -> None:
        check_finite(
            numbers, f"{name} of self-imitation is not finite", self._updates_seen, "smaller weights"
        )

    def _tensors(self, leaves: Leaves) -> Any:
        return obs_as_tensor(from_leaves(leaves), self._device)

    def _tensor(self, column: NDArray[Any]) -> Tensor:
        return torch.as_tensor(column, dtype=torch.float32, device=self._device)

    def _actions(self, actions: NDArray[Any]) -> Tensor:
        return self._tensor(actions.reshape(len(actions), -1))

    def _on_step(self) -> bool:
        return True
