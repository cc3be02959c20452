"""Where a step's values come from in the infos of a batch: looked up once, and not at every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mario_eval.recorders.joined import joined


class Found(NamedTuple):
    """What one step's infos hold.

    Attributes:
        frames: how many frames each lane's step took, int64 ``[lanes]``; 1 where infos do not say.
        terms: the reward terms, numbers ``[lanes]`` each.
        infos: the recorded infos, ``[lanes]`` or ``[lanes, n]`` each.
        masks: for each of the terms and then each of the infos, bool ``[lanes]``: which lanes have a value;
            None if all of them have all values.
    """

    frames: NDArray[np.int64]
    terms: Sequence[NDArray[Any]]
    infos: Sequence[NDArray[Any]]
    masks: Sequence[NDArray[np.bool_]] | None


class Sources:
    """The reward terms and the wanted infos that a batch's infos have, as long as the same names come.

    Args:
        infos: infos of one step: arrays ``[lanes]`` or ``[lanes, n]``, each with a mask ``_name`` or none,
            and perhaps ``reward_terms``, a mapping of such.
        wanted: infos to look for.
        lanes: number of lanes.

    Attributes:
        terms: names of the reward terms.
        infos: names of the wanted infos that are there.
    """

    def __init__(self, infos: Mapping[str, Any], wanted: Sequence[str], lanes: int) -> None:
        terms = _terms_in(infos)
        self._names, self._term_names = tuple(infos), tuple(terms)
        self.terms = tuple(
            name
            for name, values in terms.items()
            if name[0] != "_"
            and _has_lanes(values, lanes)
            and values.ndim == 1
            and values.dtype.kind in "biuf"
        )
        self.infos = tuple(name for name in wanted if _has_lanes(infos.get(name), lanes))
        self._one_frame = np.ones(lanes, np.int64)
        self._everywhere = np.ones(lanes, bool)
        # Frames come first if they are told; after the arrays their masks.
        frames = ("frames",) if _has_lanes(infos.get("frames"), lanes) else ()
        self._tells_frames = len(frames)
        self._get_terms, self._masked_terms = _reader(terms, self.terms)
        self._get_infos, self._masked_infos = _reader(infos, (*frames, *self.infos))
        masks = sum(self._masked_terms) + sum(self._masked_infos)
        self._all_true = self._everywhere.tobytes() * masks
        self._types = {*map(type, self._get_terms(terms)), *map(type, self._get_infos(infos))}

    def read(self, infos: Mapping[str, Any]) -> Found | None:
        """Read one step's infos; None if other names came, so that the sources must be looked for anew.

        This runs at every step on what the step before left in no cache: what counts is how few things it
        touches.
        """
        terms = _terms_in(infos)
        if tuple(infos) != self._names or tuple(terms) != self._term_names:
            return None
        of_terms, of_infos = self._get_terms(terms), self._get_infos(infos)
        if {*map(type, of_terms), *map(type, of_infos)} != self._types:
            return None
        terms_end, infos_begin = len(self.terms), self._tells_frames
        infos_end = infos_begin + len(self.infos)
        term_masks, info_masks = of_terms[terms_end:], of_infos[infos_end:]
        frames, masks = of_infos[0] if infos_begin else self._one_frame, None
        if not self._full((*term_masks, *info_masks)):
            masks = self._spread(term_masks, self._masked_terms) + self._spread(
                info_masks, self._masked_infos
            )
            if infos_begin:
                frames = np.where(masks.pop(terms_end), frames, self._one_frame)
        return Found(
            frames.astype(np.int64, copy=False), of_terms[:terms_end], of_infos[infos_begin:infos_end], masks
        )

    def _full(self, masks: Sequence[NDArray[Any]]) -> bool:
        # Joining and comparing bytes is one call, and `all` one for each mask.
        return joined(masks) == self._all_true

    def _spread(self, found: Sequence[NDArray[Any]], masked: Sequence[bool]) -> list[NDArray[np.bool_]]:
        """Return a mask for each array: its own, the next of those found, or one that is full."""
        own = iter(found)
        return [np.asarray(next(own), bool) if has else self._everywhere for has in masked]


Reader = Callable[[Mapping[str, Any]], tuple[NDArray[Any], ...]]


def _reader(mapping: Mapping[str, Any], names: Sequence[str]) -> tuple[Reader, Sequence[bool]]:
    """Return what reads the named arrays of such a mapping and then their masks; and which have a mask."""
    masked = [isinstance(mapping.get(f"_{name}"), np.ndarray) for name in names]
    keys = [*names, *(f"_{name}" for name, has in zip(names, masked, strict=True) if has)]
    if len(keys) > 1:
        return itemgetter(*keys), masked
    return lambda found: tuple(found[key] for key in keys), masked


def _terms_in(infos: Mapping[str, Any]) -> Mapping[str, Any]:
    terms = infos.get("reward_terms")
    return terms if type(terms) is dict or isinstance(terms, Mapping) else {}


def _has_lanes(values: Any, lanes: int) -> bool:
    return isinstance(values, np.ndarray) and values.shape[:1] == (lanes,)
