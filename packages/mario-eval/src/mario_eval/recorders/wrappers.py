"""Recorders for environments that somebody else steps: a Gymnasium wrapper and a vector wrapper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mario_eval.recorders.actions import single_row
from mario_eval.recorders.recorder import ended_lanes
from mario_eval.recorders.session import RecordingSession
from mario_eval.schema import STEP_INFOS


class RecordEnv(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Records every episode of one environment.

    An episode that is reset before its end leaves steps, but no row in ``episodes``.

    Args:
        env: the environment.
        out: the evaluation folder to create.
        policy_name: who plays, for the manifest.
        step_infos: infos to record at each step, where the environment has them.

    Raises:
        RecordingError: ``out`` holds a recording already, or cannot be written.

    Example::

        env = RecordEnv(gymnasium.make("CartPole-v1"), Path("recordings/by-hand"))
        ...
        env.close()
    """

    def __init__(
        self,
        env: gymnasium.Env[Any, Any],
        out: Path,
        *,
        policy_name: str = "unknown",
        step_infos: Sequence[str] = STEP_INFOS,
    ) -> None:
        super().__init__(env)
        self._session = RecordingSession(
            out,
            spec=env.spec,
            action_space=env.action_space,
            batched=batch_space(env.action_space, 1),
            lanes=1,
            metadata=env.metadata,
            policy_name=policy_name,
            step_infos=step_infos,
        )

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset the environment and begin an episode; without a seed it cannot be replayed."""
        result = self.env.reset(seed=seed, options=options)
        self._session.begin(np.zeros(1, np.intp), [seed])
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step the environment and record it."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._session.recorder.step(
            single_row(self.action_space, action),
            np.array([reward], np.float64),
            np.array([terminated]),
            np.array([truncated]),
            one_lane(info),
        )
        return observation, reward, terminated, truncated, info

    def close(self) -> None:
        """Close the recording, then the environment."""
        self._session.close()
        super().close()


class RecordVectorEnv(VectorWrapper):
    """Records every episode of a batch of environments, whatever its autoreset mode.

    Args:
        env: the batch.
        out: the evaluation folder to create.
        policy_name: who plays, for the manifest.
        step_infos: infos to record at each step, where the environment has them.

    Raises:
        RecordingError: ``out`` holds a recording already, or cannot be written.

    Example::

        envs = RecordVectorEnv(gymnasium.make_vec("CartPole-v1", num_envs=8), Path("recordings/training"))
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        out: Path,
        *,
        policy_name: str = "unknown",
        step_infos: Sequence[str] = STEP_INFOS,
    ) -> None:
        super().__init__(env)
        self._mode = AutoresetMode(env.metadata.get("autoreset_mode", AutoresetMode.NEXT_STEP))
        self._reset_next = np.empty(0, np.intp)
        self._session = RecordingSession(
            out,
            spec=env.spec,
            action_space=env.single_action_space,
            batched=env.action_space,
            lanes=env.num_envs,
            metadata=env.metadata,
            policy_name=policy_name,
            step_infos=step_infos,
        )

    def reset(self, *, seed: Any = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset all lanes, or those of ``options["reset_mask"]``, and begin episodes there."""
        mask = np.array((options or {}).get("reset_mask", np.ones(self.num_envs, bool)))
        result = self.env.reset(seed=seed, options=options)
        lanes = np.flatnonzero(mask)
        if isinstance(seed, int):
            seed = [seed + lane for lane in range(self.num_envs)]
        self._session.begin(lanes, [None if seed is None else seed[lane] for lane in lanes])
        self._reset_next = np.setdiff1d(self._reset_next, lanes)
        return result

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Step all lanes and record them; the step that only resets a lane is not recorded."""
        observations, rewards, terminated, truncated, infos = self.env.step(actions)
        last = infos
        if self._mode is AutoresetMode.SAME_STEP and "final_info" in infos:
            last = with_final_infos(infos, infos["final_info"], terminated | truncated)
        self._session.recorder.step(actions, rewards, terminated, truncated, last)
        began = ended_lanes(terminated, truncated)
        if self._mode is AutoresetMode.NEXT_STEP:
            began, self._reset_next = self._reset_next, began
        if len(began) and self._mode is not AutoresetMode.DISABLED:
            self._session.begin(began, [None] * len(began))
        return observations, rewards, terminated, truncated, infos

    def close(self, **kwargs: Any) -> None:
        """Close the recording, then the environments."""
        self._session.close()
        super().close(**kwargs)


def one_lane(info: Mapping[str, Any]) -> dict[str, Any]:
    """Turn the info of one environment into infos of a batch of one lane."""
    batch: dict[str, Any] = {}
    for name, value in info.items():
        if isinstance(value, Mapping):
            batch[name] = one_lane(value)
        elif isinstance(value, str):
            batch[name] = np.array([value], object)
        elif isinstance(value, bool | int | float | np.generic | np.ndarray):
            batch[name] = np.asarray(value)[None]
    return batch


def with_final_infos(
    infos: Mapping[str, Any], final: Mapping[str, Any], ended: NDArray[np.bool_]
) -> dict[str, Any]:
    """Replace the infos of lanes that were reset within the step by those of the episode that ended."""
    merged = dict(infos)
    for name, value in final.items():
        now = infos.get(name)
        if isinstance(value, Mapping):
            merged[name] = with_final_infos(now if isinstance(now, Mapping) else {}, value, ended)
        elif isinstance(value, np.ndarray):
            mixed = value.copy()
            if isinstance(now, np.ndarray) and now.shape == value.shape:
                mixed = np.where(ended.reshape(-1, *[1] * (value.ndim - 1)), value, now)
            merged[name] = mixed
    return merged
