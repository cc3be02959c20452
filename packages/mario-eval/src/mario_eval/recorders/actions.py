"""Actions as a column of a table, and back into what an environment takes."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import iterate
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
