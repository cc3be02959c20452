"""One step of gradient descent."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.optim import Optimizer


def descend(loss: Tensor, optimizer: Optimizer, max_grad_norm: float | None) -> None:
    """Take one step, with no gradient longer than a limit.

    Args:
        loss: a scalar.
        optimizer: of the parameters.
        max_grad_norm: largest norm of the gradient of each parameter group; None has none.
    """
    optimizer.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call] # as torch has it
    if max_grad_norm is not None:
        for group in optimizer.param_groups:
            torch.nn.utils.clip_grad_norm_(group["params"], max_grad_norm)
    optimizer.step()
