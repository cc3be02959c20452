"""What goes wrong in environments, named with lane, seed and step."""

from __future__ import annotations

from traceback import walk_tb
from types import FrameType

import numpy as np
from gymnasium.vector import SyncVectorEnv

from mario_agents.errors import AgentsError
from mario_agents.sampling.block import Block
from mario_agents.sampling.vec_env import LaneVecEnv


class EnvironmentTroubleError(AgentsError):
    """An environment raised, returned numbers that are none, or hangs; the message names lane, seed, step."""


def raised(
    error: Exception, first_lane: int, lanes: int, seed: int, step: int
) -> EnvironmentTroubleError | None:
    """Describe an exception that came out of a step, if it came from the environments.

    Args:
        error: what was raised.
        first_lane: of the actor.
        lanes: of the actor.
        seed: of its first lane.
        step: steps that each lane had played before.
    """
    frames = [frame for frame, _ in walk_tb(error.__traceback__)]
    if not any(isinstance(frame.f_locals.get("self"), LaneVecEnv) for frame in frames):
        return None
    lane = _lane_of(frames)
    where = (
        f"lane {first_lane + lane} (seed {seed + lane})"
        if lane is not None
        else f"one of lanes {first_lane} to {first_lane + lanes - 1} (seeds {seed} to {seed + lanes - 1})"
    )
    reason = " ".join(str(error).split())
    return EnvironmentTroubleError(f"{where} failed in step {step}: {type(error).__name__}: {reason}")


def _lane_of(frames: list[FrameType]) -> int | None:
    # Gymnasium's batch of single environments steps them in a loop over i.
    for frame in frames:
        batch, lane = frame.f_locals.get("self"), frame.f_locals.get("i")
        if isinstance(batch, SyncVectorEnv) and isinstance(lane, int):
            return lane
    return None


def told_of_actor(error: Exception, number: int) -> str:
    """Say in one line what ended an actor; the learner tells it, as nobody looks at the actor's stderr.

    >>> told_of_actor(KeyError("x"), 1)
    "actor 1: KeyError: 'x'"

    Args:
        error: what it raised.
        number: of the actor; errors of ours say by themselves what they are about.
    """
    text = " ".join(str(error).split())
    return text if isinstance(error, AgentsError) else f"actor {number}: {type(error).__name__}: {text}"


def check_finite(block: Block, seed: int, before: int) -> None:
    """Refuse rewards and observations that are not finite.

    Args:
        block: what was played.
        seed: of the actor's first lane.
        before: steps that each lane had played before.

    Raises:
        EnvironmentTroubleError: names the first of them.
    """
    columns = {"reward": block.rewards} | {
        f"observation {k}".strip(): v for k, v in block.observations.items()
    }
    for name, column in columns.items():
        if column.dtype.kind != "f":
            continue
        bad = np.argwhere(~np.isfinite(column).reshape(*column.shape[:2], -1).all(axis=-1))
        if len(bad):
            step, lane = bad[0].tolist()
            raise EnvironmentTroubleError(
                f"lane {block.first_lane + lane} (seed {seed + lane}) gave a {name} that is not finite in "
                f"step {before + step}"
            )
