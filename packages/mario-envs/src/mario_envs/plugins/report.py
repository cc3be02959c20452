"""What ``mario-envs plugins`` prints: every plugin and whether it works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mario_envs import testing
from mario_envs.game.roms import load_rom
from mario_envs.plugins.manager import Kind, Plugin, choose, plugins

_CHECKS: dict[Kind, Callable[[Any], None]] = {
    "reward": testing.check_reward,
    "action": testing.check_action,
    "observation": testing.check_observation,
    "emulator": testing.check_emulator,
}


def report(*, try_out: bool = False) -> list[dict[str, str]]:
    """Return one row per plugin: key, kind, distribution, version and state ("ok" or what is wrong).

    Args:
        try_out: also make each with its default options and run the checks of :mod:`mario_envs.testing`.
    """
    return [
        {
            "key": plugin.key,
            "kind": plugin.kind or "?",
            "distribution": plugin.distribution,
            "version": plugin.version,
            "state": plugin.error or (_try_out(plugin) if try_out else None) or "ok",
        }
        for plugin in plugins()
    ]


def _try_out(plugin: Plugin) -> str | None:
    assert plugin.kind is not None
    try:
        arguments = (load_rom(), 1) if plugin.kind == "emulator" else ()
        _CHECKS[plugin.kind](choose(plugin.kind, plugin.key, *arguments).value)
    except Exception as error:  # whatever a stranger's plugin raises
        return " ".join(f"fails its check: {error}".split())
    return None
