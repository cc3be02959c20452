"""What imitation by a discriminator is told, and the file that tells it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from mario_agents.teaching.demonstrations import is_movie
from mario_agents.yaml_files import checked, read_yaml


class AdversarialImitation(BaseModel):
    """What is imitated, how much it counts beside the environment's own reward, and how its judge learns.

    Example:
        >>> AdversarialImitation(demonstrations=("1-1.movie",)).task
        0.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    demonstrations: tuple[str, ...] = Field(
        min_length=1, description="paths of movies (.movie) and of recorded observations in a row (.npz)"
    )
    reward: float = Field(default=1.0, gt=0, description="weight of the discriminator's reward")
    task: float = Field(
        default=0.0, ge=0, description="weight of the environment's own reward; 0 is imitation alone"
    )
    keys: tuple[str, ...] | None = Field(
        default=None,
        min_length=1,
        description="of a Dict observation, what the discriminator sees; None is what has rows and columns, "
        "or all where nothing has",
    )
    capacity: int = Field(default=5_000, gt=0, description="latest decisions of the agent to learn from")
    batch_size: int = Field(default=256, gt=0, description="decisions of a minibatch, of either kind")
    updates: float = Field(default=1.0, gt=0, description="minibatches for every batch_size decisions played")
    learning_rate: float = Field(default=3e-4, gt=0, description="of Adam")
    penalty: float = Field(
        default=1.0, ge=0, description="weight of the squared gradient at what was demonstrated"
    )
    renew: int = Field(
        default=20_000,
        gt=0,
        description="decisions after which movies are looked at anew, at intervals as the agent's are then",
    )

    @model_validator(mode="after")
    def _is_demonstrated(self) -> AdversarialImitation:
        for name in self.demonstrations:
            is_movie(Path(name))  # or it is refused
        return self


def read_discriminator(path: Path) -> AdversarialImitation:
    """Read settings from a YAML file, a mapping.

    Raises:
        AgentsError: the file cannot be read, is of another form, or a setting has no such value.
    """
    example = "a mapping such as {demonstrations: [1-1.movie], task: 0.0}"
    return checked(path, read_yaml(path) or {}, TypeAdapter(AdversarialImitation), example)
