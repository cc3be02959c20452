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
from mario_eval.recorders.parts import Column
from mario_eval.schema import END_PREFIX, EPISODE_COLUMNS, STEP_COLUMNS, STEP_INFOS, TERM_PREFIX


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
        self._step_infos = [(name, f"_{name}") for name in step_infos if name not in STEP_COLUMNS]
        self._active = np.zeros(lanes, bool)
        self._episode = np.full(lanes, -1, np.int64)
        self._seed: list[int | None] = [None] * lanes
        self._steps = np.zeros(lanes, np.int32)
        self._frames = np.zeros(lanes, np.int64)
        self._return = np.zeros(lanes)
        self._terms: dict[str, _Term] = {}
        self._began = np.zeros(lanes)
        self._one_frame = np.ones(lanes, np.int64)

    def begin(self, lanes: NDArray[np.intp], episodes: Sequence[int], seeds: Sequence[int | None]) -> None:
        """Start recording a new episode in each of the given lanes."""
        self._active[lanes] = True
        self._episode[lanes] = episodes
        for lane, seed in zip(lanes, seeds, strict=True):
            self._seed[int(lane)] = seed
        self._steps[lanes], self._frames[lanes], self._return[lanes] = 0, 0, 0.0
        for term in self._terms.values():
            term.sums[lanes] = 0.0
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
                ``_name``.

        Returns:
            One row for each episode that this step ended, as ``episodes/`` has it.
        """
        frames = self._frames_of(infos)
        terms = self._terms_of(infos)
        if self._staged is not None:
            self._record(actions, rewards, frames, terms, infos)
        # Lanes that are not recorded are added up, too: `begin` zeroes them before they are read.
        self._steps += 1
        self._frames += frames
        self._return += rewards
        for term, values, mask in terms:
            np.add(term.sums, values, out=term.sums, where=True if mask is None else mask)

        finished = ((terminated | truncated) & self._active).nonzero()[0]
        rows = [self._episode_row(int(lane), terminated, truncated, infos) for lane in finished]
        if self._folder is not None:
            for row in rows:
                self._folder.episodes.append_row(row)
            self._folder.flush_if_due()
        if rows:
            self._active[finished] = False
        return rows

    def _record(
        self,
        actions: Any,
        rewards: NDArray[np.float64],
        frames: NDArray[np.int64],
        terms: Sequence[tuple[_Term, NDArray[Any], NDArray[np.bool_] | None]],
        infos: Mapping[str, Any],
    ) -> None:
        assert self._staged is not None
        columns: dict[str, Column] = {
            "episode": (self._episode, None),
            "step": (self._steps, None),
            "action": (action_rows(self._action_space, self._batched, actions), None),
            "reward": (np.asarray(rewards), None),
            "frames": (frames, None),
        }
        for term, values, mask in terms:
            columns[term.column] = values, mask
        for name, mask_name in self._step_infos:
            found = infos.get(name)
            if isinstance(found, np.ndarray):
                columns[name] = found, infos.get(mask_name)
        self._staged.append(self._active, columns)

    def _terms_of(
        self, infos: Mapping[str, Any]
    ) -> list[tuple[_Term, NDArray[Any], NDArray[np.bool_] | None]]:
        """Return each reward term with its values ``[lanes]`` and their mask."""
        found = infos.get("reward_terms")
        if not isinstance(found, Mapping):
            return []
        terms = []
        for name, values in found.items():
            if name[0] != "_" and isinstance(values, np.ndarray):
                term = self._terms.get(name)
                if term is None:
                    term = self._terms[name] = _Term(name, len(self._active))
                terms.append((term, values, found.get(term.mask)))
        return terms

    def _frames_of(self, infos: Mapping[str, Any]) -> NDArray[np.int64]:
        found = _info(infos, "frames")
        if found is None:
            return self._one_frame
        values, mask = found
        if mask is None:
            return values.astype(np.int64, copy=False)
        return np.where(mask, values, self._one_frame)  # always int64: of integers, the wider type wins

    def _episode_row(
        self, lane: int, terminated: NDArray[np.bool_], truncated: NDArray[np.bool_], infos: Mapping[str, Any]
    ) -> dict[str, Any]:
        row: dict[str, Any] = {
            "episode": int(self._episode[lane]),
            "seed": self._seed[lane],
            "lane": lane,
            "return": float(self._return[lane]),
            "steps": int(self._steps[lane]),
            "frames": int(self._frames[lane]),
            "seconds": time.perf_counter() - self._began[lane],
            "terminated": bool(terminated[lane]),
            "truncated": bool(truncated[lane]),
        }
        row |= {term.column: float(term.sums[lane]) for term in self._terms.values()}
        row |= {name: _scalar(infos, name, lane) for name in self._episode_infos}
        ends = {END_PREFIX + name: _scalar(infos, name, lane) for name, _ in self._step_infos}
        return row | {name: value for name, value in ends.items() if value is not None}


class _Term:
    """One reward term: what it is called where, and its sum over the episode so far, ``[lanes]``."""

    def __init__(self, name: str, lanes: int) -> None:
        self.column, self.mask = TERM_PREFIX + name, f"_{name}"
        self.sums = np.zeros(lanes)


def _info(infos: Mapping[str, Any], name: str) -> Column | None:
    values = infos.get(name)
    if not isinstance(values, np.ndarray):
        return None
    mask = infos.get(f"_{name}")
    return values, mask


def _scalar(infos: Mapping[str, Any], name: str, lane: int) -> Any:
    found = _info(infos, name)
    if found is None or found[0].ndim != 1 or (found[1] is not None and not found[1][lane]):
        return None
    value = found[0][lane]
    return value.item() if isinstance(value, np.generic) else value
