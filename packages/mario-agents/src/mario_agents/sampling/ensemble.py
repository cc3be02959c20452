"""An ensemble of actors as stacked networks, one per lane group (the manual's T2)."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from stable_baselines3.common.distributions import DiagGaussianDistribution
from stable_baselines3.common.policies import ActorCriticPolicy
from torch import nn
from torch.func import functional_call, stack_module_state


class Ensemble:
    """N policies whose weights differ, evaluated in one batched product, as EDAC does with its critics.

    The lanes are divided into N groups of equal size, in order, and group g acts with policy g. One actor
    with one network needs nothing of this: its lanes are one batch already.

    Args:
        policies: of one architecture (Stable-Baselines3's actor-critics without state-dependent exploration);
            their weights are copied.

    Raises:
        ValueError: the policies cannot be stacked.

    Example:
        >>> from gymnasium import spaces
        >>> def make(): return ActorCriticPolicy(spaces.Box(-1, 1, (3,)), spaces.Discrete(2), lambda _: 1e-3)
        >>> ensemble = Ensemble([make(), make()])
        >>> actions, values, log_probs = ensemble.act(torch.zeros(8, 3))
        >>> actions.shape, values.shape, log_probs.shape
        (torch.Size([8]), torch.Size([8]), torch.Size([8]))
    """

    def __init__(self, policies: Sequence[ActorCriticPolicy]) -> None:
        if len({_shapes(policy) for policy in policies}) != 1:
            raise ValueError("an ensemble is of one policy at least, and all of one architecture")
        if policies[0].use_sde:
            raise ValueError("policies that explore by state have noise of their own and cannot be stacked")
        self._size = len(policies)
        networks = [_Network(deepcopy(policy).train(False)) for policy in policies]
        self._weights, self._buffers = stack_module_state(networks)
        self._distribution = deepcopy(policies[0].action_dist)
        self._network = networks[0]

    def act(
        self, observations: Any, deterministic: bool = False
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Act in all lanes.

        Args:
            observations: tensor ``[lanes, ...]``, or a dict of such.
            deterministic: take the most likely action.

        Returns:
            Actions ``[lanes, ...]``, values ``[lanes]`` and log-probabilities ``[lanes]``.

        Raises:
            ValueError: the lanes cannot be divided evenly.
        """
        with torch.no_grad():
            outputs, values = torch.vmap(self._call, randomness="error")(
                self._weights, self._buffers, self._grouped(observations)
            )
        outputs = outputs.flatten(0, 1)
        if isinstance(self._distribution, DiagGaussianDistribution):
            log_std = self._weights["policy.log_std"].detach()
            lanes = len(outputs) // self._size
            distribution: Any = self._distribution.proba_distribution(
                outputs, log_std.repeat_interleave(lanes, dim=0)
            )
        else:
            distribution = self._distribution.proba_distribution(outputs)
        actions = distribution.get_actions(deterministic=deterministic)
        return actions, values.flatten(), distribution.log_prob(actions)

    def _call(self, weights: Any, buffers: Any, observations: Any) -> Any:
        return functional_call(self._network, (weights, buffers), (observations,))

    def _grouped(self, observations: Any) -> Any:
        if isinstance(observations, dict):
            return {key: self._grouped(part) for key, part in observations.items()}
        if len(observations) % self._size:
            raise ValueError(
                f"{len(observations)} lanes cannot be divided evenly among {self._size} policies"
            )
        return observations.unflatten(0, (self._size, -1))


class _Network(nn.Module):
    """A policy up to the numbers that its distribution is made of, and its value."""

    def __init__(self, policy: ActorCriticPolicy) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, observations: Any) -> tuple[torch.Tensor, torch.Tensor]:
        policy = self.policy
        features: Any = policy.extract_features(observations)
        if policy.share_features_extractor:
            latent_pi, latent_vf = policy.mlp_extractor(features)
        else:
            latent_pi = policy.mlp_extractor.forward_actor(features[0])
            latent_vf = policy.mlp_extractor.forward_critic(features[1])
        return policy.action_net(latent_pi), policy.value_net(latent_vf)


def _shapes(policy: ActorCriticPolicy) -> tuple[Any, ...]:
    return tuple((name, tuple(tensor.shape)) for name, tensor in policy.state_dict().items())
