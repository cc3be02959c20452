"""Training episodes → ``RUN/training/N.monitor.csv``, in the format of Stable-Baselines3's Monitor."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.monitor import ResultsWriter


class RecordEpisodes:
    """Counts frames and episodes, and writes one line per finished episode.

    Columns: ``r`` return, ``l`` steps, ``t`` seconds since the file's ``t_start``, ``frames``, then the
    episode infos.

    Args:
        lanes: number of lanes.
        file: the monitor file; a new one, opened with the first step.
        env_id: goes into the file's header.
        episode_info: names of infos of an episode's last step to record.
        frames: emulator frames counted before this recording began (a resumed run).
        episodes: episodes counted before this recording began.
    """

    def __init__(
        self,
        lanes: int,
        file: Path,
        *,
        env_id: str,
        episode_info: Sequence[str] = (),
        frames: int = 0,
        episodes: int = 0,
    ) -> None:
        self.frames = frames
        self.episodes = episodes
        self._episode_info = tuple(name for name in episode_info if name != "frames")
        self._file, self._env_id = file, env_id
        self._started = 0.0
        self._writer: ResultsWriter | None = None
        self._returns: NDArray[np.float64] = np.zeros(lanes)
        self._steps: NDArray[np.int64] = np.zeros(lanes, np.int64)
        self._frames: NDArray[np.int64] = np.zeros(lanes, np.int64)

    def open(self) -> None:
        """Open the file; time counts from here."""
        self._started = time.time()
        self._writer = ResultsWriter(
            str(self._file),
            header={"t_start": self._started, "env_id": self._env_id},
            extra_keys=("frames", *self._episode_info),
        )

    def restart(self, lanes: NDArray[np.intp]) -> None:
        """Forget the unfinished episodes of some lanes: they will not go on."""
        for counts in (self._returns, self._steps, self._frames):
            counts[lanes] = 0

    def record(
        self,
        lanes: NDArray[np.intp],
        rewards: NDArray[np.float64],
        dones: NDArray[np.bool_],
        frames: NDArray[np.int32],
        told: Mapping[int, Mapping[str, Any]],
    ) -> list[dict[str, Any]]:
        """Count one step of some lanes, and write the episodes that ended in it.

        Args:
            lanes: ``[n]``, which lanes.
            rewards: ``[n]``.
            dones: ``[n]``.
            frames: ``[n]``, emulated frames of the step.
            told: row in ``lanes`` → infos of the last step of the episode that ended there.

        Returns:
            An info for each of ``lanes``, empty but for ended episodes: what was told, and the
            ``episode`` entry of Stable-Baselines3.
        """
        if self._writer is None:
            self.open()
        self.frames += int(frames.sum())
        self._returns[lanes] += rewards
        self._steps[lanes] += 1
        self._frames[lanes] += frames
        infos: list[dict[str, Any]] = [{} for _ in lanes]
        for row in np.flatnonzero(dones).tolist():
            infos[row] = dict(told.get(row, {}))
            infos[row]["episode"] = self._record(int(lanes[row]), infos[row])
        return infos

    def _record(self, lane: int, info: dict[str, Any]) -> dict[str, Any]:
        episode = {
            "r": round(float(self._returns[lane]), 6),
            "l": int(self._steps[lane]),
            "t": round(time.time() - self._started, 6),
            "frames": int(self._frames[lane]),
            **{name: info.get(name, "") for name in self._episode_info},
        }
        assert self._writer is not None
        self._writer.write_row(episode)
        self.episodes += 1
        self._returns[lane], self._steps[lane], self._frames[lane] = 0.0, 0, 0
        return episode

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
