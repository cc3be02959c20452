"""Where a step's values come from in the infos of a batch: looked up once, and not at every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Found(NamedTuple):
    """What one step's infos hold.

    Attributes:
        terms: the reward terms, numbers ``[lanes]`` each.
        infos: the recorded infos, ``[lanes]`` or ``[lanes, n]`` each.
        masks: for each of the terms and then each of the infos, bool ``[lanes]``: which lanes have a value;
            None if all of them have all values.
    """

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
        self._everywhere = np.ones(lanes, bool)
        self._all_true = self._everywhere.tobytes()
        self._of_terms = _Arrays(terms, self.terms)
        self._of_infos = _Arrays(infos, self.infos)
        self._types = {*map(type, self._of_terms.get(terms)), *map(type, self._of_infos.get(infos))}

    def read(self, infos: Mapping[str, Any]) -> Found | None:
        """Read one step's infos; None if other names came, so that the sources must be looked for anew."""
        terms = _terms_in(infos)
        if tuple(infos) != self._names or tuple(terms) != self._term_names:
            return None
        term_arrays, info_arrays = self._of_terms.get(terms), self._of_infos.get(infos)
        if {*map(type, term_arrays), *map(type, info_arrays)} != self._types:
            return None
        terms_end, infos_end = len(self.terms), len(self.infos)
        term_masks, info_masks = term_arrays[terms_end:], info_arrays[infos_end:]
        masks = None
        if not self._full((*term_masks, *info_masks)):
            masks = [
                *self._of_terms.masks(term_masks, self._everywhere),
                *self._of_infos.masks(info_masks, self._everywhere),
            ]
        return Found(term_arrays[:terms_end], info_arrays[:infos_end], masks)

    def _full(self, masks: Sequence[NDArray[Any]]) -> bool:
        seen = None
        for mask in masks:
            # One mask often stands for all names. Comparing bytes is several times faster than `all`.
            if mask is not seen:
                if mask.tobytes() != self._all_true:
                    return False
                seen = mask
        return True


class _Arrays:
    """Some arrays of a mapping and their masks, read together.

    Args:
        mapping: where they are.
        names: their names.
    """

    def __init__(self, mapping: Mapping[str, Any], names: Sequence[str]) -> None:
        masked = [name for name in names if isinstance(mapping.get(f"_{name}"), np.ndarray)]
        keys = [*names, *(f"_{name}" for name in masked)]
        self._names, self._masked = names, masked
        #: Returns the arrays and then the masks of such a mapping.
        self.get: Callable[[Mapping[str, Any]], tuple[NDArray[Any], ...]] = (
            itemgetter(*keys) if len(keys) > 1 else lambda found: tuple(found[key] for key in keys)
        )

    def masks(self, found: Sequence[NDArray[Any]], everywhere: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Return a mask for each array: its own of those found, or the one given for arrays without."""
        own = dict(zip(self._masked, found, strict=True))
        return [np.asarray(own.get(name, everywhere), bool) for name in self._names]


def _terms_in(infos: Mapping[str, Any]) -> Mapping[str, Any]:
    terms = infos.get("reward_terms")
    return terms if type(terms) is dict or isinstance(terms, Mapping) else {}


def _has_lanes(values: Any, lanes: int) -> bool:
    return isinstance(values, np.ndarray) and values.shape[:1] == (lanes,)
