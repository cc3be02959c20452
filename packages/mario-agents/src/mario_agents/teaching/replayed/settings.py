"""What a replay is told of demonstrations, and the file that tells it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mario_agents.yaml_files import checked, read_yaml


class ReplayedDemonstrations(BaseModel):
    """What is replayed beside an agent's own transitions, and how much of it.

    Example:
        >>> ReplayedDemonstrations(demonstrations=("1-1.movie",)).share
        0.25
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    demonstrations: tuple[str, ...] = Field(
        min_length=1, description="paths of movies (.movie) and of recorded transitions (.npz)"
    )
    share: float = Field(
        default=0.25, gt=0, lt=1, description="of what is drawn from the replay in each minibatch"
    )


def read_replayed(path: Path) -> ReplayedDemonstrations:
    """Read settings from a YAML file, a mapping.

    Raises:
        AgentsError: the file cannot be read, is of another form, or a setting has no such value.
    """
    example = "a mapping such as {demonstrations: [1-1.movie], share: 0.25}"
    return checked(path, read_yaml(path) or {}, TypeAdapter(ReplayedDemonstrations), example)
