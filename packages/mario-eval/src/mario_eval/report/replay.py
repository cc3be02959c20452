"""Plays a recorded episode again, from its seed and its actions, to see what the policy did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from mario_eval.errors import EvaluationError
from mario_eval.recorders.actions import recorded_action
from mario_eval.recordings import Recording


@dataclass(frozen=True)
class Moment:
    """One step of a replay.

    Attributes:
        pictures: RGB uint8 ``[height, width, 3]`` each: every picture since the step before, oldest first;
            the first moment has that of the reset too.
        reward: of this step.
        info: of this step.
        total: sum of rewards so far.
        last: whether the episode ended with this step.
    """

    pictures: list[NDArray[np.uint8]]
    reward: float
    info: dict[str, Any]
    total: float
    last: bool


def recorded_actions(recording: Recording, episode: int, steps: int) -> list[Any]:
    """Return the recorded values of an episode's actions, in order.

    Raises:
        EvaluationError: some were not recorded.
    """
    found: dict[int, Any] = {}
    for table in recording.steps(["episode", "step", "action"], episode=episode):
        steps_here: list[Any] = table["step"].to_pylist()
        found.update(zip(steps_here, table["action"].to_pylist(), strict=True))
    if sorted(found) != list(range(steps)):
        raise EvaluationError(f"{len(found)} of the {steps} steps of episode {episode} were recorded")
    return [found[step] for step in range(steps)]


def replay(env: gymnasium.Env[Any, Any], seed: int, actions: list[Any]) -> Iterator[Moment]:
    """Play recorded actions.

    Args:
        env: made with render mode ``rgb_array_list``.
        seed: the recorded seed of the episode.
        actions: recorded values, see :func:`recorded_actions`.
    """
    env.reset(seed=seed)
    total = 0.0
    for value in actions:
        _, reward, terminated, truncated, info = env.step(recorded_action(env.action_space, value))
        total += float(reward)
        pictures: Any = env.render()
        yield Moment(list(pictures), float(reward), info, total, terminated or truncated)
        if terminated or truncated:
            return


def same_return(recorded: float, replayed: float) -> bool:
    """Return whether a replay went as recorded; 32-bit and 64-bit sums differ in their last digits."""
    return bool(np.isclose(recorded, replayed, rtol=1e-5, atol=1e-5))
