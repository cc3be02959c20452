"""Finds the plugins of mario-eval; a broken one is reported and never takes the others down."""

from __future__ import annotations

from importlib.metadata import entry_points

import pluggy

from mario_eval import hookspecs

GROUP = "mario_eval"


def load_plugins() -> tuple[pluggy.PluginManager, list[str]]:
    """Load every installed plugin.

    Pluggy's own ``load_setuptools_entrypoints`` stops at the first plugin that fails to import and drops the
    second of two equal names without a word, so the entry points are walked here.

    Returns:
        The manager, and one line for each plugin that was left out, naming its distribution and version.
    """
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(hookspecs)
    problems = []
    for point in entry_points(group=GROUP):
        origin = f"{point.dist.name} {point.dist.version}" if point.dist else "unknown distribution"
        name = f"{origin}: {point.name}"
        try:
            if manager.register(point.load(), name=name) is None:
                raise ValueError("its name is taken or blocked")
            manager.check_pending()
        except Exception as error:  # a plugin may fail in any way; it must not take the others down
            problems.append(f"plugin {point.name!r} of {origin} left out: {type(error).__name__}: {error}")
            if manager.has_plugin(name):
                manager.unregister(name=name)
    return manager, problems
