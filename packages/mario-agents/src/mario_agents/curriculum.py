"""Levels that a run learns in turn, such as rewards from easy to real (the manual's R7)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mario_agents.errors import AgentsError
from mario_agents.yaml_files import checked, read_yaml


class Level(BaseModel):
    """One level: the environment with other options, up to a share of the budget.

    Example:
        >>> Level(until=0.3, env={"reward": "original"}).until
        0.3
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    until: float = Field(gt=0, lt=1, description="share of the run's budget at which the level ends")
    env: dict[str, Any] = Field(description="keyword arguments of the environment in place of the run's own")


def read_curriculum(path: Path) -> tuple[Level, ...]:
    """Read levels from a YAML file, a list of ``until`` and ``env``.

    After the last level the environment is the run's own.

    Raises:
        AgentsError: the file cannot be read, is of another form, or its levels do not follow each other.
    """
    example = "a list such as [{until: 0.3, env: {reward: original}}]"
    levels = checked(path, read_yaml(path), TypeAdapter(tuple[Level, ...]), example)
    ends = [level.until for level in levels]
    if ends != sorted(set(ends)):
        raise AgentsError(f"{path}: each level must end later than the one before, not at {ends}")
    return levels


def level_at(levels: Sequence[Level], used: float) -> int:
    """Return the number of the level where a share of the budget is used; past the last, how many there are.

    >>> levels = [Level(until=0.2, env={}), Level(until=0.5, env={})]
    >>> [level_at(levels, used) for used in (0.0, 0.2, 0.49, 0.5, 1.0)]
    [0, 1, 1, 2, 2]
    """
    return sum(level.until <= used for level in levels)
