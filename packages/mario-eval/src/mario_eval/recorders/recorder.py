"""Turns what a batch of lanes returns into rows: one per step and one per episode."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_eval.recorders.actions import action_rows
from mario_eval.recorders.episodes import Begun, Ended, PlayedEpisodes
from mario_eval.recorders.folder import RecordingFolder
from mario_eval.recorders.parts import Column
from mario_eval.recorders.staging import StagedColumn, StagedSteps
from mario_eval.schema import END_PREFIX, EPISODE_COLUMNS, STEP_COLUMNS, STEP_INFOS, TERM_PREFIX


class Recorder:
    """Counts, sums and records the episodes of a batch of lanes.

    The loop that calls it::

        recorder.begin(all lanes, episode numbers, seeds)
        while playing:
            … = env.step(actions)
            recorder.step(actions, rewards, terminated, truncated, infos)
            rows = recorder.finished()  # for who wants to know at once
            recorder.begin(lanes that were reset, episode numbers, seeds)

    A lane that has not begun an episode, or finished one and begun no other, is not recorded. A step is
    copied, and numbered and added up together with those behind it.

    Args:
        action_space: the action space of one lane.
        batched: the batch of it.
        lanes: number of lanes.
        folder: where the tables go; nothing is written if None.
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
        if folder is not None:
            folder.before_flush(self._hand_over)
        self._episode_infos = [name for name in episode_infos if name not in EPISODE_COLUMNS]
        self._step_infos = [name for name in step_infos if name not in STEP_COLUMNS]
        self._staged: StagedSteps | None = None
        self._events: list[Begun | Ended] = []
        self._episodes = PlayedEpisodes(lanes)
        self._finished: list[dict[str, Any]] = []

    def begin(self, lanes: NDArray[np.intp], episodes: Sequence[int], seeds: Sequence[int | None]) -> None:
        """Start recording a new episode in each of the given lanes."""
        step, now = 0 if self._staged is None else self._staged.steps, time.perf_counter()
        for lane, episode, seed in zip(lanes.tolist(), episodes, seeds, strict=True):
            self._events.append(Begun(step, lane, episode, seed, now))

    def step(
        self,
        actions: Any,
        rewards: NDArray[np.floating],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        infos: Mapping[str, Any],
    ) -> None:
        """Record one step of every active lane.

        Args:
            actions: the batch of actions that ran.
            rewards: numbers ``[lanes]``.
            terminated: bool ``[lanes]``.
            truncated: bool ``[lanes]``.
            infos: the vector environment's infos: arrays ``[lanes]`` or ``[lanes, n]``, each with a mask
                ``_name``. Everything is copied: the arrays may be used again.
        """
        self._finished.clear()
        action = action_rows(self._action_space, self._batched, actions)
        if self._staged is None or not self._staged.append(action, rewards, infos):
            self._hand_over()
            if self._staged is None or not self._staged.append(action, rewards, infos):
                self._staged = StagedSteps(action, rewards, infos, self._step_infos)
                self._staged.append(action, rewards, infos)
        for lane in ended_lanes(terminated, truncated).tolist():
            self._end(lane, bool(terminated[lane]), bool(truncated[lane]), infos)
        if self._folder is not None:
            self._folder.flush_if_due()

    def finished(self) -> list[dict[str, Any]]:
        """Return one row for each episode that the last step ended, as ``episodes/`` has it."""
        if any(isinstance(event, Ended) for event in self._events):
            self._hand_over()
        return [*self._finished]

    def _end(self, lane: int, terminated: bool, truncated: bool, infos: Mapping[str, Any]) -> None:
        assert self._staged is not None
        last = {name: _scalar(infos, name, lane) for name in self._episode_infos}
        for name in self._staged.infos:
            value = last[name] if name in last else _scalar(infos, name, lane)
            if value is not None:
                last[END_PREFIX + name] = value
        self._events.append(
            Ended(self._staged.steps - 1, lane, terminated, truncated, time.perf_counter(), last)
        )

    def _hand_over(self) -> None:
        """Make rows of what waits; they go to the folder."""
        if self._staged is None or not self._staged.steps:
            return
        steps, terms, infos = self._staged.steps, self._staged.terms, self._staged.infos
        staged = self._staged.take()
        frames = _frames(staged.get("frames"), staged["reward"].values.shape)
        rewards = {"reward": staged["reward"]} | {TERM_PREFIX + n: staged[TERM_PREFIX + n] for n in terms}
        summed = {"frames": frames.astype(np.float64)} | {name: _filled(c) for name, c in rewards.items()}
        events, self._events = self._events, []
        numbered = self._episodes.number(steps, events, summed)
        self._finished += numbered.ended
        if self._folder is None:
            return
        columns = {
            "episode": StagedColumn(numbered.episode, None),
            "step": StagedColumn(numbered.step, None),
            "action": staged["action"],
            "frames": StagedColumn(frames, None),
            **{name: StagedColumn(summed[name], column.mask) for name, column in rewards.items()},
            **{name: staged[name] for name in infos},
        }
        kept = np.flatnonzero(numbered.episode >= 0)
        self._folder.steps.append(len(kept), {name: _rows(column, kept) for name, column in columns.items()})
        for row in numbered.ended:
            self._folder.episodes.append_row(row)


def _frames(told: StagedColumn | None, shape: tuple[int, ...]) -> NDArray[np.int64]:
    """Return how many frames each step took; 1 where infos do not say."""
    if told is None:
        return np.ones(shape, np.int64)
    frames = told.values.astype(np.int64)
    return frames if told.mask is None else np.where(told.mask, frames, 1)


def _filled(column: StagedColumn) -> NDArray[np.float64]:
    values = column.values.astype(np.float64)
    return values if column.mask is None else np.where(column.mask, values, 0.0)


def _rows(column: StagedColumn, kept: NDArray[np.intp]) -> Column:
    """Return a copy of some rows of ``[steps, lanes, …]``, as the next steps take the same room."""
    values = column.values.reshape(-1, *column.values.shape[2:])[kept]
    return values, None if column.mask is None else column.mask.reshape(-1)[kept]


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
