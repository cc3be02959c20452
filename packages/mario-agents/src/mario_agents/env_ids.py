"""What the user typed after ``--env`` → a registered Gymnasium environment."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec

import gymnasium
from gymnasium.envs.registration import EnvSpec

from mario_agents.errors import AgentsError, did_you_mean


def find_env(env_id: str) -> EnvSpec:
    """Return the registration of an environment, importing the module that registers it where needed.

    Args:
        env_id: ``Name-v0`` or ``module:Name-v0``; IDs that begin with ``MarioScore`` need no module.

    Raises:
        AgentsError: the module is missing or the ID unknown; the message says how to install the one or names
            the nearest of the other.

    Example:
        >>> find_env("CartPole-v1").max_episode_steps
        500
    """
    module, _, name = env_id.rpartition(":")
    if not module and name.startswith("MarioScore"):
        module = "mario_envs"
    if module:
        _import(module, env_id)
    if name not in gymnasium.registry:
        raise AgentsError(f"unknown environment {env_id!r}{did_you_mean(name, gymnasium.registry)}")
    return gymnasium.registry[name]


def _import(module: str, env_id: str) -> None:
    # find_spec raises for "a.b" where a is missing, which means the same to the user.
    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:
        found = False
    if not found:
        package = '"mario-agents[mario]"' if module == "mario_envs" else "the package that provides it"
        raise AgentsError(
            f"{env_id!r} needs the module {module!r}, which is not installed: pip install {package}"
        )
    try:
        import_module(module)
    except Exception as error:  # whatever the stranger's module raises, its environment cannot be used
        raise AgentsError(
            f"{env_id!r} needs the module {module!r}, which fails to import: {error}"
        ) from error
