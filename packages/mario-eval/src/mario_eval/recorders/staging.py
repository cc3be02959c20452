"""Where steps of a batch wait before they become rows: a step costs one copy of its bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mario_eval.recorders.joined import joined
from mario_eval.schema import TERM_PREFIX

#: Rows that wait here; enough that what is done with all of them at once costs little, few enough for a
#: processor's cache.
_ROWS = 4_096

#: Types whose arrays Python can join as bytes; others, such as texts, are copied one by one.
_PLAIN = "biufc"


class StagedColumn(NamedTuple):
    """One column of some steps.

    Attributes:
        values: ``[steps, lanes]`` or ``[steps, lanes, n]``; valid until the next step is staged.
        mask: bool ``[steps, lanes]``: where there is a value; None if everywhere.
    """

    values: NDArray[Any]
    mask: NDArray[np.bool_] | None


class StagedSteps:
    """Room for steps of a batch that are alike: what they tell has the same names, types and shapes.

    The arrays of a step are joined as bytes: a call of NumPy for each of twenty would cost more than the copy
    of the 32 numbers in it. Joined steps behind each other are a structured array.

    Args:
        actions: one step's, ``[lanes]`` or ``[lanes, n]``.
        rewards: one step's, ``[lanes]``.
        infos: one step's: arrays ``[lanes]`` or ``[lanes, n]``, each with a mask ``_name`` or none, and
            perhaps ``reward_terms``, a mapping of such.
        wanted: infos to stage where they are there, beside ``frames`` and the reward terms.

    Attributes:
        steps: how many are staged.
        terms: names of the reward terms.
        infos: names of the wanted infos that are there.
    """

    def __init__(
        self, actions: NDArray[Any], rewards: NDArray[Any], infos: Mapping[str, Any], wanted: Sequence[str]
    ) -> None:
        lanes = len(rewards)
        terms = _terms_in(infos)
        self._names, self._term_names = tuple(infos), tuple(terms)
        self.terms = tuple(name for name, values in terms.items() if _is_term(name, values, lanes))
        self.infos = tuple(name for name in wanted if _has_lanes(infos.get(name), lanes))
        read = (*(("frames",) if _has_lanes(infos.get("frames"), lanes) else ()), *self.infos)
        columns = ("action", "reward", *(TERM_PREFIX + name for name in self.terms), *read)
        self._get_terms, self._get_infos = _getter(self.terms), _getter(read)
        masked_terms = tuple(f"_{name}" for name in self.terms if f"_{name}" in terms)
        masked_infos = tuple(f"_{name}" for name in read if f"_{name}" in infos)
        self._get_term_masks, self._get_info_masks = _getter(masked_terms), _getter(masked_infos)
        self._masked = [*(TERM_PREFIX + name[1:] for name in masked_terms), *(n[1:] for n in masked_infos)]
        self._all_true = bytes(np.ones(lanes * len(self._masked), bool))

        values = (actions, rewards, *self._get_terms(terms), *self._get_infos(infos))
        self._types = [array.dtype for array in values]
        self._copies: dict[int, list[NDArray[Any]]] = {
            index: [] for index, kind in enumerate(self._types) if kind.kind not in _PLAIN
        }
        # Any other array can only have grown, and then the step has more bytes, as none of these has fewer.
        self._shapes = [(i, a.shape) for i, a in enumerate(values) if a.ndim > 1 or i in self._copies]
        self._columns = dict(zip(columns, range(len(values)), strict=True))
        self._plain = [index for index in range(len(values)) if index not in self._copies]
        step = np.dtype([(str(index), values[index].dtype, values[index].shape) for index in self._plain])
        self._lanes, self._room, self._size = lanes, max(1, _ROWS // lanes), step.itemsize
        self._bytes = bytearray(self._room * self._size)
        self._joined = np.frombuffer(self._bytes, step)
        self._masks: dict[int, bytes] = {}
        self.steps = 0

    def append(self, actions: NDArray[Any], rewards: NDArray[Any], infos: Mapping[str, Any]) -> bool:
        """Copy one step; False, and nothing is copied, if there is no room or if it is not like the others.

        This runs at every step on what the step before left in no cache: what counts is how few things it
        touches.
        """
        terms = _terms_in(infos)
        if self.steps == self._room or tuple(infos) != self._names or tuple(terms) != self._term_names:
            return False
        values = (actions, rewards, *self._get_terms(terms), *self._get_infos(infos))
        try:
            if [*map(_type_of, values)] != self._types:
                return False
        except AttributeError:  # no array any more
            return False
        for index, shape in self._shapes:
            if values[index].shape != shape:
                return False
        run = joined([values[index] for index in self._plain] if self._copies else values)
        masks = joined((*self._get_term_masks(terms), *self._get_info_masks(infos)))
        if len(run) != self._size or len(masks) != len(self._all_true):
            return False
        start = self.steps * self._size
        self._bytes[start : start + self._size] = run
        for index, copies in self._copies.items():
            copies.append(values[index].copy())
        # Comparing bytes is one call, and `all` one for each mask.
        if masks != self._all_true:
            self._masks[self.steps] = masks
        self.steps += 1
        return True

    def take(self) -> dict[str, StagedColumn]:
        """Return the columns of what is staged; the next step is the first again."""
        masks = self._masks_of(self.steps)
        columns = {}
        for name, index in self._columns.items():
            if index in self._copies:
                copies, self._copies[index] = self._copies[index], []
                values = np.concatenate(copies).reshape(self.steps, *copies[0].shape)
            else:
                values = self._joined[str(index)][: self.steps]
            columns[name] = StagedColumn(values, masks.get(name))
        self._masks = {}
        self.steps = 0
        return columns

    def _masks_of(self, steps: int) -> dict[str, NDArray[np.bool_]]:
        if not self._masks:
            return {}
        there = np.ones((steps, len(self._masked), self._lanes), bool)
        for step, run in self._masks.items():
            there[step] = np.frombuffer(run, bool).reshape(there.shape[1:])
        return {name: there[:, index] for index, name in enumerate(self._masked)}


_type_of = attrgetter("dtype")

Getter = Callable[[Mapping[str, Any]], tuple[NDArray[Any], ...]]


def _getter(keys: tuple[str, ...]) -> Getter:
    """Return what gets these of a mapping as a tuple, as itemgetter does from two keys on."""
    return itemgetter(*keys) if len(keys) > 1 else lambda found: tuple(found[key] for key in keys)


def _terms_in(infos: Mapping[str, Any]) -> Mapping[str, Any]:
    terms = infos.get("reward_terms")
    return terms if type(terms) is dict or isinstance(terms, Mapping) else {}


def _is_term(name: str, values: Any, lanes: int) -> bool:
    return name[0] != "_" and _has_lanes(values, lanes) and values.ndim == 1 and values.dtype.kind in "biuf"


def _has_lanes(values: Any, lanes: int) -> bool:
    return isinstance(values, np.ndarray) and values.shape[:1] == (lanes,)
