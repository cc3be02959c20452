"""Catches, step by step, what Stable-Baselines3's own ``collect_rollouts`` plays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from mario_agents.sampling.block import Block, Ending
from mario_agents.sampling.skipping import TROUBLE
from mario_agents.storage.infos import told_by
from mario_agents.storage.segment import Leaves, to_leaves


class CatchSteps(BaseCallback):
    """Makes a :class:`Block` of each rollout.

    It reads the local variables of ``collect_rollouts``, which Stable-Baselines3 hands to callbacks; that is
    how every algorithm acts with its own code: exploration, noise, warm-up, recurrent states.

    Args:
        episode_info: names of infos of an episode's last step to pass on.
    """

    def __init__(self, episode_info: tuple[str, ...]) -> None:
        super().__init__()
        self._episode_info = (*episode_info, "is_success")
        self._keep_going: Callable[[], bool] = lambda: True
        self._clear()

    def begin(self, keep_going: Callable[[], bool]) -> None:
        """Begin a block.

        Args:
            keep_going: asked after each step; False ends the rollout.
        """
        self._keep_going = keep_going
        self._clear()

    def _clear(self) -> None:
        self._observations: dict[str, list[NDArray[Any]]] = {}
        self._finals: dict[str, list[NDArray[Any]]] = {}
        self._columns: dict[str, list[NDArray[Any]]] = {}
        self._extras: dict[str, list[NDArray[Any]]] = {}
        self._endings: list[Ending] = []
        self._paid: list[NDArray[np.float64]] = []
        self._skipped: list[NDArray[np.bool_]] = []
        #: Steps that failed: the step, the lane, and what happened.
        self.troubles: list[tuple[int, int, str]] = []

    def _on_step(self) -> bool:
        step = self.locals
        dones, infos, rewards = step["dones"], step["infos"], step["rewards"]
        self._see(self.model._last_obs)
        for lane in np.flatnonzero(dones).tolist():
            info = infos[lane]
            for key, final in to_leaves(info["terminal_observation"]).items():
                self._finals.setdefault(key, []).append(np.array(final))
            told = {name: info[name] for name in self._episode_info if name in info}
            self._endings.append((len(self._paid), lane, told))
        skipped = np.array([TROUBLE in info for info in infos])
        for lane in np.flatnonzero(skipped).tolist():
            self.troubles.append((len(self._paid), lane, infos[lane][TROUBLE]))
        self._skipped.append(skipped)
        actions = step["actions"] if self._on_policy else step["buffer_actions"]
        self._keep(
            self._columns,
            actions=np.reshape(actions, (len(dones), -1)),
            # A copy: on-policy algorithms add what truncated episodes are worth to the array itself.
            rewards=np.array(rewards, np.float64),
            **told_by(infos, dones)._asdict(),
        )
        self._paid.append(rewards)
        if self._on_policy:
            self._keep(
                self._extras,
                values=step["values"].cpu().numpy().reshape(-1),
                log_probs=step["log_probs"].cpu().numpy().reshape(-1),
                episode_starts=np.array(self.model._last_episode_starts, bool),
            )
            states = getattr(self.model, "_last_lstm_states", None)
            if states is not None:
                self._keep(
                    self._extras,
                    **{
                        f"{name}_{network}": part.cpu().numpy().copy()
                        for network, pair in (("pi", states.pi), ("vf", states.vf))
                        for name, part in zip(("hidden_states", "cell_states"), pair, strict=True)
                    },
                )
        return self._keep_going()

    @property
    def steps(self) -> int:
        """Steps of each lane caught since :meth:`begin`."""
        return len(self._paid)

    @property
    def _on_policy(self) -> bool:
        return isinstance(self.model, OnPolicyAlgorithm)

    def _see(self, observations: Any) -> None:
        for key, part in to_leaves(observations).items():
            self._observations.setdefault(key, []).append(np.array(part))

    @staticmethod
    def _keep(columns: dict[str, list[NDArray[Any]]], **rows: NDArray[Any]) -> None:
        for name, row in rows.items():
            columns.setdefault(name, []).append(row)

    def block(
        self, actor: int, first_lane: int, first_step: int, version: int, last_values: NDArray[np.float32]
    ) -> Block:
        """Return what was caught since :meth:`begin`.

        Args:
            actor: its number.
            first_lane: its first lane.
            first_step: steps that each lane had played before.
            version: of its weights.
            last_values: V of the last observations, ``[L]``; empty off-policy.
        """
        self._see(self.model._last_obs)
        columns: dict[str, Any] = {name: np.stack(rows) for name, rows in self._columns.items()}
        if self.troubles:
            self._extras["skipped"] = self._skipped
        return Block(
            actor=actor,
            first_lane=first_lane,
            first_step=first_step,
            policy_version=version,
            observations={key: np.stack(rows) for key, rows in self._observations.items()},
            finals=self._final_observations(),
            final_values=self._final_values(columns["rewards"], columns["terminated"] | columns["truncated"]),
            last_values=last_values,
            extras={name: np.stack(rows) for name, rows in self._extras.items()},
            endings=tuple(self._endings),
            **columns,
        )

    def _final_observations(self) -> Leaves:
        if self._finals:
            return {key: np.stack(rows) for key, rows in self._finals.items()}
        return {
            key: np.empty((0, *rows[0].shape[1:]), rows[0].dtype) for key, rows in self._observations.items()
        }

    def _final_values(self, rewards: NDArray[np.float64], done: NDArray[np.bool_]) -> NDArray[np.float64]:
        gamma = float(self.model.gamma) if isinstance(self.model, OnPolicyAlgorithm) else 0.0
        if gamma == 0.0:
            return np.zeros(int(done.sum()))
        # collect_rollouts added γ V(final observation) to the reward of a truncated step.
        return ((np.stack(self._paid) - rewards)[done]) / gamma
