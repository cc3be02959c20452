"""Training episodes → ``RUN/training/N.monitor.csv``, in the format of Stable-Baselines3's Monitor."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.monitor import ResultsWriter
from stable_baselines3.common.vec_env.base_vec_env import (
    VecEnv,
    VecEnvObs,
    VecEnvStepReturn,
    VecEnvWrapper,
)


class RecordEpisodes(VecEnvWrapper):
    """Counts frames and episodes, and writes one line per finished episode.

    Columns: ``r`` return, ``l`` steps, ``t`` seconds since the file's ``t_start``, ``frames``, then the
    episode infos.

    Args:
        venv: the lanes to record.
        file: the monitor file; a new one.
        env_id: goes into the file's header.
        episode_info: names of infos of an episode's last step to record.
        frames: emulator frames counted before this recording began (a resumed run).
        episodes: episodes counted before this recording began.
    """

    def __init__(
        self,
        venv: VecEnv,
        file: Path,
        *,
        env_id: str,
        episode_info: Sequence[str] = (),
        frames: int = 0,
        episodes: int = 0,
    ) -> None:
        super().__init__(venv)
        self.frames = frames
        self.episodes = episodes
        self._episode_info = tuple(name for name in episode_info if name != "frames")
        self._file, self._env_id = file, env_id
        self._started = 0.0
        self._writer: ResultsWriter | None = None
        self._clear_counts()

    def _clear_counts(self) -> None:
        self._returns: NDArray[np.float64] = np.zeros(self.num_envs)
        self._steps: NDArray[np.int64] = np.zeros(self.num_envs, np.int64)
        self._frames: NDArray[np.int64] = np.zeros(self.num_envs, np.int64)

    def reset(self) -> VecEnvObs:
        """Start new episodes, dropping what unfinished ones had counted. The first call opens the file."""
        self._clear_counts()
        if self._writer is None:
            self._started = time.time()
            self._writer = ResultsWriter(
                str(self._file),
                header={"t_start": self._started, "env_id": self._env_id},
                extra_keys=("frames", *self._episode_info),
            )
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """Step, count, and write the episodes that ended; their info gets SB3's ``episode`` entry."""
        observations, rewards, dones, infos = self.venv.step_wait()
        # Where an environment does not say how many frames a step took, it took one.
        frames = np.array([info.get("frames", 1) for info in infos], np.int64)
        self.frames += int(frames.sum())
        self._returns += rewards
        self._steps += 1
        self._frames += frames
        for lane in np.flatnonzero(dones):
            infos[lane]["episode"] = self._record(int(lane), infos[lane])
        return observations, rewards, dones, infos

    def _record(self, lane: int, info: dict[str, Any]) -> dict[str, Any]:
        episode = {
            "r": round(float(self._returns[lane]), 6),
            "l": int(self._steps[lane]),
            "t": round(time.time() - self._started, 6),
            "frames": int(self._frames[lane]),
            **{name: info.get(name, "") for name in self._episode_info},
        }
        assert self._writer is not None  # lanes are reset before they are stepped
        self._writer.write_row(episode)
        self.episodes += 1
        self._returns[lane], self._steps[lane], self._frames[lane] = 0.0, 0, 0
        return episode

    def close(self) -> None:
        """Close the file and the lanes."""
        if self._writer is not None:
            self._writer.close()
        super().close()
