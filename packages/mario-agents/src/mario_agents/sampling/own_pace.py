"""Plays lanes that do not wait for each other, where the environment can (``send`` and ``recv``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.utils import obs_as_tensor

from mario_agents.sampling.block import Block, Ending
from mario_agents.sampling.vec_env import LaneVecEnv
from mario_agents.storage.infos import told_by
from mario_agents.storage.segment import Leaves, from_leaves, to_leaves

#: Of the lanes that are on their way, so many parts are waited for at a time: one network call for each lane
#: would cost more than the waiting.
PARTS = 2


class OwnPace:
    """Makes a :class:`Block` whose lanes took their steps as fast as each could.

    A lane that has its T steps waits for the others, so that a block is of one policy_version. It acts as
    Stable-Baselines3's two ``collect_rollouts`` do, which step all lanes at once and cannot be used here.

    Args:
        model: acts; its ``collect_rollouts`` is Stable-Baselines3's own and it does not explore by state.
        lanes: that can send and receive; they have been reset.
        noise: of each lane; empty if there is none.
        episode_info: names of infos of an episode's last step to pass on.
    """

    def __init__(
        self,
        model: BaseAlgorithm,
        lanes: LaneVecEnv,
        noise: list[ActionNoise],
        episode_info: tuple[str, ...],
    ) -> None:
        self._model, self._lanes, self._noise = model, lanes, noise
        self._episode_info = (*episode_info, "is_success")
        self._seen = {key: np.array(part) for key, part in to_leaves(model._last_obs).items()}
        self._starts = np.ones(lanes.num_envs, bool)
        self._played = np.zeros(lanes.num_envs, np.intp)

    @property
    def steps(self) -> int:
        """Steps that each lane, even the slowest, has played since :meth:`begin`."""
        return int(self._played.min())

    def begin(self, keep_going: Callable[[], bool]) -> None:
        """Begin a block.

        Args:
            keep_going: asked whenever lanes come back; False ends the block.
        """
        self._keep_going = keep_going
        self._columns: dict[str, NDArray[Any]] = {}
        self._finals: dict[tuple[int, int], Leaves] = {}
        self._endings: list[Ending] = []
        self._played[:] = 0

    def play(self, steps: int) -> bool:
        """Play so many steps in each lane; False if it was ended."""
        model = self._model
        model.policy.set_training_mode(False)
        self._steps = steps
        self._send(np.arange(self._lanes.num_envs))
        on_their_way, going = self._lanes.num_envs, True
        while on_their_way:
            lanes = self._receive(max(on_their_way // PARTS, 1))
            on_their_way -= len(lanes)
            going = going and self._keep_going()
            again = lanes[self._played[lanes] < steps]
            if going and len(again):
                self._send(again)
                on_their_way += len(again)
        return going

    def _send(self, lanes: NDArray[np.intp]) -> None:
        """Let some lanes act on what they see."""
        model = self._model
        seen = {key: part[lanes] for key, part in self._seen.items()}
        at = self._played[lanes], lanes
        for key, part in seen.items():
            self._column(f"observation {key}", part)[at] = part
        if isinstance(model, OnPolicyAlgorithm):
            policy = model.policy
            assert isinstance(policy, ActorCriticPolicy)
            with torch.no_grad():
                drawn, values, log_probs = policy(obs_as_tensor(from_leaves(seen), model.device))
            kept = acted = drawn.cpu().numpy()
            if isinstance(model.action_space, spaces.Box):
                if policy.squash_output:
                    acted = policy.unscale_action(kept)
                else:
                    acted = np.clip(kept, model.action_space.low, model.action_space.high)
            for name, row in (("values", values), ("log_probs", log_probs)):
                row = row.cpu().numpy().reshape(-1)
                self._column(name, row)[at] = row
            self._column("episode_starts", self._starts)[at] = self._starts[lanes]
        else:
            assert isinstance(model, OffPolicyAlgorithm)
            model._last_obs = from_leaves(seen)
            noise = _NoiseOf([self._noise[lane] for lane in lanes.tolist()]) if self._noise else None
            acted, kept = model._sample_action(model.learning_starts, noise, len(lanes))
        kept = np.reshape(kept, (len(lanes), -1))
        self._column("actions", kept)[at] = kept
        model.num_timesteps += len(lanes)
        self._lanes.send(acted, lanes)

    def _receive(self, min_lanes: int) -> NDArray[np.intp]:
        """Wait for at least so many lanes, keep what they tell, and return which they are."""
        lanes, observations, rewards, dones, infos = self._lanes.recv(min_lanes)
        steps = self._played[lanes]
        at = steps, lanes
        for key, part in to_leaves(observations).items():
            self._seen[key][lanes] = part
        rows: dict[str, NDArray[Any]] = {"rewards": rewards, **told_by(infos, dones)._asdict()}
        for name, row in rows.items():
            self._column(name, row)[at] = row
        for row_number in np.flatnonzero(dones).tolist():
            step, lane, info = int(steps[row_number]), int(lanes[row_number]), infos[row_number]
            self._finals[step, lane] = to_leaves(info["terminal_observation"])
            told = {name: info[name] for name in self._episode_info if name in info}
            self._endings.append((step, lane, told))
            if self._noise:
                self._noise[lane].reset()
        self._starts[lanes] = dones
        self._played[lanes] += 1
        return lanes

    def _column(self, name: str, rows: NDArray[Any]) -> NDArray[Any]:
        """Return ``[T, L, ...]`` for rows of that kind; one step more for observations."""
        if name not in self._columns:
            steps = self._steps + name.startswith("observation ")
            self._columns[name] = np.zeros((steps, self._lanes.num_envs, *rows.shape[1:]), rows.dtype)
        return self._columns[name]

    def block(self, actor: int, first_lane: int, first_step: int, version: int) -> Block:
        """Return what was played since :meth:`begin`.

        Args:
            actor: its number.
            first_lane: its first lane.
            first_step: steps that each lane had played before.
            version: of its weights.
        """
        columns: dict[str, Any] = dict(self._columns)
        observations = {key: columns.pop(f"observation {key}") for key in self._seen}
        for key, part in self._seen.items():
            observations[key][-1] = part
        ended = sorted(self._finals)
        finals = {
            key: np.array([self._finals[place][key] for place in ended], part.dtype)
            if ended
            else np.empty((0, *part.shape[1:]), part.dtype)
            for key, part in self._seen.items()
        }
        last_values, final_values = np.zeros(0, np.float32), np.zeros(len(ended))
        extras: dict[str, Any] = {}
        if isinstance(self._model, OnPolicyAlgorithm):
            extras = {name: columns.pop(name) for name in ("values", "log_probs", "episode_starts")}
            last_values = self._values(self._seen)
            cut = columns["truncated"][columns["terminated"] | columns["truncated"]]
            if cut.any():
                final_values[cut] = self._values({key: part[cut] for key, part in finals.items()})
        return Block(
            actor=actor,
            first_lane=first_lane,
            first_step=first_step,
            policy_version=version,
            observations=observations,
            finals=finals,
            final_values=final_values,
            last_values=last_values,
            extras=extras,
            endings=tuple(sorted(self._endings, key=lambda ending: ending[:2])),
            **columns,
        )

    def _values(self, observations: Leaves) -> NDArray[np.float32]:
        policy = self._model.policy
        assert isinstance(policy, ActorCriticPolicy)
        with torch.no_grad():
            values = policy.predict_values(obs_as_tensor(from_leaves(observations), self._model.device))
        return values.cpu().numpy().reshape(-1).astype(np.float32)


class _NoiseOf(ActionNoise):
    """The noise of the lanes that act."""

    def __init__(self, noises: list[ActionNoise]) -> None:
        super().__init__()
        self._noises = noises

    def __call__(self) -> NDArray[Any]:
        return np.stack([noise() for noise in self._noises])
