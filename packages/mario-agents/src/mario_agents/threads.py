"""How many threads torch uses."""

from __future__ import annotations

import os

import torch

from mario_agents.config import TrainConfig


def set_threads(config: TrainConfig) -> None:
    """Use what the run asks for; else one thread, or up to eight for pictures.

    Measured on 2 cores with updates of 512 samples: a second thread makes a Nature CNN half as fast again,
    and an MLP of 256x256 slower, the more so the busier the machine.

    Args:
        config: a run's settings.
    """
    for_pictures = min(os.cpu_count() or 1, 8) if config.policy.startswith("Cnn") else 1
    torch.set_num_threads(config.threads or for_pictures)
