"""The hooks through which other distributions teach mario-eval to load their checkpoints, and ship some.

A plugin is a module named in the entry-point group ``mario_eval``::

    [project.entry-points.mario_eval]
    my-agents = "my_agents.eval_plugin"

and in ``my_agents/eval_plugin.py``::

    import pluggy

    hookimpl = pluggy.HookimplMarker("mario_eval")

    @hookimpl
    def mario_eval_load_policy(path, env):
        if path.suffix != ".my-agent":
            return None
        ...
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy
from gymnasium.vector import VectorEnv

if TYPE_CHECKING:
    from mario_eval.policy import Policy

hookspec = pluggy.HookspecMarker("mario_eval")
hookimpl = pluggy.HookimplMarker("mario_eval")


@hookspec(firstresult=True)
def mario_eval_load_policy(path: Path, env: VectorEnv[Any, Any, Any], deterministic: bool) -> Policy | None:
    """Load the policy that ``path`` holds, or return None if the file is not of your kind.

    The first plugin that returns a policy wins. An implementation may leave out arguments that it does not
    use.

    Args:
        path: an existing file or folder that the user named.
        env: the lanes that the policy will act in; ``single_observation_space``, ``single_action_space`` and
            ``num_envs`` say what it must accept and return.
        deterministic: True asks for the most likely action, False for one sampled as in training.

    Raises:
        Exception: the file is of your kind but damaged, or made for other spaces; the message is shown to the
            user as one line if no other plugin loads the file.
    """


@hookspec
def mario_eval_zoo() -> Mapping[str, Path]:  # type: ignore[empty-body] # pluggy never calls a specification
    """Return the trained policies that your distribution brings along, by name.

    The user writes ``zoo:NAME`` for one of them; it is then loaded as any path is, by
    :func:`mario_eval_load_policy`. Of two distributions that use one name, the user is told.
    """


@hookspec(firstresult=True)
def mario_eval_env_kwargs(path: Path, env_id: str) -> Mapping[str, Any] | None:
    """Return the keyword arguments that an environment needs for the policy in ``path`` to act in it.

    They are what the policy was trained with, such as the kind of observation; those that the user gives win.

    Args:
        path: an existing file or folder that the user named, or one that ``zoo:NAME`` stands for.
        env_id: the Gymnasium ID to evaluate in, with or without ``module:`` before it.

    Returns:
        None if the file is not of your kind, or if its arguments mean nothing to this environment.
    """
