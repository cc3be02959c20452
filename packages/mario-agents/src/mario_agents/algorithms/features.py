"""Networks from observations to features, for every algorithm; chosen by observation space.

In ``policy_kwargs``, ``features_extractor_class`` names one: ``linear``, ``tiles``, ``nature`` or ``impala``.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, NatureCNN
from torch import Tensor, nn

from mario_agents.errors import AgentsError


class TilesFeatures(BaseFeaturesExtractor):
    """Grids and a vector of numbers → features: two small convolutions, then one layer over everything.

    Serves a Dict space of grids (``[channels, rows, columns]``) and vectors, such as mario-envs' tiles.

    Args:
        observation_space: Dict of Box and MultiBinary spaces.
        features_dim: features.
        channels: of the first and the second convolution, 3 × 3 with stride 2.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        features_dim: int = 256,
        channels: tuple[int, int] = (16, 32),
    ) -> None:
        super().__init__(observation_space, features_dim)
        parts = observation_space.spaces if isinstance(observation_space, spaces.Dict) else {}
        shapes = {key: part.shape or () for key, part in parts.items()}
        self._grids = sorted(key for key, shape in shapes.items() if len(shape) == 3)
        self._vectors = sorted(key for key, shape in shapes.items() if len(shape) == 1)
        if not self._grids or len(self._grids) + len(self._vectors) < len(shapes):
            raise AgentsError(f"tiles features need a Dict of grids and vectors, not {observation_space}")
        first, second = channels
        self.convolutions = nn.ModuleDict(
            {
                key: nn.Sequential(
                    nn.Conv2d(shapes[key][0], first, 3, stride=2, padding=1),
                    nn.ReLU(),
                    nn.Conv2d(first, second, 3, stride=2, padding=1),
                    nn.ReLU(),
                    nn.Flatten(),
                )
                for key in self._grids
            }
        )
        # A stride of 2 halves, rounded up.
        sizes = [second * -(-shapes[key][1] // 4) * -(-shapes[key][2] // 4) for key in self._grids]
        inputs = sum(sizes) + sum(shapes[key][0] for key in self._vectors)
        self.together = nn.Sequential(nn.Linear(inputs, features_dim), nn.LayerNorm(features_dim), nn.ReLU())

    def forward(self, observations: dict[str, Tensor]) -> Tensor:
        """Return ``[B, features_dim]``."""
        grids = [self.convolutions[key](observations[key].float()) for key in self._grids]
        features: Tensor = self.together(
            torch.cat([*grids, *(observations[key] for key in self._vectors)], dim=1)
        )
        return features


class LinearFeatures(BaseFeaturesExtractor):
    """Everything flattened → one layer.

    Where a space holds 0 and 1 alone, such as mario-envs' tiles, the product with the weights is a sum of the
    rows at which there is a 1: of tiles one in twenty, in an eighth of the time.

    Args:
        observation_space: a Box, or a Dict of Box and MultiBinary spaces.
        features_dim: features.
    """

    def __init__(self, observation_space: spaces.Space[Any], features_dim: int = 256) -> None:
        super().__init__(observation_space, features_dim)
        parts = (
            observation_space.spaces
            if isinstance(observation_space, spaces.Dict)
            else {"": observation_space}
        )
        self._dense = [key for key, part in parts.items() if not isinstance(part, spaces.MultiBinary)]
        bound = 1.0 / math.sqrt(spaces.flatdim(observation_space))  # as nn.Linear begins
        self.rows = nn.ModuleDict()
        for key, part in parts.items():
            if key not in self._dense:
                self.rows[key] = nn.EmbeddingBag(spaces.flatdim(part), features_dim, mode="sum")
        self.layer = nn.Linear(sum(spaces.flatdim(parts[key]) for key in self._dense), features_dim)
        for weights in self.parameters():
            nn.init.uniform_(weights, -bound, bound)
        self.activation = nn.Sequential(nn.LayerNorm(features_dim), nn.ReLU())

    def forward(self, observations: Tensor | dict[str, Tensor]) -> Tensor:
        """Return ``[B, features_dim]``."""
        parts = observations if isinstance(observations, dict) else {"": observations}
        sums: Tensor = self.layer(torch.cat([parts[key].flatten(1).float() for key in self._dense], dim=1))
        for key, rows in self.rows.items():
            flat = parts[key].flatten(1).bool()
            lane, column = flat.nonzero(as_tuple=True)
            first = torch.searchsorted(lane, torch.arange(len(flat), device=flat.device))
            sums = sums + rows(column, first)
        features: Tensor = self.activation(sums)
        return features


class ImpalaFeatures(BaseFeaturesExtractor):
    """IMPALA's small residual network over pictures (Espeholt et al. 2018, arXiv 1802.01561, figure 3).

    Args:
        observation_space: pictures, channels first.
        features_dim: features.
        channels: of the three stages.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        features_dim: int = 256,
        channels: tuple[int, ...] = (16, 32, 32),
    ) -> None:
        super().__init__(observation_space, features_dim)
        if not is_image_space(observation_space, check_channels=False):
            raise AgentsError(f"impala features need pictures, not {observation_space}")
        assert observation_space.shape is not None
        stages: list[nn.Module] = []
        planes, rows, columns = observation_space.shape
        for width in channels:
            stages += [nn.Conv2d(planes, width, 3, padding=1), nn.MaxPool2d(3, stride=2, padding=1)]
            stages += [_Residual(width), _Residual(width)]
            planes, rows, columns = width, -(-rows // 2), -(-columns // 2)
        self.network = nn.Sequential(
            *stages, nn.ReLU(), nn.Flatten(), nn.Linear(planes * rows * columns, features_dim), nn.ReLU()
        )

    def forward(self, observations: Tensor) -> Tensor:
        """Return ``[B, features_dim]``."""
        features: Tensor = self.network(observations)
        return features


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.ReLU(), nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(), nn.Conv2d(width, width, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)  # type: ignore[no-any-return]


#: What ``features_extractor_class`` may say in a hyper-parameter file.
FEATURES: dict[str, type[BaseFeaturesExtractor]] = {
    "tiles": TilesFeatures,
    "linear": LinearFeatures,
    "nature": NatureCNN,
    "impala": ImpalaFeatures,
}
