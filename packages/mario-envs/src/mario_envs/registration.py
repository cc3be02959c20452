"""The environment IDs; importing :mod:`mario_envs` registers them.

Gymnasium 1.x no longer loads third-party IDs by entry point.
"""

from __future__ import annotations

from typing import Any

import gymnasium

from mario_envs.game.stages import STAGES

#: Part of the ID → key of the action plugin.
ACTIONS = {"ContinuousFrames": "builtin/continuous-frames", "DiscreteFrames": "builtin/discrete-frames"}


def register_all() -> None:
    """Register every ID; doing so twice changes nothing."""
    for name, action in ACTIONS.items():
        for stage in STAGES:
            _register(f"MarioScore-{stage}-{name}-v0", action=action, stages=(stage,))
        _register(f"MarioScore-{name}-v0", action=action, stages=("1-1",), task="game")
        _register(f"MarioScore-RandomStages-{name}-v0", action=action, stages=STAGES)


def _register(env_id: str, **settings: Any) -> None:
    if env_id in gymnasium.registry:
        return
    gymnasium.register(
        id=env_id,
        entry_point="mario_envs.env:MarioEnv",
        vector_entry_point="mario_envs.vector_env:MarioVectorEnv",
        kwargs=settings,
    )


def env_ids() -> list[str]:
    """Return every registered ID of ours.

    >>> env_ids()[0], len(env_ids())
    ('MarioScore-1-1-ContinuousFrames-v0', 68)
    """
    return [env_id for env_id in gymnasium.registry if env_id.startswith("MarioScore-")]
