"""Networks in front of the policy, for observations that Stable-Baselines3's own do not suit."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import nn


class TileFeatures(BaseFeaturesExtractor):
    """Two small convolutions over a grid of tiles, joined with a vector: ``mario-envs``'s ``tiles``.

    Small enough for one core: the grid shrinks from 13 × 16 to 4 × 4 in two strides, and one layer, which
    policy and value share, takes most of the weights.

    Args:
        observation_space: Dict with "tiles", ``[channels, rows, columns]`` of 0 and 1, and "vector", ``[n]``.
        features_dim: outputs.

    Example:
        >>> import numpy as np
        >>> space = spaces.Dict({"tiles": spaces.Box(0, 1, (28, 13, 16), np.uint8),
        ...                      "vector": spaces.Box(-2, 4, (14,), np.float32)})
        >>> features = TileFeatures(space)
        >>> features({"tiles": torch.zeros(5, 28, 13, 16), "vector": torch.zeros(5, 14)}).shape
        torch.Size([5, 256])
    """

    def __init__(self, observation_space: spaces.Dict, features_dim: int = 256) -> None:
        super().__init__(observation_space, features_dim)
        tiles, vector = observation_space["tiles"], observation_space["vector"]
        assert tiles.shape is not None
        assert vector.shape is not None
        self.grid = nn.Sequential(
            nn.Conv2d(tiles.shape[0], 16, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
        )
        with torch.no_grad():
            grid_dim = self.grid(torch.zeros(1, *tiles.shape)).shape[1]
        self.join = nn.Sequential(nn.Linear(grid_dim + vector.shape[0], features_dim), nn.ReLU())

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        """Return the features, ``[batch, features_dim]``."""
        grid = self.grid(observations["tiles"].float())
        features: torch.Tensor = self.join(torch.cat([grid, observations["vector"]], dim=1))
        return features
