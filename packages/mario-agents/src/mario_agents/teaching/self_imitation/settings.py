"""What self-imitation is told, and the file that tells it."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from mario_agents.yaml_files import checked, read_yaml


class SelfImitation(BaseModel):
    """How much an agent learns from its own episodes that went well, and from those that went badly.

    Example:
        >>> SelfImitation(avoid=0.1).imitate
        1.0
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    imitate: float = Field(default=1.0, ge=0, description="weight of what returned more than expected")
    avoid: float = Field(default=0.0, ge=0, description="weight of what returned less; 0 avoids nothing")
    value: float = Field(
        default=0.01, ge=0, description="weight of a state value's part in imitation, beside the policy's"
    )
    capacity: int = Field(default=100_000, gt=0, description="transitions that are remembered")
    batch_size: int = Field(default=512, gt=0, description="transitions of a minibatch")
    updates: int | None = Field(
        default=None,
        gt=0,
        description="minibatches after each update of the algorithm; None is 4 on-policy, 1 off-policy",
    )
    most: float = Field(
        default=2.0, gt=0, description="largest gap to what was expected, in standard deviations of returns"
    )
    least_ratio: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="share of an action's first probability at which it is no longer avoided",
    )

    @model_validator(mode="after")
    def _learns_something(self) -> SelfImitation:
        if not self.imitate and not self.avoid:
            raise ValueError("imitate and avoid are both 0: nothing would be learned")
        return self


def read_imitation(path: Path) -> SelfImitation:
    """Read settings from a YAML file, a mapping; what it leaves out, or all of an empty one, is the default.

    Raises:
        AgentsError: the file cannot be read, is of another form, or a setting has no such value.
    """
    example = "a mapping such as {imitate: 1.0, avoid: 0.1}"
    return checked(path, read_yaml(path) or {}, TypeAdapter(SelfImitation), example)
