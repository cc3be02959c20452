"""Checkpoints: found by ``zoo:NAME`` and loaded by installed plugins, each asked by itself."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import pluggy
from gymnasium.vector import VectorEnv

from mario_eval.errors import EvaluationError
from mario_eval.plugins import load_plugins

#: What stands before the name of a policy that a plugin ships.
ZOO = "zoo:"


def find_in_zoo(name: str) -> Path:
    """Return the checkpoint of a policy that an installed plugin ships.

    Args:
        name: what stands after ``zoo:``.

    Raises:
        EvaluationError: no plugin, or more than one, ships that name; the message tells the nearest and all.
    """
    plugins, problems = load_plugins()
    found: dict[str, list[Path]] = {}
    for asked, answer in _ask_each(plugins, "mario_eval_zoo"):
        if isinstance(answer, Exception):
            problems.append(f"the zoo of {asked} left out: {_reason(answer)}")
            continue
        for names in answer:
            for one, path in names.items():
                found.setdefault(one, []).append(path)
    if len(found.get(name, ())) == 1:
        return found[name][0]
    if name in found:
        paths = ", ".join(map(str, found[name]))
        raise EvaluationError(f"{ZOO}{name} is shipped by several plugins; give one of the paths: {paths}")
    broken = f" ({'; '.join(problems)})" if problems else ""
    if not found:
        raise EvaluationError(
            f"no installed plugin ships policies{broken}, so there is no {ZOO}{name}; "
            "those of mario-agents need: pip install mario-agents"
        )
    nearest = get_close_matches(name, found, n=1, cutoff=0.4)
    hint = f"did you mean {ZOO}{nearest[0]}? " if nearest else ""
    raise EvaluationError(
        f"no policy {ZOO}{name}: {hint}There are: {', '.join(sorted(ZOO + one for one in found))}{broken}"
    )


def trained_with(path: Path, env_id: str) -> dict[str, Any]:
    """Return the keyword arguments that an environment needs for a checkpoint's policy, as its plugin says.

    Empty if no plugin knows; what is wrong with a file is told when it is loaded.
    """
    plugins, _ = load_plugins()
    for _, answer in _ask_each(plugins, "mario_eval_env_kwargs", path=path, env_id=env_id):
        if answer is not None and not isinstance(answer, Exception):
            return dict(answer)
    return {}


def load_checkpoint(path: Path, env: VectorEnv[Any, Any, Any], deterministic: bool) -> Any:
    """Load the policy that a file or folder holds, by the first plugin that can.

    Raises:
        EvaluationError: none can; the message holds their reasons.
    """
    plugins, problems = load_plugins()
    reasons = []
    asked = {"path": path, "env": env, "deterministic": deterministic}
    for _, answer in _ask_each(plugins, "mario_eval_load_policy", **asked):
        if isinstance(answer, Exception):
            reasons.append(_reason(answer))
        elif answer is not None:
            return answer
    if reasons:
        raise EvaluationError(f"{path} cannot be loaded: {'; '.join(reasons)}")
    broken = f" ({'; '.join(problems)})" if problems else ""
    raise EvaluationError(
        f"no installed plugin can load {path}{broken}; "
        "mario-agents checkpoints need: pip install mario-agents"
    )


def _ask_each(plugins: pluggy.PluginManager, hook: str, **arguments: Any) -> Iterator[tuple[str, Any]]:
    """Yield each plugin's name with its answer or its exception: one that fails must not stop the next."""
    for plugin in plugins.get_plugins():
        others = [other for other in plugins.get_plugins() if other is not plugin]
        try:
            answer = plugins.subset_hook_caller(hook, others)(**arguments)
        except Exception as error:
            answer = error
        yield plugins.get_name(plugin) or "a plugin", answer


def _reason(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
