"""PPO-Q's networks: SAC's actor, its anchor, and critics that are stacked into one batched product."""

from __future__ import annotations

import itertools
import math
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import BaseModel
from stable_baselines3.common.preprocessing import get_action_dim
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor, NatureCNN
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.sac.policies import Actor, SACPolicy
from torch import Tensor, nn

from mario_agents.algorithms.ppo_q.losses import Gaussian


class StackedLinear(nn.Module):
    """N linear layers in one product: ``[N, B, in]`` or ``[B, in]`` → ``[N, B, out]``.

    Args:
        copies: N.
        in_features: of each.
        out_features: of each.
    """

    def __init__(self, copies: int, in_features: int, out_features: int) -> None:
        super().__init__()
        # Each copy begins as nn.Linear does.
        bound = 1.0 / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.empty(copies, in_features, out_features).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.empty(copies, 1, out_features).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Apply copy i to row i."""
        return torch.baddbmm(self.bias, x.expand(len(self.weight), *x.shape[-2:]), self.weight)


class StackedLayerNorm(nn.Module):
    """A LayerNorm for each of N stacked layers."""

    def __init__(self, copies: int, features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(copies, 1, features))
        self.bias = nn.Parameter(torch.zeros(copies, 1, features))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise over the last axis."""
        return torch.addcmul(self.bias, nn.functional.layer_norm(x, x.shape[-1:]), self.weight)


class StackedCritic(BaseModel):
    """N critics Q(s, a) over one features extractor.

    Args:
        observation_space: of one lane.
        action_space: of one lane.
        net_arch: hidden sizes of each critic.
        features_extractor: from observations to features.
        features_dim: how many.
        activation_fn: between layers.
        normalize_images: divide pictures by 255.
        n_critics: N.
        layer_norm: normalise before each activation.
        action_net: None has the action enter the first layer beside the features, as SAC has it. With hidden
            sizes, the action has a network of its own, without features, and Q is the product of its last
            layer, beside the action itself and a 1, with that of the features' network.
    """

    features_extractor: BaseFeaturesExtractor

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Box,
        net_arch: list[int],
        features_extractor: BaseFeaturesExtractor,
        features_dim: int,
        activation_fn: type[nn.Module] = nn.ReLU,
        normalize_images: bool = True,
        n_critics: int = 2,
        layer_norm: bool = True,
        action_net: list[int] | None = None,
    ) -> None:
        super().__init__(
            observation_space,
            action_space,
            features_extractor=features_extractor,
            normalize_images=normalize_images,
        )
        self.n_critics = n_critics
        numbers = get_action_dim(action_space)
        self.action_networks: nn.Sequential | None = None
        size, outputs = features_dim + numbers, 1
        if action_net is not None:
            size, outputs = features_dim, 1 + numbers + action_net[-1]
            self.action_networks = nn.Sequential()
            for sizes in itertools.pairwise([numbers, *action_net]):
                # Smooth, as the actor follows its slope.
                self.action_networks.extend([StackedLinear(n_critics, *sizes), nn.Tanh()])
        layers: list[nn.Module] = []
        for width in net_arch:
            layers.append(StackedLinear(n_critics, size, width))
            if layer_norm:
                layers.append(StackedLayerNorm(n_critics, width))
            layers.append(activation_fn())
            size = width
        last = StackedLinear(n_critics, size, outputs)
        if action_net is not None:
            # No action is better than another before anything was seen.
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
        self.q_networks = nn.Sequential(*layers, last)

    def forward(self, observations: PyTorchObs, actions: Tensor) -> Tensor:
        """Return Q of each critic, ``[N, B]``; actions are ``[B, n]`` in (-1, 1).

        Of K actions in each state, ``[K, B, n]``, it returns ``[N, K, B]``.
        """
        features = self.extract_features(observations, self.features_extractor)
        if self.action_networks is None:
            inputs = torch.cat([features.expand(*actions.shape[:-1], -1), actions], dim=-1)
            values: Tensor = self.q_networks(inputs.flatten(0, -2))
        else:
            # The features' network answers once for all K actions, and no action's gradient passes it.
            weights = self.q_networks(features)[:, None]
            each = actions.flatten(0, -2).expand(self.n_critics, -1, -1)
            terms = torch.cat([torch.ones_like(each[..., :1]), each, self.action_networks(each)], dim=-1)
            shape = (self.n_critics, -1, len(features), terms.shape[-1])
            values = (weights * terms.view(shape)).sum(dim=-1)
        return values.view(self.n_critics, *actions.shape[:-1])


class PPOQActor(Actor):
    """SAC's actor with a log std that is bounded, begins where it is told, and may be normalised.

    Args:
        log_std_init: log σ at the beginning, before tanh, of every button.
        log_std_min: least log σ.
        log_std_max: greatest log σ.
        layer_norm: normalise before each activation.
        trains_features: let the actor's loss reach the features extractor.
        **arguments: SAC's.
    """

    def __init__(
        self,
        *,
        log_std_init: float = 0.0,
        log_std_min: float = -5.0,
        log_std_max: float = 2.0,
        layer_norm: bool = True,
        trains_features: bool = True,
        **arguments: Any,
    ) -> None:
        super().__init__(**arguments, log_std_init=log_std_init)
        self.trains_features = trains_features
        self.log_std_min, self.log_std_max = log_std_min, log_std_max
        if layer_norm:
            layers: list[nn.Module] = []
            for layer in self.latent_pi:
                layers.append(layer)
                if isinstance(layer, nn.Linear):
                    layers.append(nn.LayerNorm(layer.out_features))
            self.latent_pi = nn.Sequential(*layers)
        std_layer: Any = self.log_std  # annotated as gSDE's parameter, a layer without gSDE
        with torch.no_grad():
            std_layer.bias += log_std_init

    def get_action_dist_params(self, obs: PyTorchObs) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return μ and log σ, ``[B, n]`` each, and nothing more."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.trains_features):
            features = self.extract_features(obs, self.features_extractor)
        latent = self.latent_pi(features)
        log_std: Tensor = self.log_std(latent)  # type: ignore[operator] # a layer, without gSDE
        return self.mu(latent), log_std.clamp(self.log_std_min, self.log_std_max), {}

    def gaussian(self, obs: PyTorchObs) -> Gaussian:
        """Return the policy's distribution before tanh."""
        mean, log_std, _ = self.get_action_dist_params(obs)
        return Gaussian(mean, log_std)


class PPOQPolicy(SACPolicy):
    """An actor, its anchor (the policy that the ratio is taken to), critics and their targets.

    Args:
        observation_space: of one lane.
        action_space: of one lane.
        lr_schedule: learning rate.
        share_features_extractor: one extractor for critics and actor, trained by the critics' loss alone, as
            agents that learn Q from pictures do (DrQ, arXiv 2004.13649); faster than two.
        n_critics: N, stacked into one batched product.
        layer_norm: normalise before each activation, in actor and critics (CrossQ, REPPO: what makes critics
            stable without target networks).
        action_net: hidden sizes of a network of the action's own in each critic, at least one; None has none.
        log_std_init: log σ at the beginning.
        log_std_min: least log σ.
        log_std_max: greatest log σ.
        deterministic: act without noise: a = tanh(μ), as TD3 and DDPG do.
        **arguments: those of Stable-Baselines3's ``SACPolicy``.
    """

    actor: PPOQActor
    anchor: PPOQActor
    critic: StackedCritic  # type: ignore[assignment] # one product instead of a list of networks
    critic_target: StackedCritic  # type: ignore[assignment]

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        action_space: spaces.Box,
        lr_schedule: Schedule,
        *,
        layer_norm: bool = True,
        action_net: list[int] | None = None,
        log_std_init: float = 0.0,
        log_std_min: float = -5.0,
        log_std_max: float = 2.0,
        deterministic: bool = False,
        share_features_extractor: bool = False,
        **arguments: Any,
    ) -> None:
        self._actor_only = {"log_std_min": log_std_min, "log_std_max": log_std_max, "layer_norm": layer_norm}
        self._critic_only = {"layer_norm": layer_norm, "action_net": action_net}
        self.deterministic = deterministic
        self._shared = share_features_extractor
        super().__init__(observation_space, action_space, lr_schedule, log_std_init=log_std_init, **arguments)

    def _build(self, lr_schedule: Schedule) -> None:
        self.critic = self.make_critic()
        self.actor = self.make_actor(self.critic.features_extractor if self._shared else None)
        self.critic_target, self.anchor = self.make_critic(), self.make_actor()
        for copy, original in ((self.critic_target, self.critic), (self.anchor, self.actor)):
            copy.load_state_dict(original.state_dict())
            copy.requires_grad_(False)
            copy.set_training_mode(False)
        own = [
            weight
            for name, weight in self.actor.named_parameters()
            if not (self._shared and name.startswith("features_extractor"))
        ]
        for network, weights in ((self.actor, own), (self.critic, list(self.critic.parameters()))):
            network.optimizer = self.optimizer_class(
                weights,
                lr=lr_schedule(1),  # type: ignore[call-arg] # as in Stable-Baselines3
                **self.optimizer_kwargs,
            )

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> PPOQActor:
        """Make an actor."""
        arguments = self._update_features_extractor(self.actor_kwargs, features_extractor)
        return PPOQActor(**{**arguments, **self._actor_only}, trains_features=features_extractor is None).to(
            self.device
        )

    def make_critic(  # type: ignore[override] # one product instead of a list of networks
        self, features_extractor: BaseFeaturesExtractor | None = None
    ) -> StackedCritic:
        """Make the critics."""
        arguments = self._update_features_extractor(self.critic_kwargs, features_extractor)
        del arguments["share_features_extractor"]
        return StackedCritic(**{**arguments, **self._critic_only}).to(self.device)

    def _predict(self, observation: PyTorchObs, deterministic: bool = False) -> Tensor:
        return self.actor(observation, deterministic or self.deterministic)  # type: ignore[no-any-return]

    def _get_constructor_parameters(self) -> dict[str, Any]:
        return {
            **super()._get_constructor_parameters(),
            **self._actor_only,
            **self._critic_only,
            "deterministic": self.deterministic,
            "share_features_extractor": self._shared,
        }


class PPOQCnnPolicy(PPOQPolicy):
    """For pictures."""

    def __init__(
        self, *spaces_and_rate: Any, features_extractor_class: Any = NatureCNN, **arguments: Any
    ) -> None:
        super().__init__(*spaces_and_rate, features_extractor_class=features_extractor_class, **arguments)


class PPOQMultiInputPolicy(PPOQPolicy):
    """For Dict observations."""

    def __init__(
        self, *spaces_and_rate: Any, features_extractor_class: Any = CombinedExtractor, **arguments: Any
    ) -> None:
        super().__init__(*spaces_and_rate, features_extractor_class=features_extractor_class, **arguments)
