"""What behaviour cloning is told, and the file that tells it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from mario_agents.yaml_files import checked, read_yaml


class BehaviourCloning(BaseModel):
    """What a policy learns from before its training begins, and for how long.

    Example:
        >>> BehaviourCloning(demonstrations=("1-1.movie",)).epochs
        100
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    demonstrations: tuple[str, ...] = Field(
        min_length=1, description="paths of movies (.movie) and of recorded observations and actions (.npz)"
    )
    epochs: int = Field(default=100, gt=0, description="passes over all demonstrated decisions")
    batch_size: int = Field(default=64, gt=0, description="decisions of a minibatch")
    margin: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="least distance of an action from a bound of the Box, in half-widths, where the policy "
        "ends in tanh and bounds are at infinity",
    )


def read_cloning(path: Path) -> BehaviourCloning:
    """Read settings from a YAML file, a mapping.

    Raises:
        AgentsError: the file cannot be read, is of another form, or a setting has no such value.
    """
    example = "a mapping such as {demonstrations: [1-1.movie], epochs: 100}"
    return checked(path, read_yaml(path) or {}, TypeAdapter(BehaviourCloning), example)
