"""Decisions that somebody took: what was seen, and what was done; and the file that keeps them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_agents.errors import AgentsError
from mario_agents.storage.segment import Leaves, Segment, to_leaves

#: Of a file's arrays: ``actions``, and ``observations`` or ``observations/KEY`` for each key of a Dict space.
_ACTIONS, _OBSERVATIONS = "actions", "observations"
#: Of one that has whole transitions, besides: what came of each decision.
_NEXT, _REWARDS, _TERMINATED, _TRUNCATED, _FRAMES = (
    "next_observations",
    "rewards",
    "terminated",
    "truncated",
    "frames",
)
_LIMITS = np.finfo(np.float32)


@dataclass(frozen=True)
class Demonstrations:
    """N decisions, in no order.

    Attributes:
        observations: what was seen before each, ``[N, …]`` by key; "" where it is no Dict.
        actions: what was done, ``[N, …]``, as the environment takes it.
    """

    observations: Leaves
    actions: NDArray[Any]

    def __len__(self) -> int:
        return len(self.actions)

    @classmethod
    def joined(cls, parts: Sequence[Demonstrations]) -> Demonstrations:
        """Return all of them as one."""
        return cls(
            {
                key: np.concatenate([part.observations[key] for part in parts])
                for key in parts[0].observations
            },
            np.concatenate([part.actions for part in parts]),
        )


def is_movie(path: Path) -> bool:
    """Tell a demonstration that is a movie from one that was recorded, by the file's name.

    Raises:
        AgentsError: it is neither.

    >>> is_movie(Path("1-1.movie")), is_movie(Path("pole.npz"))
    (True, False)
    """
    if path.suffix not in (".movie", ".npz"):
        raise AgentsError(f"{path} is no demonstration: those are .movie and .npz")
    return path.suffix == ".movie"


def read_recorded(
    path: Path, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> Demonstrations:
    """Read recorded decisions from an ``.npz``, as ``np.savez(path, observations=…, actions=…)`` writes it.

    Of a Dict space, each key has an array of its own, ``observations/KEY``. Nothing in it is unpickled.

    Args:
        path: the file.
        observation_space: of one lane.
        action_space: of one lane.

    Raises:
        AgentsError: it cannot be read, lacks an array, or holds what these spaces do not.
    """
    wanted = _by_key(_OBSERVATIONS, observation_space)
    arrays = read_columns(path, {**wanted, _ACTIONS: action_space})
    return Demonstrations(_leaves(arrays, _OBSERVATIONS, observation_space), arrays[_ACTIONS])


def read_episodes(
    path: Path, observation_space: spaces.Space[Any], action_space: spaces.Space[Any]
) -> Segment:
    """Read recorded transitions, in order of time, from an ``.npz``.

    To what :func:`read_recorded` reads it adds ``next_observations`` of the same form, ``rewards`` and
    ``terminated``; and, where they are not all False and all 1, ``truncated`` and ``frames``. Where
    neither ended an episode, the next row goes on with it.

    Args:
        path: the file.
        observation_space: of one lane.
        action_space: of one lane.

    Returns:
        All of it, with actions as the environment takes them.

    Raises:
        AgentsError: it cannot be read, lacks an array, holds what these spaces do not, or has a row that the
            next one does not go on from.
    """
    arrays = _read_arrays(path)
    before, after = _by_key(_OBSERVATIONS, observation_space), _by_key(_NEXT, observation_space)
    count = len(arrays[_ACTIONS]) if _ACTIONS in arrays and arrays[_ACTIONS].ndim else 0
    columns = {**{_TRUNCATED: np.zeros(count, bool), _FRAMES: np.ones(count, np.int32)}, **arrays}
    of_columns = {
        _REWARDS: spaces.Box(_LIMITS.min, _LIMITS.max, (), np.float32),
        _TERMINATED: spaces.Discrete(2),
        _TRUNCATED: spaces.Discrete(2),
        _FRAMES: spaces.Box(1, 2**31 - 1, (), np.int64),
    }
    _check_all(path, columns, {**before, _ACTIONS: action_space, **after, **of_columns})
    seen = _leaves(columns, _OBSERVATIONS, observation_space)
    then = _leaves(columns, _NEXT, observation_space)
    terminated, truncated = columns[_TERMINATED].astype(bool), columns[_TRUNCATED].astype(bool)
    ended = terminated | truncated
    for key in seen:
        goes_on = (seen[key][1:] == then[key][:-1]).reshape(count - 1, -1).all(axis=1) | ended[:-1]
        if not goes_on.all():
            raise AgentsError(
                f"{path}: row {int(goes_on.argmin()) + 1} does not go on where the row before it ends; set "
                "truncated there if an episode was left off"
            )
    return Segment.from_steps(
        lane=0,
        policy_version=0,
        observations={key: np.concatenate([seen[key], then[key][-1:]]) for key in seen},
        finals={row: {key: then[key][row] for key in then} for row in np.flatnonzero(ended).tolist()},
        actions=columns[_ACTIONS],
        rewards=columns[_REWARDS],
        terminated=terminated,
        truncated=truncated,
        frames=columns[_FRAMES],
    )


def observation_columns(space: spaces.Space[Any]) -> dict[str, spaces.Space[Any]]:
    """Return what a file calls observations of a space, and each one's own space.

    >>> sorted(observation_columns(spaces.Dict({"x": spaces.Discrete(2)})))
    ['observations/x']
    """
    return _by_key(_OBSERVATIONS, space)


def read_columns(path: Path, wanted: Mapping[str, spaces.Space[Any]]) -> dict[str, NDArray[Any]]:
    """Read arrays of equally many rows from an ``.npz``; nothing in it is unpickled.

    Args:
        path: the file.
        wanted: name → the space that each row of the array is of; others are left where they are.

    Raises:
        AgentsError: it cannot be read, lacks an array, or holds what these spaces do not.
    """
    arrays = _read_arrays(path)
    _check_all(path, arrays, wanted)
    return {name: arrays[name] for name in wanted}


def _read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        # Not np.load: it takes what is no archive for an array, or for a pickle.
        with path.open("rb") as file, np.lib.npyio.NpzFile(file, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise AgentsError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, BadZipFile, EOFError) as error:
        raise AgentsError(f"{path} is no .npz of plain arrays, as np.savez writes it") from error


def _by_key(name: str, space: spaces.Space[Any]) -> dict[str, spaces.Space[Any]]:
    """Return the arrays that observations are in, each with its space."""
    if not isinstance(space, spaces.Dict):
        return {name: space}
    return {f"{name}/{key}": part for key, part in space.spaces.items()}


def _leaves(arrays: Mapping[str, NDArray[Any]], name: str, space: spaces.Space[Any]) -> Leaves:
    """Return observations by key, "" where the space is no Dict, in the space's own numbers."""
    return {
        array.removeprefix(name).removeprefix("/"): arrays[array].astype(part.dtype, copy=False)
        for array, part in _by_key(name, space).items()
    }


def _check_all(
    path: Path, arrays: Mapping[str, NDArray[Any]], wanted: Mapping[str, spaces.Space[Any]]
) -> None:
    """Refuse a file without these arrays, or whose rows are not of their spaces."""
    missing = [name for name in wanted if name not in arrays]
    if missing:
        raise AgentsError(f"{path} has no array {missing[0]!r}; it has {', '.join(arrays) or 'none'}")
    last = arrays[list(wanted)[-1]]
    number = len(last) if last.ndim else 0
    if not number:
        raise AgentsError(f"{path} has no decisions")
    for name, space in wanted.items():
        _check(arrays[name], name, space, number, path)


def _check(array: NDArray[Any], name: str, space: spaces.Space[Any], number: int, path: Path) -> None:
    """Refuse rows that are not of the space."""
    shape = (number, *(space.shape or ()))
    if array.shape != shape or array.dtype.kind not in "biuf":
        raise AgentsError(
            f"{path}: {name} are {array.dtype} of shape {array.shape}, not numbers of shape {shape}"
        )
    low, high = _bounds(space)
    outside = ~((array >= low) & (array <= high)).reshape(number, -1).all(axis=1)  # and so is what is NaN
    if outside.any():
        raise AgentsError(f"{path}: row {int(outside.argmax())} of {name} is outside {space}")


def _bounds(space: spaces.Space[Any]) -> tuple[Any, Any]:
    """Return the least and greatest numbers of a space."""
    if isinstance(space, spaces.Discrete):
        return space.start, space.start + space.n - 1
    if isinstance(space, spaces.MultiDiscrete):
        return space.start, space.start + space.nvec - 1
    if isinstance(space, spaces.MultiBinary):
        return 0, 1
    assert isinstance(space, spaces.Box)
    return space.low, space.high


def as_rows(observations: Iterable[Any]) -> Leaves:
    """Return observations as a batch, by key, in memory of its own.

    >>> as_rows([np.zeros(3), np.ones(3)])[""].shape
    (2, 3)
    """
    leaves = [to_leaves(observation) for observation in observations]
    return {key: np.stack([one[key] for one in leaves]) for key in leaves[0]}
