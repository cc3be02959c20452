"""The network that tells a demonstrator's pairs of observations from an agent's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, preprocess_obs
from stable_baselines3.common.torch_layers import NatureCNN
from torch import Tensor, nn

from mario_agents.algorithms.features import TilesFeatures
from mario_agents.errors import AgentsError, did_you_mean
from mario_agents.storage.segment import Leaves

#: Rows and columns that a picture must have for three convolutions to leave something of it.
_NATURE = 36


class Discriminator(nn.Module):
    """f(s, s') = log D(s, s') − log(1 − D(s, s')) of two observations in a row. No action is an input.

    Both are laid one behind the other: channels upon channels for :class:`NatureCNN` (pictures) and
    :class:`TilesFeatures` (other grids), numbers beside numbers for two layers (anything else).

    Args:
        space: observation space of one lane.
        keys: of a Dict space, what is seen; None is what has rows and columns, or all where nothing has.
        hidden: features before the last layer.

    Attributes:
        keys: the same, settled; "" where the space is no Dict.

    Raises:
        AgentsError: there is no such key, or an observation of a kind that no network here sees.
    """

    def __init__(
        self, space: spaces.Space[Any], keys: Sequence[str] | None = None, hidden: int = 256
    ) -> None:
        super().__init__()
        parts = space.spaces if isinstance(space, spaces.Dict) else {"": space}
        grids = [key for key, part in parts.items() if _is_grid(part)]
        self.keys = tuple(keys or grids or parts)
        for key in self.keys:
            if key not in parts:
                raise AgentsError(
                    f"the observation has no key {key!r}{did_you_mean(key, parts)}: change keys of the "
                    "discriminator"
                )
        self._spaces = {key: parts[key] for key in self.keys}
        pairs = {_name(key): _pair_space(part) for key, part in self._spaces.items()}
        first = next(iter(pairs.values()))
        if len(pairs) == 1 and first.dtype == np.uint8 and min(first.shape[1:]) >= _NATURE:
            self.features: nn.Module = NatureCNN(first, hidden)
        elif any(len(part.shape) == 3 for part in pairs.values()):
            self.features = TilesFeatures(spaces.Dict({**pairs}), hidden)
        else:
            inputs = sum(part.shape[0] for part in pairs.values())
            self.features = nn.Sequential(
                nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU()
            )
        self.head = nn.Linear(hidden, 1)

    def pairs(self, before: Leaves, after: Leaves) -> dict[str, Tensor]:
        """Return what :meth:`forward` takes: float32 ``[B, 2 · channels, rows, columns]``, or ``[B, 2n]``.

        Args:
            before: ``[B, …]`` by key of the space; others than :attr:`keys` are not looked at.
            after: likewise.
        """
        return {
            _name(key): torch.cat([self._numbers(part[key], space) for part in (before, after)], dim=1)
            for key, space in self._spaces.items()
        }

    def _numbers(self, seen: Any, space: spaces.Space[Any]) -> Tensor:
        numbers = preprocess_obs(
            torch.as_tensor(seen, device=self.head.weight.device), space, normalize_images=False
        )
        assert isinstance(numbers, Tensor)
        if _is_grid(space):
            return numbers / 255.0 if _is_picture(space) else numbers
        return numbers.reshape(len(seen), -1)

    def forward(self, pairs: dict[str, Tensor]) -> Tensor:
        """Return f, ``[B]``."""
        if isinstance(self.features, TilesFeatures):
            features = self.features(pairs)
        else:
            features = self.features(torch.cat(list(pairs.values()), dim=1))
        logits: Tensor = self.head(features)
        return logits.squeeze(1)


def _name(key: str) -> str:
    # A module must have a name.
    return key or "observation"


def _is_grid(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box | spaces.MultiBinary) and len(space.shape) == 3


def _is_picture(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and is_image_space(space, check_channels=False)


def _pair_space(space: spaces.Space[Any]) -> spaces.Box:
    """Return the space of two observations, one behind the other."""
    if _is_grid(space):
        assert space.shape is not None
        doubled = (2 * space.shape[0], *space.shape[1:])
        if _is_picture(space):
            return spaces.Box(0, 255, doubled, np.uint8)
        return spaces.Box(-np.inf, np.inf, doubled)
    if not isinstance(space, spaces.Box | spaces.Discrete | spaces.MultiBinary | spaces.MultiDiscrete):
        raise AgentsError(f"a discriminator sees arrays of numbers, not {space}: change its keys")
    return spaces.Box(-np.inf, np.inf, (2 * spaces.flatdim(space),))
