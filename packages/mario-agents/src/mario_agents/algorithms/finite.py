"""Stops an update before numbers that are none reach the weights."""

from __future__ import annotations

import torch
from torch import Tensor

from mario_agents.errors import AgentsError


def check_finite(numbers: Tensor, what: str, update: int, cure: str) -> None:
    """Raise if any of the numbers is infinite or none.

    Args:
        numbers: any shape.
        what: what is said of them then, such as "loss is not finite".
        update: in which update.
        cure: what to go on with.

    Raises:
        AgentsError: one is.
    """
    if not torch.isfinite(numbers).all():
        raise AgentsError(
            f"the {what} in update {update:,}: training stops, the last checkpoint is whole; go on from it "
            f"with {cure}"
        )
