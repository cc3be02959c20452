"""What plugins answer during a step, checked: a stranger's mistake is reported under the stranger's name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_envs.actions.base import Action, ActionError, plan_fault
from mario_envs.buttons import ButtonPlan
from mario_envs.game.state import GameState
from mario_envs.observations.base import Observation, View
from mario_envs.plugins.errors import PluginError
from mario_envs.rewards.base import Reward


def plan(name: str, action: Action, actions: NDArray[Any], remaining: NDArray[np.int32]) -> ButtonPlan:
    """Return an action plugin's plan.

    Args:
        name: the plugin's, with its distribution.
        action: the plugin.
        actions: as in :meth:`mario_envs.actions.base.Action.plan`.
        remaining: likewise.

    Raises:
        ActionError: the plugin refuses an action.
        PluginError: it fails, or plans what a controller cannot do.
    """
    try:
        planned = action.plan(actions, remaining)
        fault = plan_fault(planned, len(actions))
    except ActionError:
        raise
    except Exception as error:  # whatever a stranger's action raises
        raise _failed(name, error) from error
    if fault:
        raise PluginError(f"{name}: {fault}")
    return planned


def rewards(
    name: str, reward: Reward, before: GameState, after: GameState
) -> tuple[NDArray[np.float64], dict[str, NDArray[np.float64]]]:
    """Return a reward plugin's rewards, ``[lanes]``, and the terms that they are the sums of.

    Raises:
        PluginError: it fails, or a term is not a finite number for each lane.
    """
    try:
        terms = reward(before, after)
        named = {str(term): values for term, values in terms.items()}
        shapes = [np.shape(values) for values in named.values()]
        # Adding 0.0 turns -0.0 into 0.0.
        table = np.array(list(named.values()), np.float64) + 0.0 if len(set(shapes)) == 1 else None
    except Exception as error:  # whatever a stranger's reward raises
        raise _failed(name, error) from error
    if not named:
        raise PluginError(f"{name} returned no term")
    for term, shape in zip(named, shapes, strict=True):
        if shape != after.x.shape:
            raise PluginError(f"{name}: term {term!r} has shape {shape}, not {after.x.shape}, one per lane")
    assert table is not None, "all shapes are the same"
    if not np.isfinite(table).all():
        term = list(named)[int(np.argmin(np.isfinite(table).all(axis=1)))]
        raise PluginError(f"{name}: term {term!r} is not finite")
    return table.sum(axis=0), dict(zip(named, table, strict=True))


def observations(name: str, observation: Observation, view: View) -> Any:
    """Return an observation plugin's observations: an array, or a dict of arrays, lanes first.

    Raises:
        PluginError: it fails, or its arrays are not of its space.
    """
    try:
        observed = observation.observe(view)
    except Exception as error:  # whatever a stranger's observation raises
        raise _failed(name, error) from error
    _check_observations(name, observation.space, observed, len(view.ram))
    return observed


def _check_observations(name: str, space: spaces.Space[Any], observed: Any, lanes: int) -> None:
    if isinstance(space, spaces.Dict):
        if not isinstance(observed, Mapping) or observed.keys() != space.spaces.keys():
            raise PluginError(f"{name} must return a dict with {sorted(space.spaces)}")
        for key, part in space.spaces.items():
            _check_observations(name, part, observed[key], lanes)
        return
    expected = (lanes, *(space.shape or ()))
    shape, dtype = getattr(observed, "shape", None), getattr(observed, "dtype", None)
    if shape != expected or dtype != space.dtype:
        raise PluginError(
            f"{name} returned shape {shape} of {dtype}; its space needs {expected} of {space.dtype}"
        )
    if observed.dtype.kind == "f" and not np.isfinite(observed).all():
        raise PluginError(f"{name} returned a value that is not finite")


def _failed(name: str, error: Exception) -> PluginError:
    return PluginError(f"{name} failed: {type(error).__name__}: {error}")
