"""Lets mario-eval load our run folders and checkpoints (entry-point group ``mario_eval``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from mario_agents.quiet_import import import_sb3_quietly

if TYPE_CHECKING:
    import_sb3_quietly()
    from mario_agents.acting import Agent

hookimpl = pluggy.HookimplMarker("mario_eval")


@hookimpl
def mario_eval_load_policy(path: Path, env: Any, deterministic: bool) -> Agent | None:
    """Load a run folder or checkpoint of ours, or leave the path to others.

    Args:
        path: what the user named.
        env: the lanes it will act in.
        deterministic: the most likely action instead of a sampled one.

    Raises:
        CheckpointError: it is ours, but damaged or made for other spaces.
    """
    import_sb3_quietly()
    from mario_agents.acting import is_ours, load_agent  # torch takes seconds to import

    if not is_ours(path):
        return None
    agent, _ = load_agent(
        path, env.single_observation_space, env.single_action_space, deterministic=deterministic
    )
    return agent
