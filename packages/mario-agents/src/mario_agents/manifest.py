"""``RUN/manifest.json``: what was run, with which versions, and how far it came."""

from __future__ import annotations

import json
import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mario_agents.atomic import write_atomically
from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError


class SamplingRecord(BaseModel):
    """How a call's data came to the learner."""

    model_config = ConfigDict(frozen=True)

    lags: dict[int, int] = Field(description="versions that data lagged behind the learner → transitions")
    dropped: int = Field(description="transitions that lagged more than the order allows")
    replaced: int = Field(description="actors that died or got stuck and were started anew")
    skipped: int = Field(default=0, description="steps that failed and were left out, and their episodes")
    troubles: list[str] = Field(
        default=[], description="the latest things that went wrong in environments: lane, seed, step, reason"
    )
    learner_idle: float = Field(description="share of the time that the learner waited, 0 to 1")
    actor_idle: dict[int, float] = Field(description="actor → share of its time that it waited, latest block")


class Call(BaseModel):
    """One call of ``train`` or ``resume``."""

    model_config = ConfigDict(frozen=True)

    command: str = Field(description="command line, quoted for a shell")
    started: str = Field(description="UTC time, ISO 8601")
    ended: str | None = Field(default=None, description="UTC time; None while it runs or if killed")
    stopped_by: str | None = Field(
        default=None, description="steps, level, minutes, frames, SIGINT, SIGTERM or error"
    )
    from_step: int = Field(default=0, description="steps when the call began")
    processor_seconds: float | None = Field(
        default=None,
        description="that its own process, not that of actors, kept processors busy; None if unknown",
    )
    versions: dict[str, str] = Field(
        description="python, the operating system and every installed distribution"
    )
    sampling: SamplingRecord | None = Field(default=None, description="how stale the data was; who waited")
    git_commit: str | None = Field(default=None, description="of the folder it was called in, '+' if changed")


class Manifest(BaseModel):
    """What one run folder holds. Fields of the first call are repeated at the top for readers' ease."""

    model_config = ConfigDict(frozen=True)

    schema_version: int = Field(default=1, description="layout of this file")
    command: str = Field(description="command line of the first call")
    algorithm: str = Field(description="name in the registry")
    env_id: str = Field(description="Gymnasium ID as given")
    env_kwargs: dict[str, Any] = Field(description="keyword arguments of the environment")
    seed: int = Field(description="of the run")
    hyperparams: dict[str, Any] = Field(description="as written, schedules as text")
    config: TrainConfig = Field(description="everything the run was told")
    provenance: dict[str, Any] | None = Field(default=None, description="what the environment says of itself")
    versions: dict[str, str] = Field(description="of the latest call")
    git_commit: str | None = Field(default=None, description="of the latest call")
    started: str = Field(description="first call, UTC time, ISO 8601")
    ended: str | None = Field(default=None, description="latest call; None while it runs or if it was killed")
    steps: int = Field(default=0, description="environment steps so far, summed over lanes")
    frames: int = Field(default=0, description="frames so far")
    episodes: int = Field(default=0, description="finished episodes so far")
    seconds: float = Field(default=0.0, description="seconds of training so far")
    calls: list[Call] = Field(description="every call, oldest first")

    def write(self, run: Path) -> None:
        """Write ``run/manifest.json`` in one piece."""
        write_atomically(run / "manifest.json", (self.model_dump_json(indent=2) + "\n").encode())


def read_manifest(run: Path) -> Manifest:
    """Read a run's manifest.

    Raises:
        AgentsError: the folder is not a run, or its manifest is damaged.
    """
    path = run / "manifest.json"
    try:
        return Manifest.model_validate_json(path.read_bytes())
    except OSError as error:
        raise AgentsError(f"{run} is not a run folder: {path} cannot be read ({error.strerror})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise AgentsError(f"{path} is damaged or not of mario-agents: {where} {first['msg']}") from error


def new_call(from_step: int) -> Call:
    """Describe the call that begins now.

    Args:
        from_step: steps already done.
    """
    return Call(
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        started=now(),
        from_step=from_step,
        versions=_versions(),
        git_commit=_git_commit(),
    )


def now() -> str:
    """Return the time in UTC, to the second, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    """Return the versions of Python, the system and everything installed, plugins with it."""
    # Metadata spells names as their authors did; PEP 503 gives each one spelling.
    installed = {re.sub(r"[-_.]+", "-", found.name).lower(): found.version for found in distributions()}
    return {"python": platform.python_version(), "os": platform.platform(), **dict(sorted(installed.items()))}


def _git_commit() -> str | None:
    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain", "-uno") else "")
    except (OSError, subprocess.SubprocessError):
        return None


def provenance_of(batch: Any) -> dict[str, Any] | None:
    """Return ``env.unwrapped.provenance`` of a batch or of its first lane, if there is one.

    Args:
        batch: a Gymnasium vector environment.
    """
    unwrapped = batch.unwrapped
    for env in (unwrapped, *(lane.unwrapped for lane in getattr(unwrapped, "envs", ())[:1])):
        found = getattr(env, "provenance", None)
        if isinstance(found, Mapping):
            # Through JSON and back: what cannot be written is found now, not after hours of training.
            plain: dict[str, Any] = json.loads(json.dumps(found, default=str))
            return plain
    return None
