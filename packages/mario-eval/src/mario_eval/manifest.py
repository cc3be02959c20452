"""The document that says how a recording came to be."""

from __future__ import annotations

import datetime
import json
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from typing import Any

from gymnasium.envs.registration import EnvSpec

from mario_eval.schema import SCHEMA_VERSION

_ALWAYS = ("mario-eval", "gymnasium", "numpy", "pyarrow")


def new_manifest(
    spec: EnvSpec | None, env_id: str | None, env_kwargs: Mapping[str, Any], **settings: Any
) -> dict[str, Any]:
    """Return the manifest of a recording that begins now.

    Args:
        spec: what Gymnasium knows about the environment, if anything; its package's version is noted, and
            the return from which on it counts as solved.
        env_id: the ID as the user wrote it, so that a replay finds its module again.
        env_kwargs: what it was made with; arguments that JSON cannot hold are kept as text, and
            ``replayable`` is false then.
        settings: anything else to keep: policy, seed, chance, lanes, provenance.
    """
    kwargs, replayable = _json_kwargs(env_kwargs)
    env: dict[str, Any] = {"id": env_id, "kwargs": kwargs, "replayable": replayable and env_id is not None}
    if spec is not None and spec.reward_threshold is not None:
        env["reward_threshold"] = spec.reward_threshold
    return {
        "schema": SCHEMA_VERSION,
        "command": sys.argv,
        "started": now(),
        "ended": None,
        "end": "running",
        "env": env,
        **settings,
        "versions": versions(spec),
    }


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def versions(spec: EnvSpec | None) -> dict[str, str]:
    """Return the versions of Python, the system, our libraries and the environment's package."""
    names = list(_ALWAYS)
    if spec is not None and isinstance(spec.entry_point, str):
        top = spec.entry_point.partition(":")[0].partition(".")[0]
        # An editable install does not list its modules; by custom its distribution has the module's name.
        names += packages_distributions().get(top) or [top.replace("_", "-")]
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in dict.fromkeys(names):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _json_kwargs(env_kwargs: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    try:
        kwargs: dict[str, Any] = json.loads(json.dumps(dict(env_kwargs)))
    except TypeError:
        return {name: str(value) for name, value in env_kwargs.items()}, False
    return kwargs, True
