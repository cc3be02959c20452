"""A replay that is fed step by step, by Stable-Baselines3's own ``collect_rollouts``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.type_aliases import DictReplayBufferSamples, ReplayBufferSamples

from mario_agents.storage.infos import Told, told_by
from mario_agents.storage.replay import StoreReplay
from mario_agents.storage.segment import Leaves, Segment, to_leaves


class _Step(NamedTuple):
    """One step of all lanes."""

    observations: Leaves
    next_observations: Leaves
    actions: NDArray[Any]
    rewards: NDArray[Any]
    told: Told


class StepwiseReplay(StoreReplay):
    """Gathers steps, and makes segments of them when somebody wants to learn."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._steps_played: list[_Step] = []
        self._first_step = 0

    def add(self, *step: Any) -> None:
        """Take one step of all lanes, as ``ReplayBuffer.add`` does.

        Args:
            *step: observations, next observations (an episode's last where it ended), actions, rewards, dones
                and infos, first axis lanes. ``frames`` of an info is how many the step spans, 1 if absent.
        """
        observations, next_observations, actions, rewards, dones, infos = step
        self._steps_played.append(
            _Step(
                {key: np.array(part) for key, part in to_leaves(observations).items()},
                to_leaves(next_observations),  # a copy that collect_rollouts has made
                np.array(actions),
                np.array(rewards),
                told_by(infos, np.asarray(dones, bool)),
            )
        )

    def take_fresh(self) -> list[Segment]:
        """Return what has arrived since the last call; see :meth:`StoreReplay.take_fresh`."""
        self._cut()
        return super().take_fresh()

    def sample(self, batch_size: int, env: object = None) -> ReplayBufferSamples | DictReplayBufferSamples:
        """Draw a batch; see :meth:`StoreReplay.sample`."""
        self._cut()
        return super().sample(batch_size, env)

    def _cut(self) -> None:
        played, self._steps_played = self._steps_played, []
        if not played:
            return
        keys = played[0].observations.keys()
        now = {key: np.stack([step.observations[key] for step in played]) for key in keys}
        after = {key: np.stack([step.next_observations[key] for step in played]) for key in keys}
        actions = np.stack([step.actions for step in played])
        rewards = np.stack([step.rewards for step in played])
        told = Told(*map(np.stack, zip(*(step.told for step in played), strict=True)))
        dones = told.terminated | told.truncated
        for lane in range(rewards.shape[1]):
            ended = np.flatnonzero(dones[:, lane]).tolist()
            self.add_segment(
                Segment.from_steps(
                    lane=lane,
                    policy_version=0,
                    first_step=self._first_step,
                    observations={
                        key: np.concatenate([now[key][:, lane], after[key][-1:, lane]]) for key in keys
                    },
                    finals={step: {key: after[key][step, lane] for key in keys} for step in ended},
                    actions=actions[:, lane],
                    rewards=rewards[:, lane],
                    terminated=told.terminated[:, lane],
                    truncated=told.truncated[:, lane],
                    frames=told.frames[:, lane],
                )
            )
        self._first_step += len(played)
