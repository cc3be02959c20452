"""PPO-max's policy: Stable-Baselines3's actor-critic with normalised features, scaled values and heads."""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import get_action_dim, preprocess_obs
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from torch import nn

from mario_agents.algorithms.ppo_max.distributions import Hybrid, TanhGaussian
from mario_agents.algorithms.ppo_max.moments import NormalizedFeatures, ScaledValue
from mario_agents.errors import AgentsError

Head = Literal["plain", "gaussian", "hybrid"]


class PPOMaxPolicy(ActorCriticPolicy):
    """An actor and a critic.

    Args:
        observation_space: of one lane.
        action_space: of one lane.
        lr_schedule: learning rate.
        head: how actions are drawn. "plain" is Stable-Baselines3's own for the action space. For a Box there
            are "gaussian", squashed by tanh, and "hybrid": each button pressed or not, and for how
            long.
        lengths: L, of the hybrid head.
        state_dependent_std: of the gaussian head.
        normalize_features: by their running mean and std, which are part of the weights.
        **arguments: those of Stable-Baselines3's ``ActorCriticPolicy``: ``ortho_init``, ``activation_fn``,
            ``log_std_init``, …

    Raises:
        AgentsError: the action space cannot have that head.
    """

    value_net: ScaledValue  # type: ignore[assignment] # a Linear, scaled

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        lr_schedule: Schedule,
        *,
        head: Head = "plain",
        lengths: int = 10,
        state_dependent_std: bool = False,
        normalize_features: bool = True,
        **arguments: Any,
    ) -> None:
        if head not in get_args(Head):
            raise AgentsError(f"head must be one of {', '.join(get_args(Head))}, not {head!r}")
        if head != "plain" and not isinstance(action_space, spaces.Box):
            raise AgentsError(f"the {head} head acts in a Box, not in {action_space}: use head plain")
        self.head, self.lengths, self.state_dependent_std = head, lengths, state_dependent_std
        self.normalize_features = normalize_features
        super().__init__(observation_space, action_space, lr_schedule, **arguments)
        # What its numbers are: in (-1, 1), to be stretched to the Box.
        self._squash_output = self.squash_output or head == "gaussian"

    def make_features_extractor(self) -> BaseFeaturesExtractor:
        """Make a features extractor."""
        extractor = super().make_features_extractor()
        if not self.normalize_features:
            return extractor
        return NormalizedFeatures(self.observation_space, extractor)

    def _build(self, lr_schedule: Schedule) -> None:
        if isinstance(self.action_space, spaces.Box):
            if self.head == "gaussian":
                self.action_dist = TanhGaussian(get_action_dim(self.action_space), self.state_dependent_std)
            elif self.head == "hybrid":
                self.action_dist = Hybrid(self.action_space, self.lengths)
        super()._build(lr_schedule)
        layer: nn.Module = self.value_net
        assert isinstance(layer, nn.Linear)
        self.value_net = ScaledValue(layer)

    @torch.no_grad()
    def see(self, observations: PyTorchObs) -> None:
        """Count observations into the running moments of features; the policy is another one after that."""
        inputs = preprocess_obs(observations, self.observation_space, normalize_images=self.normalize_images)
        for module in self.modules():
            if isinstance(module, NormalizedFeatures):
                module.see(inputs)  # type: ignore[arg-type] # a dict where the extractor takes one

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            **super()._get_constructor_parameters(),
            "head": self.head,
            "lengths": self.lengths,
            "state_dependent_std": self.state_dependent_std,
            "normalize_features": self.normalize_features,
        }


class PPOMaxCnnPolicy(PPOMaxPolicy):
    """For pictures."""

    def __init__(
        self, *spaces_and_rate: Any, features_extractor_class: Any = NatureCNN, **arguments: Any
    ) -> None:
        super().__init__(*spaces_and_rate, features_extractor_class=features_extractor_class, **arguments)


class PPOMaxMultiInputPolicy(PPOMaxPolicy):
    """For Dict observations."""

    def __init__(
        self, *spaces_and_rate: Any, features_extractor_class: Any = CombinedExtractor, **arguments: Any
    ) -> None:
        super().__init__(*spaces_and_rate, features_extractor_class=features_extractor_class, **arguments)
