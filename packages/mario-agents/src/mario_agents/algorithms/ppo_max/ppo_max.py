"""PPO-max: PPO with every known stabiliser, each a switch (the manual's G3), ratios per button (G4)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, Literal, TypeVar, get_args

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, RolloutBufferSamples, Schedule
from stable_baselines3.common.utils import FloatSchedule, LinearSchedule, explained_variance
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from mario_agents.algorithms.descent import descend
from mario_agents.algorithms.finite import check_finite
from mario_agents.algorithms.ppo_max import losses
from mario_agents.algorithms.ppo_max.distributions import log_prob_of_buttons
from mario_agents.algorithms.ppo_max.frames_seen import FramesSeen
from mario_agents.algorithms.ppo_max.policies import PPOMaxCnnPolicy, PPOMaxMultiInputPolicy, PPOMaxPolicy
from mario_agents.errors import AgentsError
from mario_agents.storage.returns import Discount, advantages

Ratio = Literal["joint", "per-button"]
#: From the first number to the second over the run.
_LEARNING_RATE = LinearSchedule(3e-4, 3e-5, 1.0)
_ENT_COEF = LinearSchedule(0.01, 1e-4, 1.0)

SelfPPOMax = TypeVar("SelfPPOMax", bound="PPOMax")


class PPOMax(PPO):
    """PPO-max for any environment that PPO serves; README.md beside this file has the mathematics.

    γ and λ count frames: ``info["frames"]`` of each step, 1 where an environment tells none.

    Args:
        policy: "MlpPolicy", "CnnPolicy", "MultiInputPolicy", or a class.
        env: an environment, its ID, or a ``VecEnv``.
        learning_rate: a schedule, by default from 3e-4 in a line to a tenth; a number does not fall.
        n_steps: of each lane in a rollout.
        batch_size: of a minibatch.
        n_epochs: passes over a rollout.
        gamma: γ per frame.
        gae_lambda: λ per frame.
        ratio: "joint" clips the ratio of the whole action, "per-button" that of each number in it.
        clip_range: ε.
        clip_range_vf: limit of how far values may move in an update, in their running std if rewards are
            scaled; None is none.
        normalize_advantage: advantages of each minibatch get mean 0 and std 1.
        scale_rewards: divide rewards, and with them values, by the running std of returns.
        ent_coef: of the entropy bonus; a schedule, by default from 0.01 in a line to 1e-4, or a number.
        vf_coef: of the value's loss.
        max_grad_norm: limit of the gradient's norm; None is none.
        use_sde: explore by state (gSDE), as in Stable-Baselines3; joint ratio only.
        sde_sample_freq: likewise.
        target_kl: an update ends early where the KL is half as much again; None is never.
        stats_window_size: episodes in the means that are logged.
        tensorboard_log: folder for TensorBoard.
        policy_kwargs: of :class:`~mario_agents.algorithms.ppo_max.policies.PPOMaxPolicy`, which has the
            network's switches.
        verbose: 0, 1 or 2.
        seed: of everything random.
        device: "auto", "cpu" or "cuda".
        _init_setup_model: build the networks.

    Raises:
        AgentsError: a setting has no such value; or returns or the loss are not finite, before any weight is
            touched by them.

    Example:
        >>> model = PPOMax("MlpPolicy", "Pendulum-v1", n_steps=8, batch_size=8, ratio="per-button",
        ...                policy_kwargs={"head": "gaussian"})
        >>> model.learn(16).num_timesteps
        16
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": PPOMaxPolicy,
        "CnnPolicy": PPOMaxCnnPolicy,
        "MultiInputPolicy": PPOMaxMultiInputPolicy,
    }
    policy: PPOMaxPolicy

    def __init__(
        self,
        policy: str | type[PPOMaxPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = _LEARNING_RATE,
        n_steps: int = 2048,
        batch_size: int = 64,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        ratio: Ratio = "per-button",
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        scale_rewards: bool = True,
        ent_coef: float | Schedule = _ENT_COEF,
        vf_coef: float = 0.5,
        max_grad_norm: float | None = 0.5,
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        target_kl: float | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        if ratio not in get_args(Ratio):
            raise AgentsError(f"ratio must be one of {', '.join(get_args(Ratio))}, not {ratio!r}")
        if ratio == "per-button" and use_sde:
            raise AgentsError("use_sde needs ratio joint: an action's numbers are drawn together")
        super().__init__(
            policy,
            env,
            learning_rate,
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range=clip_range,
            clip_range_vf=clip_range_vf,
            normalize_advantage=normalize_advantage,
            vf_coef=vf_coef,
            use_sde=use_sde,
            sde_sample_freq=sde_sample_freq,
            target_kl=target_kl,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=False,
        )
        self.ratio, self.scale_rewards = ratio, scale_rewards
        self.ent_coef = ent_coef  # type: ignore[assignment] # a number in PPO
        self.max_grad_norm = max_grad_norm  # type: ignore[assignment] # likewise
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        super()._setup_model()
        self._entropy_schedule = FloatSchedule(self.ent_coef)
        self._seen: FramesSeen | None = None
        # Stable-Baselines3 counts steps; an actor or a learner of this package puts its own in this place.
        self.rollout_buffer.compute_returns_and_advantage = self._compute_returns  # type: ignore[method-assign]

    def collect_rollouts(
        self, env: VecEnv, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Play as PPO does, and note the frames."""
        self._seen = FramesSeen(env)
        try:
            return super().collect_rollouts(self._seen, callback, rollout_buffer, n_rollout_steps)
        finally:
            self._seen = None

    def _compute_returns(self, last_values: Tensor, dones: NDArray[np.bool_]) -> None:
        assert self._seen is not None
        buffer, seen = self.rollout_buffer, self._seen.columns()
        next_values = np.concatenate([buffer.values[1:], last_values.detach().cpu().numpy().reshape(1, -1)])
        # collect_rollouts added γ V(final observation) to the reward of a truncated step.
        added = (buffer.rewards - seen["rewards"]) / (self.gamma or 1.0)
        next_values = np.where(seen["truncated"], added, next_values)
        buffer.advantages, buffer.returns = (
            column.astype(np.float32)
            for column in advantages(
                Discount(self.gamma, self.gae_lambda), values=buffer.values, next_values=next_values, **seen
            )
        )

    def train(self) -> None:
        """Update on the rollout.

        Raises:
            AgentsError: returns or the loss are not finite.
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        rollout: Any = next(self.rollout_buffer.get(None))  # all of it at once, in random order
        self._check_finite(rollout.returns, "returns are")
        if self.scale_rewards:
            self.policy.value_net.update(rollout.returns)
        old_log_probs = self._old_log_probs(rollout)
        logged: dict[str, list[float]] = {}
        going_on = True
        for epoch in range(self.n_epochs):
            # In the first epoch the rollout's own random order; the same draws as PPO's.
            order = np.random.permutation(len(old_log_probs)) if epoch else np.arange(len(old_log_probs))
            for first in range(0, len(order), self.batch_size):
                rows = torch.as_tensor(order[first : first + self.batch_size], device=self.device)
                going_on = self._one_minibatch(_rows(rollout, rows), old_log_probs[rows], logged)
                if not going_on:
                    break
            self._n_updates += 1
            if not going_on:
                break
        self._log(rollout, logged)
        # Last: what was played was played with the moments of before.
        for rows in self._chunks(len(old_log_probs)):
            self.policy.see(_rows(rollout, rows).observations)

    def _one_minibatch(
        self, batch: RolloutBufferSamples, old_log_probs: Tensor, logged: dict[str, list[float]]
    ) -> bool:
        """Take a step of descent; False if the KL forbids it."""
        clip_range: float = self.clip_range(self._current_progress_remaining)  # type: ignore[operator]
        scale = self.policy.value_net.scale
        values, log_probs, entropy = self._evaluate(batch)
        gains = batch.advantages / scale
        if self.normalize_advantage:
            gains = losses.standardize(batch.advantages)
        ratios = (log_probs - old_log_probs).exp()
        policy_loss = losses.policy_loss(ratios, gains, clip_range)
        clip_range_vf = None
        if self.clip_range_vf is not None:
            clip_range_vf = self.clip_range_vf(self._current_progress_remaining)  # type: ignore[operator]
        value_loss = losses.value_loss(
            values / scale, batch.old_values / scale, batch.returns / scale, clip_range_vf
        )
        loss = policy_loss - self._ent_coef * entropy.mean() + self.vf_coef * value_loss
        kl = losses.approximate_kl((log_probs - old_log_probs).detach().sum(dim=1)).item()
        for name, value in (
            ("entropy_loss", -entropy.mean().item()),
            ("policy_gradient_loss", policy_loss.item()),
            ("value_loss", value_loss.item()),
            ("loss", loss.item()),
            ("approx_kl", kl),
            ("clip_fraction", ((ratios - 1.0).abs() > clip_range).float().mean().item()),
        ):
            logged.setdefault(name, []).append(value)
        self._check_finite(loss, "loss is")
        if self.target_kl is not None and kl > 1.5 * self.target_kl:
            return False
        descend(loss, self.policy.optimizer, self.max_grad_norm)
        return True

    def _check_finite(self, numbers: Tensor, what: str) -> None:
        check_finite(numbers, f"{what} not finite", self._n_updates + 1, "a lower learning_rate")

    @property
    def _ent_coef(self) -> float:
        return self._entropy_schedule(self._current_progress_remaining)

    def _evaluate(self, batch: RolloutBufferSamples) -> tuple[Tensor, Tensor, Tensor]:
        """Return V ``[B]``, log-probabilities ``[B, n]`` (or the joint one, ``[B, 1]``), entropy ``[B]``."""
        actions = batch.actions
        if isinstance(self.action_space, spaces.Discrete):
            actions = actions.long().flatten()
        values, joint, entropy = self.policy.evaluate_actions(batch.observations, actions)
        if self.ratio == "joint":
            log_probs = joint.unsqueeze(1)
        else:
            # The policy has one distribution, which evaluate_actions has just set.
            log_probs = log_prob_of_buttons(self.policy.action_dist, actions)
        # gSDE that squashes has no entropy in closed form; this is what Stable-Baselines3 takes in its place.
        return values.flatten(), log_probs, -joint if entropy is None else entropy

    @torch.no_grad()
    def _old_log_probs(self, rollout: RolloutBufferSamples) -> Tensor:
        """Return what ratios are taken to, ``[N, n]``: log π_old of the policy that the update begins with.

        The buffer keeps the joint one only. Each button's are computed here, before the first step: of data
        that does not lag this is the policy that played; of data that does, the learner has put that of now
        into the buffer as well, and corrected advantages for the difference (the decoupled objective of
        Hilton et al., arXiv 2110.00641).
        """
        if self.ratio == "joint":
            return rollout.old_log_prob.unsqueeze(1)
        self.policy.set_training_mode(False)
        count = len(rollout.old_log_prob)
        parts = [self._evaluate(_rows(rollout, rows))[1] for rows in self._chunks(count)]
        self.policy.set_training_mode(True)
        return torch.cat(parts)

    def _chunks(self, count: int) -> Iterator[Tensor]:
        """Yield the numbers of rows, as many at a time as a minibatch holds, and 1,024 at least."""
        size = max(self.batch_size, 1024)
        for first in range(0, count, size):
            yield torch.arange(first, min(first + size, count), device=self.device)

    def _log(self, rollout: RolloutBufferSamples, logged: dict[str, list[float]]) -> None:
        for name, values in logged.items():
            self.logger.record(f"train/{name}", float(np.mean(values)))
        explained = explained_variance(rollout.old_values.cpu().numpy(), rollout.returns.cpu().numpy())
        self.logger.record("train/explained_variance", float(explained))
        self.logger.record("train/ent_coef", self._ent_coef)
        self.logger.record("train/reward_scale", self.policy.value_net.scale.item())
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        if isinstance(self.action_space, spaces.Box):
            for button, played in enumerate(rollout.actions.T):
                self.logger.record(f"policy/mean/{button}", played.mean().item())
                self.logger.record(f"policy/std/{button}", played.std().item())

    def learn(
        self: SelfPPOMax,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 1,
        tb_log_name: str = "PPOMax",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfPPOMax:
        """Play and learn; see Stable-Baselines3's ``BaseAlgorithm.learn``."""
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        )


def _rows(rollout: Any, rows: Tensor) -> Any:
    """Return some rows of a rollout's samples."""

    def part(column: Any) -> Any:
        if isinstance(column, dict):
            return {key: one[rows] for key, one in column.items()}
        return column[rows]

    return type(rollout)(*(part(column) for column in rollout))
