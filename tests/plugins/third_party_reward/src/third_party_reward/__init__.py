"""A reward, an action and an observation for mario-envs, as a stranger would write them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from mario_envs import hookimpl
from mario_envs.buttons import RIGHT, A, ButtonPlan
from mario_envs.game.state import GameState
from mario_envs.observations.base import Observation, View
from numpy.typing import NDArray


@dataclass(frozen=True)
class Coins:
    """So much for each coin, and a little for going on."""

    each: float = 10.0

    def __call__(self, before: GameState, after: GameState) -> dict[str, NDArray[np.float64]]:
        return {"coins": self.each * (after.coins - before.coins), "progress": 0.01 * (after.x - before.x)}


class Jumps:
    """Run to the right, and jump for one of four times."""

    space = spaces.Discrete(4)

    def plan(self, actions: NDArray[Any], remaining: NDArray[np.int32]) -> ButtonPlan:
        holds = np.zeros_like(remaining)
        holds[:, RIGHT] = 32
        holds[:, A] = 8 * actions
        return ButtonPlan(holds, np.full(len(actions), 32, np.int32), np.zeros_like(remaining))


class Whereabouts(Observation):
    """Where Mario is, now and one step ago."""

    memory_shape = (2,)
    memory_dtype = np.float32
    space = spaces.Box(-1.0, 64.0, (4,), np.float32)

    def observe(self, view: View) -> NDArray[np.float32]:
        now = np.column_stack((view.state.x / 256, view.state.y / 256)).astype(np.float32)
        before = np.where(view.first[:, None], now, view.memory)
        view.memory[:] = now
        return np.column_stack((before, now)).clip(-1, 64)


@hookimpl
def mario_envs_register_rewards() -> Mapping[str, Callable[..., Any]]:
    return {"coins": Coins}


@hookimpl
def mario_envs_register_actions() -> Mapping[str, Callable[..., Any]]:
    return {"jumps": Jumps}


@hookimpl
def mario_envs_register_observations() -> Mapping[str, Callable[..., Any]]:
    return {"whereabouts": Whereabouts}
