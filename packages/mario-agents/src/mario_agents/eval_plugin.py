"""Lets mario-eval load our run folders and checkpoints (entry-point group ``mario_eval``)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from mario_agents.quiet_import import import_sb3_quietly
from mario_agents.zoo.shipped import shipped

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


@hookimpl
def mario_eval_zoo() -> dict[str, Path]:
    """Return the agents that come with this package, by name."""
    return shipped()


@hookimpl
def mario_eval_env_kwargs(path: Path, env_id: str) -> dict[str, Any] | None:
    """Return what the environment was made with in training: its observations and actions above all.

    Args:
        path: what the user named.
        env_id: the environment to evaluate in.

    Returns:
        None if the path is not ours, or ``env_id`` is of another family than the training's: the arguments
        mean nothing to it then.
    """
    import_sb3_quietly()
    from mario_agents.acting import find_checkpoint, is_ours
    from mario_agents.checkpoint_header import read_document

    config = (read_document(find_checkpoint(path)) or {}).get("config") if is_ours(path) else None
    if not isinstance(config, dict) or not _related(config["env_id"], env_id):
        return None
    return dict(config["env_kwargs"])


def _related(trained: str, env_id: str) -> bool:
    """Tell whether two IDs, each with or without its module, are one environment or both of the game."""
    names = {one.rpartition(":")[2] for one in (trained, env_id)}
    return len(names) == 1 or all(name.startswith("MarioScore") for name in names)
