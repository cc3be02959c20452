"""A callback that records while Stable-Baselines3 trains; needs ``pip install "mario-eval[sb3]"``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector.utils import batch_space
from stable_baselines3.common.callbacks import BaseCallback

from mario_eval.recorders.session import RecordingSession
from mario_eval.schema import STEP_INFOS


class RecordingCallback(BaseCallback):
    """Records the episodes, the steps and the logged scalars of a training run.

    Seeds are not known to a callback, so training episodes cannot be replayed. What
    :class:`~stable_baselines3.common.logger.Logger` holds (losses, rates) is written to ``scalars/`` whenever
    a rollout ends: columns ``steps``, ``name``, ``value``.

    Args:
        out: the evaluation folder to create.
        episode_infos: infos of an episode's last step to record.
        step_infos: infos of each step to record.

    Example::

        model.learn(100_000, callback=RecordingCallback(Path("recordings/ppo")))
    """

    def __init__(
        self, out: Path, *, episode_infos: Sequence[str] = (), step_infos: Sequence[str] = STEP_INFOS
    ) -> None:
        super().__init__()
        self._out = out
        self._episode_infos, self._step_infos = tuple(episode_infos), tuple(step_infos)
        self._session: RecordingSession | None = None

    def _on_training_start(self) -> None:
        env = self.training_env
        specs = env.get_attr("spec")
        self._session = RecordingSession(
            self._out,
            spec=specs[0],
            action_space=env.action_space,
            batched=batch_space(env.action_space, env.num_envs),
            lanes=env.num_envs,
            metadata={"episode_info": self._episode_infos, "render_fps": None},
            policy_name=type(self.model).__name__,
            step_infos=self._step_infos,
        )
        self._session.begin(np.arange(env.num_envs), [None] * env.num_envs)

    def _on_step(self) -> bool:
        assert self._session is not None
        # On-policy algorithms clip what they sampled to the space; what the environment got is what ran.
        actions = self.locals.get("clipped_actions", self.locals["actions"])
        ended = np.asarray(self.locals["dones"], bool)
        infos: list[dict[str, Any]] = self.locals["infos"]
        cut = np.array([bool(info.get("TimeLimit.truncated", False)) for info in infos])
        rewards = np.asarray(self.locals["rewards"], np.float64)
        wanted = {"frames", "reward_terms", *self._episode_infos, *self._step_infos}
        self._session.recorder.step(actions, rewards, ended & ~cut, ended & cut, _batched(infos, wanted))
        began = np.flatnonzero(ended)
        self._session.begin(began, [None] * len(began))
        return True

    def _on_rollout_end(self) -> None:
        assert self._session is not None
        logged: dict[str, Any] = dict(self.logger.name_to_value)
        scalars = {name: float(v) for name, v in logged.items() if isinstance(v, int | float | np.number)}
        if scalars:
            self._session.folder.record_scalars(self.num_timesteps, scalars)

    def _on_training_end(self) -> None:
        assert self._session is not None
        self._session.close()


def _batched(infos: list[dict[str, Any]], wanted: set[str]) -> dict[str, Any]:
    """Turn a list of infos into arrays with masks, as a Gymnasium vector environment gives them."""
    batch: dict[str, Any] = {}
    for name in wanted:
        values = [info.get(name) for info in infos]
        first = next((value for value in values if value is not None), None)
        if first is None:
            continue
        if isinstance(first, dict):
            batch[name] = _batched([value or {} for value in values], set(first))
            continue
        present = np.array([value is not None for value in values])
        if isinstance(first, str):
            batch[name] = np.array(values, object)
        else:
            batch[name] = np.array([np.zeros_like(first) if value is None else value for value in values])
        batch[f"_{name}"] = present
    return batch
