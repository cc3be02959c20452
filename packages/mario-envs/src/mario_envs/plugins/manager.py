"""Finding plugins, keeping the bad ones from harming the good, and making what a user chose."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import Any, Literal

import pluggy

from mario_envs.actions.base import Action
from mario_envs.emulators.protocol import Emulator
from mario_envs.observations.base import Observation
from mario_envs.plugins import builtins, hookspecs
from mario_envs.plugins.errors import PluginError, unknown
from mario_envs.rewards.base import Reward

Kind = Literal["reward", "action", "observation", "emulator"]
KINDS: tuple[Kind, ...] = ("reward", "action", "observation", "emulator")
_PROTOCOLS: dict[Kind, type] = {
    "reward": Reward,
    "action": Action,
    "observation": Observation,
    "emulator": Emulator,
}

#: How a user names a plugin: a key, a mapping of one key to its options, or an object that is one.
Choice = str | Mapping[str, Mapping[str, Any]] | object


@dataclass(frozen=True)
class Plugin:
    """One registered reward, action, observation or emulator, or the reason why there is none.

    Attributes:
        key: ``distribution/name``; of a plugin that did not load, ``distribution/entry point``.
        kind: what it is; None where the plugin did not get so far as to say.
        distribution: the distribution that brings it; "builtin" for ours.
        version: of that distribution.
        factory: makes it from its options; None if broken.
        error: why it cannot be used, in one line; None if it can.
    """

    key: str
    kind: Kind | None
    distribution: str
    version: str
    factory: Callable[..., Any] | None = None
    error: str | None = None

    @property
    def source(self) -> str:
        """The distribution and its version, for messages."""
        return f"{self.distribution} {self.version}"


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _register(module: ModuleType | object, distribution: str, version: str, name: str) -> Iterator[Plugin]:
    """Register one plugin by itself, so that its faults stay its own."""
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module, name=name)
        manager.check_pending()  # a misspelt hook passes register()
    except pluggy.PluginValidationError as error:
        hooks = [f"mario_envs_register_{kind}s" for kind in KINDS]
        misspelt = next((h for h in vars(module) if h.startswith(hookspecs.PROJECT) and h not in hooks), None)
        message = str(unknown("hook", misspelt, hooks)) if misspelt else _one_line(error)
        yield Plugin(f"{distribution}/{name}", None, distribution, version, error=message)
        # The plugin's other hooks still count.

    for kind in KINDS:
        hook = getattr(manager.hook, f"mario_envs_register_{kind}s")
        for implementation in hook.get_hookimpls():
            try:
                registered = dict(implementation.function())
            except (Exception, SystemExit) as error:  # whatever a stranger's plugin raises
                yield Plugin(f"{distribution}/{name}", kind, distribution, version, error=_one_line(error))
                continue
            for key, factory in registered.items():
                plugin = Plugin(f"{distribution}/{key}", kind, distribution, version, factory)
                if not callable(factory):
                    error_line = f"{key!r} must be given something callable, not {factory!r}"
                    plugin = Plugin(plugin.key, kind, distribution, version, error=error_line)
                yield plugin


def _discover() -> Iterator[Plugin]:
    yield from _register(builtins, "builtin", metadata.version("mario-envs"), "builtin")
    # pluggy's own loader stops at the first broken entry point and silently drops the second of two
    # equal names, so they are loaded one by one.
    entries = metadata.entry_points(group=hookspecs.PROJECT)
    for entry in sorted(entries, key=lambda entry: (entry.dist.name if entry.dist else "", entry.name)):
        distribution = entry.dist.name if entry.dist else "unknown"
        version = entry.dist.version if entry.dist else "unknown"
        try:
            module = entry.load()
        except (Exception, SystemExit) as error:  # whatever importing a stranger's module raises
            message = f"cannot be imported: {_one_line(error)}"
            yield Plugin(f"{distribution}/{entry.name}", None, distribution, version, error=message)
            continue
        yield from _register(module, distribution, version, entry.name)


@cache
def plugins() -> tuple[Plugin, ...]:
    """Return every plugin that is installed, the broken ones with their error; found once per process."""
    found: list[Plugin] = []
    seen: dict[tuple[str | None, str], Plugin] = {}
    for plugin in _discover():
        first = seen.get((plugin.kind, plugin.key))
        if plugin.factory and first:
            message = f"the key {plugin.key!r} is registered twice by {plugin.source}; the first one stands"
            plugin = Plugin(plugin.key, plugin.kind, plugin.distribution, plugin.version, error=message)
        elif plugin.factory:
            seen[plugin.kind, plugin.key] = plugin
        found.append(plugin)
    return tuple(found)


def find(kind: Kind, key: str) -> Plugin:
    """Return the plugin of that key; a bare name will do while it is unique.

    Raises:
        UnknownChoiceError: there is none; names the nearest.
        PluginError: it is broken, or the bare name is not unique.
    """
    usable = [p for p in plugins() if p.kind == kind and p.factory]
    matches = [p for p in usable if key in (p.key, p.key.split("/", 1)[1])]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise PluginError(f"{kind} {key!r} is not unique; write one of {', '.join(p.key for p in matches)}")
    for plugin in plugins():
        if plugin.error and plugin.kind in (kind, None) and key in (plugin.key, plugin.key.split("/", 1)[1]):
            raise PluginError(f"{kind} {key!r} of {plugin.source} is broken: {plugin.error}")
    raise unknown(kind, key, [p.key for p in usable] + [p.key.split("/", 1)[1] for p in usable])


@dataclass(frozen=True)
class Chosen:
    """A plugin made ready for use.

    Attributes:
        value: the reward, action, observation or emulator itself.
        name: how to speak of it in messages: key, distribution and version, or the object's type.
        record: JSON-able, for manifests.
    """

    value: Any
    name: str
    record: dict[str, Any]


def choose(kind: Kind, choice: Choice, *args: Any) -> Chosen:
    """Make what a user chose.

    Args:
        kind: which kind is meant.
        choice: a key, a mapping of one key to its options, or an object that is used as it is.
        *args: what the factory takes before its options (an emulator's ROM and number of lanes).

    Raises:
        UnknownChoiceError: no such key or option.
        PluginError: the plugin is broken or its factory failed.
        ValueError: the options were refused by the plugin.
    """
    options: Mapping[str, Any] = {}
    if isinstance(choice, str):
        key = choice
    elif isinstance(choice, Mapping):
        if len(choice) != 1:
            raise ValueError(
                f"{kind} must name one key with its options, such as {{'score': {{}}}}, not {choice!r}"
            )
        ((key, options),) = choice.items()
        if not isinstance(key, str) or not isinstance(options, Mapping):
            raise ValueError(f"{kind} must be a mapping of a key to its options, not {choice!r}")
    else:
        name = f"{kind} {getattr(choice, '__qualname__', type(choice).__qualname__)}"
        return Chosen(_checked(kind, name, choice), name, {"object": name})

    plugin = find(kind, key)
    assert plugin.factory is not None
    _check_options(plugin, len(args), options)
    name = f"{kind} {plugin.key!r} of {plugin.source}"
    try:
        value = plugin.factory(*args, **options)
    except (ValueError, RuntimeError):
        raise  # says what is wrong with the options, the ROM or the machine
    except Exception as error:
        raise PluginError(f"{name} could not be made: {_one_line(error)}") from error
    record = {"key": plugin.key, "version": plugin.version, "options": dict(options)}
    return Chosen(_checked(kind, name, value), name, record)


def _checked(kind: Kind, name: str, value: Any) -> Any:
    protocol = _PROTOCOLS[kind]
    if isinstance(value, type) or not isinstance(value, protocol):
        raise PluginError(
            f"{name} is not a {protocol.__name__}: see {protocol.__module__} for what it must have"
        )
    return value


def _check_options(plugin: Plugin, positional: int, options: Mapping[str, Any]) -> None:
    assert plugin.factory is not None
    parameters = list(inspect.signature(plugin.factory).parameters.values())[positional:]
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters):
        return
    for option in options:
        if option not in [p.name for p in parameters]:
            raise unknown(f"option of {plugin.kind} {plugin.key!r}", option, [p.name for p in parameters])
