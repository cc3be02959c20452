"""Turns what a batch of lanes returns into rows: one per step and one per episode."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_eval.recorders.actions import action_rows
from mario_eval.recorders.folder import RecordingFolder
from mario_eval.recorders.sources import Found, Sources
from mario_eval.recorders.sums import EpisodeSums
from mario_eval.schema import END_PREFIX, EPISODE_COLUMNS, STEP_COLUMNS, STEP_INFOS


class Recorder:
    """Counts, sums and records the episodes of a batch of lanes.

    The loop that calls it::

        recorder.begin(all lanes, episode numbers, seeds)
        while playing:
            … = env.step(actions)
            finished = recorder.step(actions, rewards, terminated, truncated, infos)
            recorder.begin(lanes that were reset, episode numbers, seeds)

    A lane that has not begun an episode, or finished one and begun no other, is not recorded.

    Args:
        action_space: the action space of one lane.
        batched: the batch of it.
        lanes: number of lanes.
        folder: where the tables go; nothing is written if None, and rows of episodes are kept all the same.
        episode_infos: infos of an episode's last step that become columns of ``episodes``.
        step_infos: infos that become columns of ``steps`` and, of the last step, ``end/…`` columns of
            ``episodes``.
    """

    def __init__(
        self,
        action_space: spaces.Space[Any],
        batched: spaces.Space[Any],
        lanes: int,
        *,
        folder: RecordingFolder | None = None,
        episode_infos: Sequence[str] = (),
        step_infos: Sequence[str] = STEP_INFOS,
    ) -> None:
        self._action_space, self._batched = action_space, batched
        self._folder = folder
        self._staged = None if folder is None else folder.stage_steps(lanes)
        self._episode_infos = [name for name in episode_infos if name not in EPISODE_COLUMNS]
        self._step_infos = [name for name in step_infos if name not in STEP_COLUMNS]
        self._active = np.zeros(lanes, bool)
        self._episode = np.full(lanes, -1, np.int64)
        self._seed: list[int | None] = [None] * lanes
        self._steps = np.zeros(lanes, np.int64)
        self._sums = EpisodeSums(lanes)
        self._began = np.zeros(lanes)
        self._always = np.ones(lanes, bool)
        self._look_for_sources({})

    def begin(self, lanes: NDArray[np.intp], episodes: Sequence[int], seeds: Sequence[int | None]) -> None:
        """Start recording a new episode in each of the given lanes."""
        self._active[lanes] = True
        self._episode[lanes] = episodes
        for lane, seed in zip(lanes, seeds, strict=True):
            self._seed[int(lane)] = seed
        self._steps[lanes] = 0
        self._sums.clear(lanes)
        self._began[lanes] = time.perf_counter()

    def step(
        self,
        actions: Any,
        rewards: NDArray[np.float64],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        infos: Mapping[str, Any],
    ) -> list[dict[str, Any]]:
        """Record one step of every active lane.

        Args:
            actions: the batch of actions that ran.
            rewards: float ``[lanes]``.
            terminated: bool ``[lanes]``.
            truncated: bool ``[lanes]``.
            infos: the vector environment's infos: arrays ``[lanes]`` or ``[lanes, n]``, each with a mask
                ``_name``. Everything is copied: the arrays may be used again.

        Returns:
            One row for each episode that this step ended, as ``episodes/`` has it.
        """
        found = self._sources.read(infos) or self._look_for_sources(infos)
        frames, masks, terms = found.frames, found.masks, len(found.terms)
        # Lanes that are not recorded are added up, too: `begin` zeroes them before they are read.
        self._sums.add(frames, rewards, found.terms, None if masks is None else masks[:terms])
        if self._staged is not None:
            action = action_rows(self._action_space, self._batched, actions)
            values = [self._episode, self._steps, action, frames, *self._sums.step, *found.infos]
            if masks is not None:
                masks = [*[self._always] * (len(values) - len(masks)), *masks]
            self._staged.append(self._active, self._columns, values, masks)
        self._steps += 1

        finished = [lane for lane in ended_lanes(terminated, truncated) if self._active[lane]]
        rows = [self._episode_row(int(lane), terminated, truncated, infos) for lane in finished]
        if finished:
            self._active[finished] = False
        if self._folder is not None:
            for row in rows:
                self._folder.episodes.append_row(row)
            self._folder.flush_if_due()
        return rows

    def _look_for_sources(self, infos: Mapping[str, Any]) -> Found:
        self._sources = Sources(infos, self._step_infos, len(self._active))
        self._sums.expect(self._sources.terms)
        self._columns = ("episode", "step", "action", "frames", *self._sums.columns, *self._sources.infos)
        found = self._sources.read(infos)
        assert found is not None
        return found

    def _episode_row(
        self, lane: int, terminated: NDArray[np.bool_], truncated: NDArray[np.bool_], infos: Mapping[str, Any]
    ) -> dict[str, Any]:
        sums = self._sums.of(lane)
        row: dict[str, Any] = {
            "episode": int(self._episode[lane]),
            "seed": self._seed[lane],
            "lane": lane,
            "return": sums.pop("reward"),
            "steps": int(self._steps[lane]),
            "frames": int(sums.pop("frames")),
            "seconds": time.perf_counter() - self._began[lane],
            "terminated": bool(terminated[lane]),
            "truncated": bool(truncated[lane]),
        }
        row |= sums
        last = {name: _scalar(infos, name, lane) for name in self._episode_infos}
        row |= last
        for name in self._sources.infos:
            value = last[name] if name in last else _scalar(infos, name, lane)
            if value is not None:
                row[END_PREFIX + name] = value
        return row


def ended_lanes(terminated: NDArray[np.bool_], truncated: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the numbers of the lanes whose episode this step ended.

    >>> ended_lanes(np.array([False, True, False]), np.array([False, False, True]))
    array([1, 2])
    """
    # Most steps end none, and looking through bytes takes a tenth of the time of a call of NumPy.
    if 1 in terminated.tobytes() or 1 in truncated.tobytes():
        return (terminated | truncated).nonzero()[0]
    return _NO_LANES


_NO_LANES = np.empty(0, np.intp)


def _scalar(infos: Mapping[str, Any], name: str, lane: int) -> Any:
    values, mask = infos.get(name), infos.get(f"_{name}")
    if not isinstance(values, np.ndarray) or values.ndim != 1 or (mask is not None and not mask[lane]):
        return None
    return values.item(lane)
