"""The hooks are a promise: each is documented, and our own plugins use no other way in."""

from __future__ import annotations

import inspect
from importlib import metadata
from pathlib import Path

import pytest
from mario_envs.plugins import builtins, hookspecs
from mario_envs.plugins.manager import KINDS, plugins

README = Path(__file__).parents[2] / "packages" / "mario-envs" / "README.md"
HOOKS = [name for name in vars(hookspecs) if name.startswith("mario_envs_register_")]


def test_there_is_a_hook_for_each_kind() -> None:
    assert [f"mario_envs_register_{kind}s" for kind in KINDS] == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_each_hook_is_documented(hook: str) -> None:
    assert hook in README.read_text(), f"{hook} is not in README.md"
    assert inspect.getdoc(getattr(hookspecs, hook)), f"{hook} has no docstring"


@pytest.mark.parametrize("hook", HOOKS)
def test_the_built_ins_come_through_the_hook(hook: str) -> None:
    registered = getattr(builtins, hook)()
    kind = hook.removeprefix("mario_envs_register_").removesuffix("s")
    listed = {p.key for p in plugins() if p.kind == kind and p.distribution == "builtin"}
    assert listed == {f"builtin/{name}" for name in registered}


def test_each_built_in_is_in_the_readme_with_its_options() -> None:
    text = README.read_text()
    for plugin in plugins():
        if plugin.distribution != "builtin" or plugin.factory is None:
            continue
        name = plugin.key.removeprefix("builtin/")
        assert name in text, f"{plugin.key} is not in README.md"
        options = list(inspect.signature(plugin.factory).parameters)
        for option in options[2:] if plugin.kind == "emulator" else options:
            assert option in text, f"option {option} of {plugin.key} is not in README.md"


def test_the_built_ins_have_the_distributions_version() -> None:
    version = metadata.version("mario-envs")
    assert {p.version for p in plugins() if p.distribution == "builtin"} == {version}
