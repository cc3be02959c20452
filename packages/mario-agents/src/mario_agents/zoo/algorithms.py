"""What ``mario-agents zoo`` tells: algorithms, action spaces and chosen hyper-parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mario_agents.algorithms.registry import ALGORITHMS, check_action_space, find_algorithm
from mario_agents.errors import AgentsError
from mario_agents.quiet_import import import_sb3_quietly


def describe(
    env_id: str | None, algorithm: str | None, env_kwargs: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Describe one or all algorithms, each as a dict that JSON can hold.

    Args:
        env_id: adds ``hyperparams`` as chosen for this environment, or ``refused`` with the reason.
        algorithm: only this one.
        env_kwargs: keyword arguments of the environment.

    Raises:
        AgentsError: no such algorithm or environment.
    """
    wanted = [find_algorithm(algorithm)] if algorithm else list(ALGORITHMS.values())
    entries: list[dict[str, Any]] = [
        {"name": one.name, "action_spaces": list(one.action_spaces), "summary": one.summary} for one in wanted
    ]
    if env_id is None:
        return entries
    import_sb3_quietly()
    from mario_agents import hyperparams
    from mario_agents.configure import probe_spaces

    observation_space, action_space = probe_spaces(env_id, env_kwargs)
    for entry, one in zip(entries, wanted, strict=True):
        try:
            check_action_space(one, action_space)
            entry["hyperparams"] = hyperparams.choose(one, env_id, observation_space)
        except AgentsError as error:
            entry["refused"] = str(error)
    return entries
