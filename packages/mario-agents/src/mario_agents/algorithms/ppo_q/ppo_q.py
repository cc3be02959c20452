"""PPO-Q: an actor driven through Q, held near what it was by PPO's clipped ratio (the manual's G5 and G6)."""

from __future__ import annotations

import math
from collections import deque
from typing import Any, ClassVar, Literal, TypeVar, get_args

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, MaybeCallback, Schedule
from stable_baselines3.common.utils import polyak_update
from torch import Tensor

from mario_agents.algorithms.descent import descend
from mario_agents.algorithms.finite import check_finite
from mario_agents.algorithms.ppo_q import losses
from mario_agents.algorithms.ppo_q.losses import Gaussian, Pool
from mario_agents.algorithms.ppo_q.policies import (
    PPOQActor,
    PPOQCnnPolicy,
    PPOQMultiInputPolicy,
    PPOQPolicy,
    StackedCritic,
)
from mario_agents.algorithms.ppo_q.rollout import Rollout
from mario_agents.errors import AgentsError
from mario_agents.storage.replay import StoreReplay, make_store
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Segment
from mario_agents.storage.stepwise import StepwiseReplay

Data = Literal["on-policy", "mixed", "off-policy"]
#: How much of each minibatch comes from the replay.
_REPLAYED: dict[Data, float] = {"on-policy": 0.0, "mixed": 0.5, "off-policy": 1.0}

SelfPPOQ = TypeVar("SelfPPOQ", bound="PPOQ")


class PPOQ(OffPolicyAlgorithm):
    """PPO-Q for any environment whose actions are a Box; README.md beside this file has the mathematics.

    γ and λ count frames: ``info["frames"]`` of each step, 1 where an environment tells none.

    Args:
        policy: "MlpPolicy", "CnnPolicy", "MultiInputPolicy", or a class.
        env: an environment, its ID, or a ``VecEnv``.
        learning_rate: of actor and critics.
        data: "on-policy": each update learns from what was played since the last, with Q(λ)'s targets.
            "off-policy": from the replay, with one-step or n-step targets. "mixed": half and half.
        buffer_size: transitions in the replay.
        learning_starts: steps before the first update, played at random.
        batch_size: of a minibatch.
        tau: how far critic targets follow the critics in each minibatch; 1 is to have none.
        gamma: γ per frame.
        q_lambda: λ per frame, of on-policy targets.
        train_freq: steps of each lane between updates.
        gradient_steps: minibatches in an update.
        rollouts: what was played since the last update counts as one; on-policy minibatches are drawn from
            so many of the newest, the targets of all computed anew.
        n_steps: n of the replay's n-step targets, which are not corrected for the policy having changed.
        clip_range: ε of each button's ratio; None lets every gradient through.
        target_kl: KL from the anchor that a multiplier β holds, nats per state; None has no such term.
        mean_limit: where |μ| of a button, before tanh, lies above this, the square of the excess is added to
            the actor's loss; None adds none.
        correction: weight of what the critics missed of a fresh transition's return, y − Q(s, a), which moves
            the actor by the action's likelihood, as PPO's advantage does; 0 leaves it to Q alone.
        ent_coef: α, a number or a schedule; or "auto" or "auto_0.1" to hold the entropy at
            ``target_entropy``.
        target_entropy: of all buttons together, nats; "auto" is −n, as in SAC.
        dual_learning_rate: of log α and log β; None is ``learning_rate``, as in SAC.
        anchor_tau: None takes the ratio and the KL to the policy that the update began with, as PPO does; a
            number to an average of policies that follows by so much in each minibatch.
        target_pool: how critics' values make the targets' one: min, mean or first.
        actor_pool: likewise for the value that drives the actor.
        action_samples: actions drawn in each state for the actor's loss and for V(s').
        policy_delay: minibatches for each step of actor, anchor and critic targets.
        target_noise: of a deterministic actor's action in the targets, std (TD3).
        target_noise_clip: its limit.
        max_grad_norm: limit of each gradient's norm; None is none.
        action_noise: added to actions while playing; what a deterministic actor explores with.
        policy_kwargs: of :class:`PPOQPolicy`.
        stats_window_size: episodes in the means that are logged.
        tensorboard_log: folder for TensorBoard.
        verbose: 0, 1 or 2.
        seed: of everything random.
        device: "auto", "cpu" or "cuda".
        _init_setup_model: build the networks.

    Raises:
        AgentsError: a setting has no such value; or a loss is not a finite number, before any weight is
            touched by it.

    Example:
        >>> model = PPOQ("MlpPolicy", "Pendulum-v1", data="on-policy", train_freq=8, gradient_steps=1)
        >>> model.learn(16).num_timesteps
        16
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        "MlpPolicy": PPOQPolicy,
        "CnnPolicy": PPOQCnnPolicy,
        "MultiInputPolicy": PPOQMultiInputPolicy,
    }
    policy: PPOQPolicy
    actor: PPOQActor
    critic: StackedCritic
    critic_target: StackedCritic

    def __init__(
        self,
        policy: str | type[PPOQPolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 3e-4,
        data: Data = "mixed",
        buffer_size: int = 100_000,
        learning_starts: int = 0,
        batch_size: int = 256,
        tau: float = 0.05,
        gamma: float = 0.99,
        q_lambda: float = 0.95,
        train_freq: int | tuple[int, str] = 64,
        gradient_steps: int = 64,
        rollouts: int = 1,
        n_steps: int = 1,
        clip_range: float | None = 0.2,
        target_kl: float | None = 0.1,
        mean_limit: float | None = None,
        correction: float = 0.0,
        ent_coef: str | float | Schedule = "auto_0.03",
        target_entropy: str | float = "auto",
        dual_learning_rate: float | None = 3e-3,
        anchor_tau: float | None = None,
        target_pool: Pool = "min",
        actor_pool: Pool = "min",
        action_samples: int = 1,
        policy_delay: int = 1,
        target_noise: float = 0.2,
        target_noise_clip: float = 0.5,
        max_grad_norm: float | None = None,
        action_noise: ActionNoise | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,
    ) -> None:
        for name, value, choices in (
            ("data", data, get_args(Data)),
            ("target_pool", target_pool, get_args(Pool)),
            ("actor_pool", actor_pool, get_args(Pool)),
        ):
            if value not in choices:
                raise AgentsError(f"{name} must be one of {', '.join(choices)}, not {value!r}")
        super().__init__(
            policy,
            env,
            learning_rate,
            buffer_size=buffer_size,
            learning_starts=learning_starts,
            batch_size=batch_size,
            tau=tau,
            gamma=gamma,
            train_freq=train_freq,
            gradient_steps=gradient_steps,
            action_noise=action_noise,
            n_steps=n_steps,
            policy_kwargs=policy_kwargs,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            verbose=verbose,
            device=device,
            support_multi_env=True,
            seed=seed,
            sde_support=False,
            supported_action_spaces=(spaces.Box,),
        )
        self.data, self.q_lambda = data, q_lambda
        self.clip_range, self.target_kl, self.mean_limit = clip_range, target_kl, mean_limit
        self.correction = correction
        self.ent_coef, self.target_entropy = ent_coef, target_entropy
        self.dual_learning_rate, self.anchor_tau = dual_learning_rate, anchor_tau
        self.rollouts = rollouts
        self.target_pool, self.actor_pool = target_pool, actor_pool
        self.action_samples, self.policy_delay = action_samples, policy_delay
        self.target_noise, self.target_noise_clip = target_noise, target_noise_clip
        self.max_grad_norm = max_grad_norm
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        if self.replay_buffer is None:
            self.replay_buffer = StepwiseReplay(  # type: ignore[assignment] # train() only samples from it
                make_store("transitions", self.buffer_size, self.observation_space),
                self.observation_space,
                self.action_space,
                self.device,
                discount=Discount(self.gamma),
                steps=self.n_steps,
                seed=self.seed,
                keep_fresh=self.data != "off-policy",
            )
        steps = self.n_steps
        self.n_steps = 1  # Stable-Baselines3 has n-step replays of its own, for arrays only
        super()._setup_model()
        self.n_steps = steps
        self.actor, self.critic = self.policy.actor, self.policy.critic
        self.critic_target, self.anchor = self.policy.critic_target, self.policy.anchor
        self._deterministic, self._n_actors = self.policy.deterministic, self.policy.n_actors
        if self.correction and (self._deterministic or self.data == "off-policy"):
            raise AgentsError(
                "a correction weighs the likelihood of what was just played: it needs an actor that is not "
                "deterministic, and data on-policy or mixed"
            )
        self._rollouts: deque[list[Segment]] = deque(maxlen=self.rollouts)
        buttons = int(np.prod(self.action_space.shape or ()))
        self._entropy_goal = -float(buttons) if self.target_entropy == "auto" else float(self.target_entropy)
        held, alpha = _read_ent_coef(self.ent_coef)
        if self._deterministic:
            held, alpha = False, 0.0
        self.log_ent_coef = torch.tensor([alpha], device=self.device).log().requires_grad_(held)
        self.log_kl_coef = torch.zeros(self._n_actors, device=self.device).requires_grad_()
        duals = [self.log_kl_coef, self.log_ent_coef] if held else [self.log_kl_coef]
        self.dual_optimizer = torch.optim.Adam(duals, lr=self.dual_learning_rate or self.lr_schedule(1))

    def train(self, gradient_steps: int, batch_size: int) -> None:
        """Update on minibatches of what was played, as ``data`` says.

        Raises:
            AgentsError: a loss is not a finite number.
        """
        self.policy.set_training_mode(True)
        self._update_learning_rate([self.actor.optimizer, self.critic.optimizer])
        if callable(self.ent_coef):
            alpha = self.ent_coef(self._current_progress_remaining)
            self.log_ent_coef.copy_(torch.tensor([alpha]).log())
        if self.dual_learning_rate is None:
            self._update_learning_rate(self.dual_optimizer)
        if not self._deterministic and self.anchor_tau is None:
            self.anchor.load_state_dict(self.actor.state_dict())
        rollout = self._take_rollout(batch_size) if self.data != "off-policy" else None
        logged: dict[str, list[float]] = {}
        for _ in range(gradient_steps):
            self._n_updates += 1
            self._one_minibatch(rollout, batch_size, logged)
        self._log(logged)

    def _one_minibatch(
        self, rollout: Rollout | None, batch_size: int, logged: dict[str, list[float]]
    ) -> None:
        replayed = batch_size if rollout is None else round(batch_size * _REPLAYED[self.data])
        parts = []
        if rollout is not None:
            parts.append(rollout.draw(batch_size - replayed, self._replay.rng))
        batch = self._replay.sample(replayed) if replayed else None
        if batch is not None:
            to_come = torch.zeros(replayed, device=self.device)
            by_nobody = torch.full((replayed,), -1, device=self.device)
            parts.append((batch.observations, batch.actions, to_come, by_nobody))
        observations, actions, targets, players = _join(parts)

        # Of M actors these are M·B rows, as if each had the batch for itself.
        policy = self.actor.gaussian(observations)
        # The gradient with respect to μ and log σ is taken first, and clipped button by button.
        shown = Gaussian(*(part.detach().requires_grad_() for part in (policy.mean, policy.log_std)))
        drawn, log_probs = self._act(shown)
        alpha = self.log_ent_coef.detach().exp()
        old = self.anchor.gaussian(observations).detach() if self._has_anchor else None
        kl = None if old is None else losses.kl_divergence(old, policy)
        self._update_duals(log_probs.detach().sum(dim=-1), kl, logged)

        if batch is not None:
            next_values, _ = self._next_values(batch.next_observations, alpha)
            discounts = batch.discounts if batch.discounts is not None else torch.tensor(self.gamma)
            replay_targets = losses.one_step_target(
                batch.rewards.flatten(), discounts.flatten(), batch.dones.flatten(), next_values
            )
            targets = torch.cat([targets[: len(targets) - replayed], replay_targets])
        # SAC halves the squares, TD3 and DDPG do not.
        weight = 1.0 if self._deterministic else 0.5
        critic_loss = losses.critic_loss(self.critic(observations, actions), targets, weight)
        self._descend(critic_loss, self.critic.optimizer, "critic")
        logged.setdefault("critic_loss", []).append(critic_loss.item())
        if self._n_updates % self.policy_delay:
            return

        # The critics answer at once for what the actor draws and, behind it, for what was played.
        repeated = actions.repeat(self._n_actors, 1)
        judged = torch.cat([drawn, repeated[None]]) if self.correction else drawn
        values = losses.pool(self.critic(observations, judged), self.actor_pool)
        value = values[: len(drawn)]
        actor_loss = losses.actor_loss(value, log_probs.sum(dim=-1), alpha)
        ratios = None
        if old is not None and (self.clip_range is not None or self.correction):
            # At an action of the actor's anchor: the one that was played, where it played that just now.
            played = (players == torch.arange(self._n_actors, device=self.device)[:, None]).flatten()
            drawn_by_anchor, _ = old.act(torch.randn_like(old.mean))
            taken = torch.where(played[:, None], repeated, drawn_by_anchor)
            log_probs_taken = shown.log_prob(taken)
            ratios = losses.ratio(log_probs_taken, old.log_prob(taken)).detach()
        if ratios is not None and self.correction:
            missed = played * (targets.repeat(self._n_actors) - values[-1].detach())
            limit = math.inf if self.clip_range is None else 1.0 + self.clip_range
            actor_loss = actor_loss + self.correction * losses.correction_loss(
                log_probs_taken, ratios, missed, limit
            )
            logged.setdefault("missed", []).append(missed.square().mean().sqrt().item())
        # A deterministic actor's loss does not depend on its std. Each of M actors has a gradient of its own,
        # of the mean over its rows.
        mean_grad, log_std_grad = torch.autograd.grad(
            self._n_actors * actor_loss, (shown.mean, shown.log_std), materialize_grads=True
        )
        if ratios is not None and self.clip_range is not None:
            rises = losses.rise_of_ratio(shown, taken, mean_grad, log_std_grad).detach()
            is_open = losses.is_open(ratios, rises, self.clip_range)
            mean_grad, log_std_grad = mean_grad * is_open, log_std_grad * is_open
            logged.setdefault("clip_fraction", []).append(1.0 - is_open.float().mean().item())
        # Its gradient is the clipped one; its value means nothing.
        surrogate = (policy.mean * mean_grad + policy.log_std * log_std_grad).sum()
        if kl is not None and self.target_kl is not None:
            surrogate = surrogate + (self.log_kl_coef.detach().exp() * self._by_actor(kl).mean(dim=1)).sum()
        if self.mean_limit is not None:
            excess = losses.excess(policy.mean, self.mean_limit)
            surrogate = surrogate + self._by_actor(excess).mean(dim=1).sum()
        _check_finite(actor_loss, "actor", self._n_updates)
        self._descend(surrogate, self.actor.optimizer, "actor")

        polyak_update(self.critic.parameters(), self.critic_target.parameters(), self.tau)
        if self._deterministic or self.anchor_tau is not None:
            follow = self.tau if self.anchor_tau is None else self.anchor_tau
            polyak_update(self.actor.parameters(), self.anchor.parameters(), follow)

        logged.setdefault("actor_loss", []).append(actor_loss.item())
        logged.setdefault("ent_coef", []).append(alpha.item())
        logged.setdefault("entropy", []).append(-log_probs.sum(dim=-1).mean().item())
        logged.setdefault("q", []).append(value.mean().item())
        if kl is not None:
            logged.setdefault("kl", []).append(kl.mean().item())
        for button, (mean, std) in enumerate(zip(policy.mean.T, policy.log_std.T, strict=True)):
            logged.setdefault(f"mean/{button}", []).append(mean.detach().tanh().mean().item())
            logged.setdefault(f"std/{button}", []).append(std.detach().exp().mean().item())
        if self._n_actors > 1:
            self._log_actors(policy.detach(), value.detach().mean(dim=0), logged)

    def _by_actor(self, rows: Tensor) -> Tensor:
        """Return what each of M actors has: ``[M·B, …]`` → ``[M, B, …]``."""
        return rows.view(self._n_actors, -1, *rows.shape[1:])

    def _of_players(self, rows: Tensor, players: Tensor | None) -> Tensor:
        """Return what the actors have that play: ``[M·B]`` → ``[B]``.

        Args:
            rows: of each actor.
            players: which actor plays each, ``[B]``; None is any, each as likely as another.
        """
        by_actor = self._by_actor(rows)
        if players is None:
            return by_actor.mean(dim=0)
        return by_actor[players, torch.arange(len(players), device=self.device)]

    def _log_actors(self, policy: Gaussian, value: Tensor, logged: dict[str, list[float]]) -> None:
        """Log each actor's mean and std of each button, and how often the critics would choose it."""
        means, stds = self._by_actor(policy.mean.tanh()).mean(dim=1), self._by_actor(policy.log_std.exp())
        chosen = torch.bincount(self._by_actor(value).argmax(dim=0), minlength=self._n_actors)
        shares = (chosen / chosen.sum()).tolist()
        for actor, (mean, std) in enumerate(zip(means.tolist(), stds.mean(dim=1).tolist(), strict=True)):
            logged.setdefault(f"actor_{actor}/chosen", []).append(shares[actor])
            for button in range(len(mean)):
                logged.setdefault(f"actor_{actor}/mean/{button}", []).append(mean[button])
                logged.setdefault(f"actor_{actor}/std/{button}", []).append(std[button])

    @property
    def _replay(self) -> StoreReplay:
        replay: object = self.replay_buffer  # annotated as one of Stable-Baselines3's own
        assert isinstance(replay, StoreReplay)
        return replay

    @property
    def _has_anchor(self) -> bool:
        takes_ratios = self.clip_range is not None or self.target_kl is not None or self.correction > 0
        return not self._deterministic and takes_ratios

    def _act(self, policy: Gaussian) -> tuple[Tensor, Tensor]:
        """Draw K actions in each state, ``[K, B, n]``; log-probabilities of a deterministic actor are 0."""
        if self._deterministic:
            return policy.mean.tanh()[None], torch.zeros_like(policy.mean)[None]
        return policy.act(torch.randn_like(policy.mean.expand(self.action_samples, -1, -1)))

    @torch.no_grad()
    def _next_values(
        self,
        observations: Any,
        alpha: Tensor,
        following: Tensor | None = None,
        players: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return V of observations, and α log π of the actions that were played there, ``[B]`` each.

        Args:
            observations: of B states.
            alpha: the entropy's temperature.
            following: the actions, ``[B, n]``.
            players: which actor plays there, ``[B]``; None is any.
        """
        if self._deterministic:
            actions = self.anchor.gaussian(observations).mean.tanh()
            if self.target_noise:
                noise = torch.empty_like(actions).normal_(0.0, self.target_noise)
                limit = self.target_noise_clip
                actions = (actions + noise.clamp(-limit, limit)).clamp(-1.0, 1.0)
            pooled = losses.pool(self.critic_target(observations, actions), self.target_pool)
            values = self._of_players(pooled, players)
            return values, torch.zeros_like(values)
        policy = self.actor.gaussian(observations)
        actions, log_probs = self._act(policy)
        pooled = losses.pool(self.critic_target(observations, actions), self.target_pool)
        soft = losses.soft_value(pooled, log_probs.sum(dim=-1), alpha).mean(dim=0)
        values = self._of_players(soft, players)
        if following is None:
            return values, torch.zeros_like(values)
        taken = policy.log_prob(following.repeat(self._n_actors, 1)).sum(dim=1)
        return values, alpha * self._of_players(taken, players)

    def _take_rollout(self, batch_size: int) -> Rollout:
        fresh = self._replay.take_fresh()
        # What was played before a run was resumed is not kept, and neither is it then by a run that goes on.
        ends = {(s.lane, s.first_step + len(s)) for s in self._rollouts[-1]} if self._rollouts else set()
        if not any((segment.lane, segment.first_step) in ends for segment in fresh):
            self._rollouts.clear()
        self._rollouts.append(fresh)
        together = [segment for rollout in self._rollouts for segment in rollout]
        together.sort(key=lambda segment: (segment.lane, segment.first_step))
        rollout = Rollout(together, self.device, self._n_actors)
        alpha = self.log_ent_coef.detach().exp()
        discount = Discount(self.gamma, self.q_lambda, self._replay.discount.per_frame)
        rollout.set_targets(
            discount,
            lambda observations, following, players: self._next_values(
                observations, alpha, following, players
            ),
            max(batch_size, 1024),
        )
        return rollout

    def _update_duals(self, log_prob: Tensor, kl: Tensor | None, logged: dict[str, list[float]]) -> None:
        loss = torch.zeros((), device=self.device)
        if self.log_ent_coef.requires_grad:
            entropy_loss = losses.dual_loss(self.log_ent_coef, log_prob + self._entropy_goal)
            logged.setdefault("ent_coef_loss", []).append(entropy_loss.item())
            loss = loss + entropy_loss
        if kl is not None and self.target_kl is not None:
            excess = self._by_actor(kl).T - self.target_kl
            loss = loss + losses.dual_loss(self.log_kl_coef, excess)
        if loss.requires_grad:
            descend(loss, self.dual_optimizer, None)

    def _descend(self, loss: Tensor, optimizer: torch.optim.Optimizer, name: str) -> None:
        _check_finite(loss, name, self._n_updates)
        descend(loss, optimizer, self.max_grad_norm)

    def _log(self, logged: dict[str, list[float]]) -> None:
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, values in logged.items():
            self.logger.record(f"policy/{name}" if "/" in name else f"train/{name}", float(np.mean(values)))
        if self.target_kl is not None:
            self.logger.record("train/kl_coef", self.log_kl_coef.exp().mean().item())

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[NDArray[Any], NDArray[Any]]:
        """Act in all lanes, each by its own actor, while playing to learn from it."""
        if n_envs % self._n_actors:
            raise AgentsError(
                f"{n_envs} lanes cannot be dealt out evenly to {self._n_actors} actors: make them a multiple "
                "of n_actors"
            )
        self.policy.by_lane = True
        try:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        finally:
            self.policy.by_lane = False

    def learn(
        self: SelfPPOQ,
        total_timesteps: int,
        callback: MaybeCallback = None,
        log_interval: int = 4,
        tb_log_name: str = "PPOQ",
        reset_num_timesteps: bool = True,
        progress_bar: bool = False,
    ) -> SelfPPOQ:
        """Play and learn; see Stable-Baselines3's ``BaseAlgorithm.learn``."""
        return super().learn(
            total_timesteps, callback, log_interval, tb_log_name, reset_num_timesteps, progress_bar
        )

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_rollouts", "actor", "anchor", "critic", "critic_target"]

    def _get_torch_save_params(self) -> tuple[list[str], list[str]]:
        optimizers = ["actor.optimizer", "critic.optimizer", "dual_optimizer"]
        return ["policy", *optimizers], ["log_ent_coef", "log_kl_coef"]


def _read_ent_coef(written: str | float | Schedule) -> tuple[bool, float]:
    """Return whether α is held at an entropy, and what it begins with.

    >>> _read_ent_coef("auto_0.1"), _read_ent_coef("auto"), _read_ent_coef(0.2)
    ((True, 0.1), (True, 1.0), (False, 0.2))
    """
    if not isinstance(written, str):
        return False, float(written(1.0) if callable(written) else written)
    kind, _, first = written.partition("_")
    try:
        alpha = float(first or 1.0)
    except ValueError:
        alpha = 0.0
    if kind != "auto" or alpha <= 0:
        raise AgentsError(f"ent_coef must be a number, auto or auto_FIRST such as auto_0.1, not {written!r}")
    return True, alpha


def _check_finite(loss: Tensor, name: str, update: int) -> None:
    cure = "a lower learning_rate or with max_grad_norm"
    check_finite(loss, f"{name}'s loss is {loss.item()}", update, cure)


def _join(parts: list[tuple[Any, Tensor, Tensor, Tensor]]) -> tuple[Any, Tensor, Tensor, Tensor]:
    if len(parts) == 1:
        return parts[0]
    (one, *one_rest), (other, *other_rest) = parts
    observations = (
        {key: torch.cat([one[key], other[key]]) for key in one}
        if isinstance(one, dict)
        else torch.cat([one, other])
    )
    actions, targets, players = (torch.cat(pair) for pair in zip(one_rest, other_rest, strict=True))
    return observations, actions, targets, players
