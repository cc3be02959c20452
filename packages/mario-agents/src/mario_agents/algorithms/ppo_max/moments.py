"""Running mean and variance, kept with the weights, and the two layers that use them."""

from __future__ import annotations

import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

#: Under the root of a variance; Stable-Baselines3's ``VecNormalize`` has the same.
_EPSILON = 1e-8
#: Farthest from 0 that a normalised feature may lie, in standard deviations; likewise.
_MOST = 10.0


class RunningMoments(nn.Module):
    """Mean and variance of all that was seen, as buffers: they travel and are saved with the weights.

    Args:
        shape: of one value.

    Attributes:
        mean: float64, ``shape``; zeros at first.
        var: float64, ``shape``; ones at first.
        count: float64 scalar, values seen.

    Example:
        >>> moments = RunningMoments()
        >>> moments.update(torch.tensor([1.0, 3.0]))
        >>> moments.update(torch.tensor([5.0]))
        >>> moments.mean.item(), round(moments.var.item(), 3)
        (3.0, 2.667)
    """

    mean: Tensor
    var: Tensor
    count: Tensor

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("var", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))

    @torch.no_grad()
    def update(self, values: Tensor) -> None:
        """Take more values in, ``[N, *shape]`` (Chan, Golub and LeVeque 1979, equations 1.5)."""
        values = values.double()
        new, total = len(values), self.count + len(values)
        shift = values.mean(dim=0) - self.mean
        squares = self.var * self.count + values.var(dim=0, unbiased=False) * new
        self.var.copy_((squares + shift.square() * self.count * new / total) / total)
        self.mean += shift * new / total
        self.count.copy_(total)

    @property
    def std(self) -> Tensor:
        """Standard deviation, float64, above 0."""
        return (self.var + _EPSILON).sqrt()


class NormalizedFeatures(BaseFeaturesExtractor):
    """A features extractor whose features are shifted and scaled by their running mean and std.

    Vectors are their own features (``FlattenExtractor``), so that for them this normalises the state.

    Args:
        observation_space: of one lane.
        extractor: from observations to features.
    """

    def __init__(self, observation_space: spaces.Space[object], extractor: BaseFeaturesExtractor) -> None:
        super().__init__(observation_space, extractor.features_dim)
        self.extractor = extractor
        self.moments = RunningMoments(extractor.features_dim)

    def forward(self, observations: Tensor) -> Tensor:
        """Return ``[B, features_dim]``, within ±10."""
        features = self.extractor(observations) - self.moments.mean.float()
        normal: Tensor = features / self.moments.std.float()
        return normal.clamp(-_MOST, _MOST)

    @torch.no_grad()
    def see(self, observations: Tensor) -> None:
        """Count the features of these observations in, preprocessed as :meth:`forward` takes them."""
        self.moments.update(self.extractor(observations))


class ScaledValue(nn.Module):
    """A value layer that learns V/σ and tells V; σ is the running std of what V is taught.

    To divide rewards by σ is to divide V by it. Doing it here leaves rewards as they are for everybody else.

    Args:
        layer: one output.

    Attributes:
        scale: σ, float32 scalar; 1 until :meth:`update`.
    """

    scale: Tensor

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        self.layer = layer
        self.moments = RunningMoments()
        self.register_buffer("scale", torch.ones(()))

    def forward(self, latent: Tensor) -> Tensor:
        """Return V, ``[B, 1]``."""
        value: Tensor = self.layer(latent) * self.scale
        return value

    @torch.no_grad()
    def update(self, returns: Tensor) -> None:
        """Take more returns in, ``[N]``, and change the layer so that V stays the same.

        Van Hasselt et al. 2016 (arXiv 1602.07714), section 2.2: "preserving outputs precisely".
        """
        self.moments.update(returns)
        scale = self.moments.std.float()
        for part in self.layer.parameters():
            part.mul_(self.scale / scale)
        self.scale.copy_(scale)
