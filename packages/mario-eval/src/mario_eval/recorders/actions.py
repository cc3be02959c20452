"""Actions as a column of a table, and back into what an environment takes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import concatenate, create_empty_array, iterate
from numpy.typing import NDArray


def action_rows(space: spaces.Space[Any], batched: spaces.Space[Any], actions: Any) -> NDArray[Any]:
    """Turn a batch of actions into an array with one row per lane.

    Args:
        space: the action space of one lane.
        batched: the batch of it.
        actions: a batch of actions.

    Returns:
        ``[lanes]`` ints for a discrete space; ``[lanes, n]`` numbers for boxes and the multi-spaces,
        flattened; ``[lanes]`` JSON strings for any other.
    """
    match space:
        case spaces.Discrete():
            return np.asarray(actions)
        case spaces.Box() | spaces.MultiDiscrete() | spaces.MultiBinary():
            array = np.asarray(actions)
            return array.reshape(len(array), -1)
        case _:
            rows = [json.dumps(space.to_jsonable([action])) for action in iterate(batched, actions)]
            return np.array(rows, dtype=object)


def single_row(space: spaces.Space[Any], action: Any) -> Any:
    """Turn one action into a batch of one, as :func:`action_rows` takes it."""
    if isinstance(space, spaces.Discrete | spaces.Box | spaces.MultiDiscrete | spaces.MultiBinary):
        return np.asarray(action)[None]
    empty: Any = create_empty_array(space, n=1, fn=np.zeros)
    return concatenate(space, [action], empty)


def recorded_action(space: spaces.Space[Any], value: Any) -> Any:
    """Turn one recorded value back into the action that ran.

    >>> recorded_action(spaces.Box(-1, 1, (2,)), [0.5, 1.0])
    array([0.5, 1. ], dtype=float32)
    """
    match space:
        case spaces.Discrete():
            return int(value)
        case spaces.Box() | spaces.MultiDiscrete() | spaces.MultiBinary():
            return np.asarray(value, dtype=space.dtype).reshape(space.shape)
        case _:
            return space.from_jsonable(json.loads(value))[0]
