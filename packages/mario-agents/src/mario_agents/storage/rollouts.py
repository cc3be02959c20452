"""A rollout kept as whole segments, in the place of Stable-Baselines3's rollout buffer."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import DictRolloutBufferSamples, RolloutBufferSamples

from mario_agents.storage.replay import stacks_of
from mario_agents.storage.segment import Segment, from_leaves
from mario_agents.storage.segments import SegmentStore


class SegmentRollout(RolloutBuffer):
    """Holds a rollout's observations once, in segments, and gathers each minibatch from them.

    Minibatches are those of Stable-Baselines3's buffer, in the same order for the same random numbers; only
    where observations lie differs. Arguments are its own.
    """

    def reset(self) -> None:
        """Forget the last rollout."""
        shape = (self.buffer_size, self.n_envs)
        self.actions = np.zeros((*shape, self.action_dim), self.action_space.dtype)
        for name in ("rewards", "returns", "episode_starts", "values", "log_probs", "advantages"):
            setattr(self, name, np.zeros(shape, np.float32))
        self.pos, self.full, self.generator_ready = 0, False, False
        self._segments = SegmentStore(self.buffer_size * self.n_envs, stacks_of(self.observation_space))

    def add_segment(self, segment: Segment) -> None:
        """Take a lane's segment in; segments come in order of lanes."""
        self._segments.add(segment)

    def get(  # type: ignore[override] # observations may be a dict here
        self, batch_size: int | None = None
    ) -> Generator[RolloutBufferSamples | DictRolloutBufferSamples, None, None]:
        """Yield the rollout once, shuffled, in minibatches.

        Args:
            batch_size: transitions; None is all of them.
        """
        count = self.buffer_size * self.n_envs
        indices = np.random.permutation(count)
        if not self.generator_ready:
            for name in ("actions", "values", "log_probs", "advantages", "returns"):
                setattr(self, name, self.swap_and_flatten(getattr(self, name)))
            self.generator_ready = True
        for first in range(0, count, batch_size or count):
            yield self._get_samples(indices[first : first + (batch_size or count)])

    def _get_samples(self, batch_inds: NDArray[Any], env: object = None) -> Any:
        leaves = self._segments.observations(batch_inds)
        columns = {
            "actions": self.actions[batch_inds].astype(np.float32, copy=False),
            "old_values": self.values[batch_inds].flatten(),
            "old_log_prob": self.log_probs[batch_inds].flatten(),
            "advantages": self.advantages[batch_inds].flatten(),
            "returns": self.returns[batch_inds].flatten(),
        }
        kind: Any = DictRolloutBufferSamples if leaves.keys() != {""} else RolloutBufferSamples
        return kind(
            observations=from_leaves({key: self.to_torch(part) for key, part in leaves.items()}),
            **{name: self.to_torch(column) for name, column in columns.items()},
        )
