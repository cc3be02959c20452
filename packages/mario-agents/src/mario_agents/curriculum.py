"""Levels that a run learns in turn, such as rewards from easy to real (the manual's R7)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from mario_agents.errors import AgentsError
from mario_agents.teaching.backward import Backward, starts_of
from mario_agents.yaml_files import checked, read_yaml


class Level(BaseModel):
    """One level: the environment with other options, up to a share of the budget or until it is learned.

    Example:
        >>> Level(until=0.3, env={"reward": "original"}).until
        0.3
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    until: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the run's budget at which the level ends at the latest",
    )
    success: float | None = Field(
        default=None, gt=0, le=1, description="share of clears at which the level ends; None is not to ask"
    )
    episodes: int = Field(default=100, gt=0, description="latest episodes of the level that success is of")
    same_rewards: bool = Field(
        default=False,
        description="rewards are the run's own: what was played is learned from in later levels",
    )
    env: dict[str, Any] = Field(description="keyword arguments of the environment in place of the run's own")

    @model_validator(mode="after")
    def _ends(self) -> Level:
        if self.until is None and self.success is None:
            raise ValueError("a level needs an end, until or success or both")
        return self

    def is_over(self, used: float, successes: Sequence[bool]) -> bool:
        """Tell whether the level has come to one of its ends.

        Args:
            used: share of the budget.
            successes: of the level's episodes so far, oldest first, which cleared.

        >>> level = Level(success=0.5, episodes=4, env={})
        >>> level.is_over(0.9, [True] * 3), level.is_over(0.1, [False, False, False, True, True])
        (False, True)
        """
        if self.until is not None and self.until <= used:
            return True
        if self.success is None or len(successes) < self.episodes:
            return False
        return sum(successes[-self.episodes :]) / self.episodes >= self.success


def read_curriculum(path: Path) -> tuple[Level, ...]:
    """Read levels from a YAML file: a list of them, or ``backward`` and what such a curriculum is made of.

    After the last level the environment is the run's own.

    Raises:
        AgentsError: the file cannot be read, is of another form, or its levels do not follow each other.
    """
    document = read_yaml(path)
    if isinstance(document, dict) and "backward" in document:
        example = "a mapping such as {backward: {movie: 1-4, levels: 20}}"
        backward = checked(path, document, TypeAdapter(dict[str, Backward]), example)["backward"]
        level = Level(
            until=backward.until,
            success=backward.success,
            episodes=backward.episodes,
            same_rewards=True,
            env={},
        )
        return tuple(level.model_copy(update={"env": env}) for env in starts_of(backward))
    example = "a list such as [{until: 0.3, env: {reward: original}}]"
    levels = checked(path, document, TypeAdapter(tuple[Level, ...]), example)
    timed = [(level.until, level.success) for level in levels if level.until is not None]
    # Levels that may be learned before can share their latest end: what is left of them is passed over then.
    if any(
        end > later or (end == later and success is None) for (end, success), (later, _) in pairwise(timed)
    ):
        raise AgentsError(
            f"{path}: each level must end later than the one before, not at {[end for end, _ in timed]}"
        )
    return levels


def next_level(levels: Sequence[Level], level: int, used: float, successes: Sequence[bool]) -> int:
    """Return the number of the level to go on with; past the last, how many there are.

    Args:
        levels: of the curriculum.
        level: the number of that which was learned so far.
        used: share of the budget that is used.
        successes: of its episodes, oldest first, which cleared.

    >>> levels = [Level(until=0.2, env={}), Level(success=1, episodes=2, until=0.5, env={})]
    >>> [next_level(levels, 0, used, []) for used in (0.0, 0.2, 0.49, 0.5, 1.0)]
    [0, 1, 1, 2, 2]
    >>> next_level(levels, 1, 0.3, [False, True]), next_level(levels, 1, 0.3, [True, True])
    (1, 2)
    """
    while level < len(levels) and levels[level].is_over(used, successes):
        level, successes = level + 1, ()
    return level
