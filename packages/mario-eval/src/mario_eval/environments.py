"""Finds Gymnasium environments by ID and makes them: a batch to evaluate in, or a single one to replay in."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv

from mario_eval.errors import EvaluationError

#: Environments whose package Gymnasium does not import by itself: start of the ID, module, distribution.
KNOWN_PROVIDERS = (("MarioScore", "mario_envs", "mario-envs"),)


def find_environment(env_id: str) -> EnvSpec:
    """Return what Gymnasium knows about an ID.

    Args:
        env_id: ``"ID"``, or ``"module:ID"`` to import the module that registers it. IDs of mario-envs are
            found without their module too, if it is installed.

    Raises:
        EvaluationError: there is no such environment; names the nearest.
    """
    module, colon, bare = env_id.rpartition(":")
    if not colon:
        for start, provider, distribution in KNOWN_PROVIDERS:
            if bare.startswith(start):
                if find_spec(provider) is None:
                    raise EvaluationError(
                        f"environment {env_id!r} needs {distribution}: pip install {distribution}"
                    )
                module = provider
    if module:
        try:
            importlib.import_module(module)
        except ImportError as error:
            raise EvaluationError(
                f"environment {env_id!r}: its module cannot be imported: {error}"
            ) from error
    try:
        return gymnasium.spec(bare)
    except gymnasium.error.Error as error:
        nearest = get_close_matches(bare, gymnasium.registry, n=1)
        hint = (
            f"did you mean {nearest[0]!r}?" if nearest else "write module:ID if another package registers it"
        )
        raise EvaluationError(f"unknown environment {env_id!r}: {hint}") from error


def make_lanes(
    env_id: str, lanes: int, env_kwargs: Mapping[str, Any], *, processes: bool = False
) -> VectorEnv[Any, Any, Any]:
    """Make a batch of environments whose lanes are reset one by one, by ``reset(options={"reset_mask": …})``.

    An environment's own batch is used if it offers ``autoreset_mode``, otherwise Gymnasium's SyncVectorEnv,
    or its AsyncVectorEnv if ``processes``.

    Raises:
        EvaluationError: it does not exist, or cannot be made with these keyword arguments.
    """
    spec = find_environment(env_id)
    try:
        if not processes and _own_batch_can_reset_lanes(spec):
            return gymnasium.make_vec(
                spec,
                num_envs=lanes,
                vectorization_mode="vector_entry_point",
                autoreset_mode=AutoresetMode.DISABLED,
                **env_kwargs,
            )
        return gymnasium.make_vec(
            spec,
            num_envs=lanes,
            vectorization_mode="async" if processes else "sync",
            vector_kwargs={"autoreset_mode": AutoresetMode.DISABLED},
            **env_kwargs,
        )
    except (gymnasium.error.Error, TypeError, ValueError, LookupError, OSError, ImportError) as error:
        raise EvaluationError(f"environment {env_id!r} cannot be made: {_one_line(error)}") from error


def make_single(
    env_id: str, env_kwargs: Mapping[str, Any], render_mode: str | None
) -> gymnasium.Env[Any, Any]:
    """Make one environment, to replay recorded episodes in.

    Raises:
        EvaluationError: it does not exist, or cannot be made, for example without the render mode.
    """
    try:
        rendering: dict[str, Any] = {} if render_mode is None else {"render_mode": render_mode}
        return gymnasium.make(find_environment(env_id), **rendering, **env_kwargs)
    except (gymnasium.error.Error, TypeError, ValueError, LookupError, OSError, ImportError) as error:
        raise EvaluationError(f"environment {env_id!r} cannot be made: {_one_line(error)}") from error


def provenance_of(env: VectorEnv[Any, Any, Any]) -> dict[str, Any] | None:
    """Return what the environment says about its origin (ROM, emulator, plugins), if it says anything."""
    own = getattr(env.unwrapped, "provenance", None)
    if own is None and isinstance(env.unwrapped, gymnasium.vector.SyncVectorEnv):
        own = getattr(env.unwrapped.envs[0].unwrapped, "provenance", None)
    return own if isinstance(own, dict) else None


def _own_batch_can_reset_lanes(spec: EnvSpec) -> bool:
    if spec.vector_entry_point is None:
        return False
    entry = spec.vector_entry_point
    creator = load_env_creator(entry) if isinstance(entry, str) else entry
    return "autoreset_mode" in inspect.signature(creator).parameters


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"
