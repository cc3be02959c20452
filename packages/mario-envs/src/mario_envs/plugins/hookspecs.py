"""The four hooks through which rewards, actions, observations and emulators are registered.

A plugin is a module named by an entry point of the group ``mario_envs``::

    # pyproject.toml
    [project.entry-points.mario_envs]
    my-rewards = "my_package.rewards"

    # my_package/rewards.py
    from mario_envs import hookimpl

    def coins(before, after):
        return {"coins": 1.0 * (after.coins - before.coins)}

    @hookimpl
    def mario_envs_register_rewards():
        return {"coins": lambda: coins}

Then ``gymnasium.make(id, reward="coins")``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pluggy

from mario_envs.actions.base import Action
from mario_envs.emulators.protocol import Emulator
from mario_envs.observations.base import Observation
from mario_envs.rewards.base import Reward

PROJECT = "mario_envs"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mario_envs_register_rewards() -> Mapping[str, Callable[..., Reward]]:
    """Return rewards: a name, and what makes the reward from its options (a class, or a function)."""
    raise AssertionError("a hook specification is never called")


@hookspec
def mario_envs_register_actions() -> Mapping[str, Callable[..., Action]]:
    """Return actions: a name, and what makes the action from its options."""
    raise AssertionError("a hook specification is never called")


@hookspec
def mario_envs_register_observations() -> Mapping[str, Callable[..., Observation]]:
    """Return observations: a name, and what makes the observation from its options."""
    raise AssertionError("a hook specification is never called")


@hookspec
def mario_envs_register_emulators() -> Mapping[str, Callable[..., Emulator]]:
    """Return emulators: a name, and what makes one from ``(rom, num_lanes)`` and its options."""
    raise AssertionError("a hook specification is never called")
