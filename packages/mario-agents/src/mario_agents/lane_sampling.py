"""Samples actions with a generator per lane, so that they do not depend on how many lanes act at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.distributions import (
    BernoulliDistribution,
    CategoricalDistribution,
    DiagGaussianDistribution,
    MultiCategoricalDistribution,
)
from stable_baselines3.common.policies import ActorCriticPolicy

from mario_agents.algorithms.ppo_max.distributions import Hybrid, TanhGaussian


def sample_actions(
    model: BaseAlgorithm, observations: Any, generators: Sequence[np.random.Generator]
) -> NDArray[Any] | None:
    """Sample one action per lane as ``model.predict`` would, each with its lane's own generator.

    Networks add up in another order for another number of lanes, so that what follows can differ in the last
    digits of a float, and an action only where its draw falls between two such values.

    Args:
        model: the agent.
        observations: a batch of its observation space, first axis lanes.
        generators: one per lane.

    Returns:
        A batch of actions; None for agents that sample otherwise: recurrent ones, those with
        state-dependent exploration, and those that do not sample at all.
    """
    policy: Any = model.policy
    # Where there are several actors, the policy knows which one acts.
    knows = hasattr(policy, "get_action_dist_params")
    actor: Any = policy if knows else getattr(policy, "actor", None)
    squashed = hasattr(actor, "get_action_dist_params") and not getattr(policy, "deterministic", False)
    # RecurrentActorCriticPolicy is a subclass, and needs its state.
    plain = isinstance(policy, ActorCriticPolicy) and not hasattr(policy, "lstm_actor")
    if model.use_sde or not (squashed or plain):
        return None
    policy.set_training_mode(False)
    with torch.no_grad():
        tensors, _ = policy.obs_to_tensor(observations)
        if squashed:
            mean, log_std, _ = actor.get_action_dist_params(tensors)
            drawn = np.tanh(_normal(mean, log_std.exp(), generators))
        else:
            drawn = _draw(policy.get_distribution(tensors), generators)
    drawn = drawn.reshape(-1, *model.action_space.shape)  # type: ignore[misc] # these spaces have one
    # What BasePolicy.predict does: squashed numbers are stretched to the box, others cut to it.
    if policy.squash_output:
        drawn = policy.unscale_action(drawn)
    elif isinstance(model.action_space, spaces.Box):
        drawn = np.clip(drawn, model.action_space.low, model.action_space.high)
    return drawn.astype(model.action_space.dtype, copy=False)


def _draw(distribution: Any, generators: Sequence[np.random.Generator]) -> NDArray[Any]:
    match distribution:
        case Hybrid():
            chances, lengths = distribution.press.sigmoid().numpy(), distribution.length.exp()
            pressed = np.stack([one.random(chances.shape[1]) for one in generators]) < chances
            for_long = np.stack([_pick(one, generators) for one in lengths.unbind(dim=1)], axis=1)
            return distribution.actions_of(torch.from_numpy(pressed * (1 + for_long))).numpy()
        case TanhGaussian():
            gaussian = distribution.gaussian
            return np.tanh(_normal(gaussian.mean, gaussian.log_std.exp(), generators))
        case CategoricalDistribution():
            return _pick(distribution.distribution.probs, generators)
        case MultiCategoricalDistribution():
            return np.stack([_pick(part.probs, generators) for part in distribution.distribution], axis=1)
        case BernoulliDistribution():
            chances = distribution.distribution.probs.numpy()
            return np.stack([one.random(chances.shape[1]) for one in generators]) < chances
        case DiagGaussianDistribution():
            normal = distribution.distribution
            return _normal(normal.mean, normal.stddev, generators)
        case _:
            raise TypeError(f"no way to sample from {type(distribution).__name__}")


def _pick(chances: torch.Tensor, generators: Sequence[np.random.Generator]) -> NDArray[np.int64]:
    """Choose one of ``[lanes, n]`` by its probability: the first whose cumulated probability is reached."""
    reached = np.cumsum(chances.numpy().astype(np.float64), axis=1)
    draws = np.array([one.random() for one in generators]) * reached[:, -1]
    return np.asarray((reached <= draws[:, None]).sum(axis=1))


def _normal(
    mean: torch.Tensor, std: torch.Tensor, generators: Sequence[np.random.Generator]
) -> NDArray[np.float32]:
    noise = np.stack([one.standard_normal(mean.shape[1], np.float32) for one in generators])
    return np.asarray(mean.numpy() + std.numpy() * noise)
