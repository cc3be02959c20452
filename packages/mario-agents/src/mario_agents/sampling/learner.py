"""Where a Stable-Baselines3 algorithm meets a sampler: its ``collect_rollouts``, and nothing else of it."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import DictRolloutBuffer, RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFreq, TrainFrequencyUnit
from stable_baselines3.common.utils import obs_as_tensor, set_random_seed

from mario_agents.algorithms.prioritised import train_by_priority
from mario_agents.config import TrainConfig
from mario_agents.holds import RecordHolds
from mario_agents.manifest import SamplingRecord
from mario_agents.recording import RecordEpisodes
from mario_agents.sampling.actor import Clock
from mario_agents.sampling.block import Block
from mario_agents.sampling.protocol import Order, Sampler
from mario_agents.storage.pools import Pools
from mario_agents.storage.replay import StoreReplay, make_store
from mario_agents.storage.returns import Discount, advantages
from mario_agents.storage.rollouts import SegmentRollout
from mario_agents.storage.segment import Leaves, from_leaves
from mario_agents.storage.store import Store
from mario_agents.teaching.discriminator.rewarding import RewardLikeness
from mario_agents.teaching.self_imitation.callback import ImitateItself


@dataclass
class LearnerCounts:
    """What reached the loss, and how stale it was.

    Attributes:
        lags: learner version minus policy_version → transitions, as they were taken to be learned from.
        dropped: transitions that lagged more than the order allows, and were not.
        idle: seconds that the learner waited for data.
        began: time.monotonic() of the first request.
        actor_idle: actor → share of its time in which it waited, of its latest block.
    """

    lags: Counter[int] = field(default_factory=Counter)
    dropped: int = 0
    idle: float = 0.0
    began: float | None = None
    actor_idle: dict[int, float] = field(default_factory=dict)

    @property
    def idle_share(self) -> float:
        """Share of the time in which the learner waited, 0 to 1."""
        return 0.0 if self.began is None else self.idle / max(time.monotonic() - self.began, 1e-9)


class Learner:
    """Feeds an algorithm from a sampler.

    The algorithm is unchanged but for ``collect_rollouts``, which takes what actors played instead of
    playing, and for its buffer. So ``learn``, ``train``, callbacks and schedules are Stable-Baselines3's own.

    Args:
        model: the algorithm that learns.
        sampler: brings data.
        config: the run's settings.
        recorder: is told of every step.
        stop_wanted: whether someone asked to stop; asked while data is awaited.
        policy_version: of the weights that the model has now.
        holds: is told how long buttons were held.

    Attributes:
        store: where the transitions of an off-policy algorithm lie; None of others.
        imitation: is shown what was played, and is a callback of training; None if it was not asked for.
        likeness: rewards what was played; None if it was not asked for.
    """

    def __init__(
        self,
        model: BaseAlgorithm,
        sampler: Sampler,
        config: TrainConfig,
        recorder: RecordEpisodes,
        stop_wanted: Callable[[], bool] = lambda: False,
        policy_version: int = 0,
        holds: RecordHolds | None = None,
    ) -> None:
        self.model, self.sampler, self.recorder, self._holds = model, sampler, recorder, holds
        self.counts = LearnerCounts()
        self.version = policy_version
        self._updates_seen = int(getattr(model, "_n_updates", 0))
        self._order = Order.parse(config.order)
        self._stop_wanted = stop_wanted
        self._actors = config.actors
        self._next_step: dict[int, int] = {}
        self._published = False
        self.store: Store | None = None
        self._recent: deque[tuple[int, int]] = deque(maxlen=64)
        if isinstance(model, OnPolicyAlgorithm):
            self._discount = Discount(model.gamma, model.gae_lambda, config.discount_per == "frame")
            if config.store == "segments" and type(model.rollout_buffer) in (
                RolloutBuffer,
                DictRolloutBuffer,
            ):
                model.rollout_buffer = SegmentRollout(
                    model.n_steps, model.observation_space, model.action_space, model.device,
                    gae_lambda=model.gae_lambda, gamma=model.gamma, n_envs=config.lanes,
                )  # fmt: skip
            model.collect_rollouts = self._collect_on_policy  # type: ignore[method-assign]
        else:
            assert isinstance(model, OffPolicyAlgorithm)
            self._discount = Discount(model.gamma, per_frame=config.discount_per == "frame")
            self.store = make_store(
                config.store, model.buffer_size, model.observation_space, config.pools,
                config.priority_exponent,
            )  # fmt: skip
            self._replay = StoreReplay(
                self.store, model.observation_space, model.action_space, model.device,
                discount=self._discount, steps=getattr(model, "n_steps", 1), seed=config.seed,
                keep_fresh=getattr(model, "data", "off-policy") != "off-policy",
            )  # fmt: skip
            model.replay_buffer = self._replay  # type: ignore[assignment] # train() only samples from it
            model.optimize_memory_usage = False  # that is what the store does
            model.collect_rollouts = self._collect_off_policy  # type: ignore[method-assign]
            if config.priority_exponent > 0:
                by_priority = partial(train_by_priority, model, self._replay, config.priority_correction)
                model.train = by_priority  # type: ignore[method-assign]
        self.imitation = (
            None
            if config.imitation is None
            else ImitateItself(config.imitation, model, self._discount, config.seed)
        )
        self.likeness = (
            None if config.discriminator is None else RewardLikeness(config, model, self._discount)
        )

    # -- what both kinds of algorithm do --------------------------------------------------------------------

    def _next_blocks(self, length: TrainFreq) -> list[Block] | None:
        """Publish the weights if they are new, and wait for data that is not too old."""
        self._publish()
        clock = Clock(self.model.num_timesteps, self.model._total_timesteps)
        began = time.monotonic()
        self.counts.began = began if self.counts.began is None else self.counts.began
        blocks: list[Block] = []
        while len(blocks) < self._actors:
            more = self.sampler.collect(
                length, clock, lambda: not self._stop_wanted(), self._actors - len(blocks)
            )
            if more is None:
                return None
            blocks += [block for block in more if self._is_fresh(block)]
        self.counts.idle += time.monotonic() - began
        return blocks

    def _to_learn_from(self, blocks: list[Block]) -> list[Block]:
        """Return what was played with the rewards that are learned from; records keep the environment's."""
        if self.likeness is not None:
            blocks = self.likeness.reward(blocks)
        if self.imitation is not None:
            self.imitation.see(blocks)
        return blocks

    def _is_fresh(self, block: Block) -> bool:
        """Count a block, and tell whether it may still be learned from."""
        lanes = block.first_lane + np.arange(block.lanes)
        if self._next_step.get(block.actor, block.first_step) != block.first_step:
            self.recorder.restart(lanes)  # another actor has taken over
        self._next_step[block.actor] = block.first_step + block.steps
        self.counts.actor_idle[block.actor] = block.idle
        skipped = int(block.skipped.sum())
        self.sampler.counts.skipped += skipped
        for trouble in block.troubles:
            self.sampler.counts.tell(f"{trouble}; its episode is dropped")
        if self._holds is not None:
            played = block.rewards.size
            steps = self.model.num_timesteps + played
            frames = self.recorder.frames + int(block.frames.sum())
            self._holds.add(block.holds, played, steps=steps, frames=frames)
        lag = self.version - block.policy_version
        if self._order.allows(lag):
            self.counts.lags[lag] += block.rewards.size - skipped
            return True
        # It was played all the same: its episodes count, its steps do not.
        for step in range(block.steps):
            self._record(block, step)
        self.counts.dropped += block.rewards.size - skipped
        return False

    def _record(self, block: Block, step: int) -> list[dict[str, Any]]:
        lanes = block.first_lane + np.arange(block.lanes)
        told = {lane: info for at, lane, info in block.endings if at == step}
        failed = block.skipped[step]
        infos = self.recorder.record(
            lanes, block.rewards[step], block.done[step] & ~failed, block.frames[step], told
        )
        self.recorder.restart(lanes[failed])
        return infos

    @property
    def version_now(self) -> int:
        """The version of the model's weights, published or not."""
        return self.version + int(self._updates != self._updates_seen)

    @property
    def _updates(self) -> int:
        return int(getattr(self.model, "_n_updates", 0))

    def _publish(self) -> None:
        if self.version_now != self.version or not self._published:
            self.version, self._updates_seen, self._published = self.version_now, self._updates, True
            self.sampler.publish(self.version, self.model.policy.state_dict())

    def begin_anew(self, seed: int) -> None:
        """Let everything that draws numbers begin anew, here and in actors, as a resumed run does.

        Args:
            seed: of the random streams and the first lane.
        """
        self.sampler.begin_anew(seed)
        self._published = False
        self.draw_from(seed)

    def draw_from(self, seed: int) -> None:
        """Begin the learner's random streams anew: torch's, numpy's and Python's, and those of its parts.

        Args:
            seed: of all of them.
        """
        set_random_seed(seed, using_cuda=self.model.device.type == "cuda")
        if self.store is not None:
            self._replay.rng = np.random.default_rng(seed)
        if self.imitation is not None:
            self.imitation.rng = np.random.default_rng(seed)
        if self.likeness is not None:
            self.likeness.begin_anew(seed)

    def _play(self, blocks: list[Block], step: int, callback: BaseCallback) -> NDArray[np.bool_] | None:
        """Tell everyone who counts steps of one that was played; None if training shall end."""
        infos: list[dict[str, Any]] = []
        # After a change of length, blocks of the length before are still on their way.
        blocks = [block for block in blocks if step < block.steps]
        for block in blocks:
            infos += self._record(block, step)
        dones = np.concatenate([block.done[step] & ~block.skipped[step] for block in blocks])
        self.model.num_timesteps += len(infos)
        callback.update_locals(
            {"infos": infos, "dones": dones, "rewards": np.concatenate([b.rewards[step] for b in blocks])}
        )
        if not callback.on_step():
            return None
        self.model._update_info_buffer(infos, dones)
        return dones

    def record(self) -> SamplingRecord:
        """Return what the manifest keeps of all this."""
        counts = self.counts
        return SamplingRecord(
            lags=dict(sorted(counts.lags.items())),
            dropped=counts.dropped,
            replaced=self.sampler.counts.replaced,
            skipped=self.sampler.counts.skipped,
            troubles=list(self.sampler.counts.troubles),
            learner_idle=round(counts.idle_share, 4),
            actor_idle={actor: round(share, 4) for actor, share in sorted(counts.actor_idle.items())},
        )

    def _log(self, blocks: list[Block]) -> None:
        log, counts = self.model.logger, self.counts
        self._recent += [(self.version - block.policy_version, block.rewards.size) for block in blocks]
        lags, sizes = (np.array(column) for column in zip(*self._recent, strict=True))
        # A tensor becomes a histogram in TensorBoard.
        log.record("sampling/lag", torch.as_tensor(np.repeat(lags, sizes)), exclude=("stdout", "json", "csv"))
        log.record("sampling/lag_mean", float(np.average(lags, weights=sizes)))
        log.record("sampling/lag_max", int(lags.max()))
        log.record("sampling/dropped", counts.dropped)
        log.record("sampling/learner_idle", counts.idle_share)
        log.record("sampling/actor_idle", float(np.mean(list(counts.actor_idle.values()))))

    # -- on-policy ------------------------------------------------------------------------------------------

    def _collect_on_policy(
        self, env: object, callback: BaseCallback, rollout_buffer: RolloutBuffer, n_rollout_steps: int
    ) -> bool:
        """Fill the rollout buffer with what actors played; in place of ``collect_rollouts``."""
        model = self.model
        callback.on_rollout_start()
        blocks = self._next_blocks(TrainFreq(n_rollout_steps, TrainFrequencyUnit.STEP))
        if blocks is None:
            return False
        learned = self._to_learn_from(blocks)
        for step in range(n_rollout_steps):
            if self._play(blocks, step, callback) is None:
                return False
        model.policy.set_training_mode(False)
        rollout_buffer.reset()
        first = 0
        for block in learned:
            self._fill(rollout_buffer, block, slice(first, first + block.lanes))
            first += block.lanes
        rollout_buffer.pos, rollout_buffer.full = n_rollout_steps, True
        self._log(blocks)
        callback.on_rollout_end()
        return True

    def _fill(self, buffer: RolloutBuffer, block: Block, columns: slice) -> None:
        """Write a block into some columns of the buffer, with its returns."""
        values, log_probs = block.extras["values"], block.extras["log_probs"]
        last_values, final_values, weights = block.last_values, block.final_values, None
        if block.policy_version < self.version:
            values, log_probs, last_values, final_values, weights = self._correct(block)
        next_values = np.concatenate([values[1:], last_values[None]])
        next_values[block.done] = final_values
        # A step that failed is worth what was expected: its advantage is 0 and its value's error, too.
        expected = values - self._discount.powers(block.frames)[0] * next_values
        found, targets = advantages(
            self._discount,
            rewards=np.where(block.skipped, expected, block.rewards),
            values=values,
            next_values=next_values,
            terminated=block.terminated,
            truncated=block.truncated,
            frames=block.frames,
            weights=weights,
        )
        filled = {
            "actions": block.actions,
            "rewards": block.rewards,
            "values": values,
            "log_probs": log_probs,
            "episode_starts": block.extras["episode_starts"],
            "advantages": found,
            "returns": targets,
        }
        for name, column in filled.items():
            getattr(buffer, name)[:, columns] = column
        for name in (name for name in block.extras if "_states_" in name):
            # [T, layers, lanes, size]: sb3-contrib's recurrent buffer has lanes third.
            getattr(buffer, name)[:, :, columns] = block.extras[name]
        if isinstance(buffer, SegmentRollout):
            for segment in block.segments(whole=True):
                buffer.add_segment(segment)
        elif isinstance(buffer.observations, dict):
            for key, part in block.observations.items():
                buffer.observations[key][:, columns] = part[:-1]
        else:
            shape = buffer.observations[:, columns].shape
            buffer.observations[:, columns] = from_leaves(block.observations)[:-1].reshape(shape)

    def _correct(self, block: Block) -> tuple[NDArray[Any], ...]:
        """Judge a lagging block by the weights of now.

        Returns:
            Values and log-probabilities ``[T, L]``, values of the last and of final observations, and the
            importance weights min(1, π/μ), which make the advantages those of the policy of now. With the
            ratio of the loss then taken to that policy instead of to the one that played, this is the
            decoupled objective of Hilton et al. (2022, arXiv 2110.00641, equation 3) with truncated weights
            as in V-trace (arXiv 1802.01561).
        """
        policy = self.model.policy
        assert isinstance(policy, ActorCriticPolicy)
        flat = {key: part[:-1].reshape(-1, *part.shape[2:]) for key, part in block.observations.items()}
        last = {key: part[-1] for key, part in block.observations.items()}
        actions = torch.as_tensor(block.actions.reshape(-1, block.actions.shape[-1]), device=policy.device)
        if isinstance(self.model.action_space, spaces.Discrete):
            actions = actions.flatten()  # as in train()
        with torch.no_grad():
            values, log_probs, _ = policy.evaluate_actions(self._tensors(flat), actions)
            last_values = policy.predict_values(self._tensors(last))
            final_values = (
                policy.predict_values(self._tensors(block.finals)).cpu().numpy().reshape(-1)
                if len(block.final_values)
                else block.final_values
            )
        now = log_probs.cpu().numpy().reshape(block.rewards.shape)
        weights = np.minimum(1.0, np.exp(now - block.extras["log_probs"]))
        return (
            values.cpu().numpy().reshape(block.rewards.shape),
            now,
            last_values.cpu().numpy().reshape(-1),
            final_values,
            weights,
        )

    def _tensors(self, leaves: Leaves) -> Any:
        return obs_as_tensor(from_leaves(leaves), self.model.device)

    # -- off-policy -----------------------------------------------------------------------------------------

    def _collect_off_policy(
        self,
        env: object,
        callback: BaseCallback,
        train_freq: TrainFreq,
        replay_buffer: object,
        action_noise: object = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        """Put what actors played into the store; in place of ``collect_rollouts``."""
        model, store = self.model, self.store
        assert isinstance(model, OffPolicyAlgorithm)
        assert store is not None
        steps = episodes = 0
        filled = store.filled if isinstance(store, Pools) else None
        callback.on_rollout_start()
        while steps == 0 or (isinstance(store, Pools) and store.filled == filled):
            blocks = self._next_blocks(train_freq)
            if blocks is None:
                return RolloutReturn(steps, episodes, continue_training=False)
            for block in self._to_learn_from(blocks):
                for segment in block.segments():
                    self._replay.add_segment(segment)
            if self._order.most_lag is not None:
                store.forget_before(self.version - self._order.most_lag)
            for step in range(max(block.steps for block in blocks)):
                dones = self._play(blocks, step, callback)
                if dones is None:
                    return RolloutReturn(steps, episodes, continue_training=False)
                steps += len(dones)
                model._update_current_progress_remaining(model.num_timesteps, model._total_timesteps)
                model._on_step()
                for _ in range(int(dones.sum())):
                    episodes += 1
                    model._episode_num += 1
                    if log_interval is not None and model._episode_num % log_interval == 0:
                        self._log(blocks)
                        model.dump_logs()
        callback.on_rollout_end()
        return RolloutReturn(steps, episodes, continue_training=True)
