"""The hook through which other distributions teach mario-eval to load their checkpoints.

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
