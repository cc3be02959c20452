"""Demonstrations into the replay of an algorithm."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BasePolicy

from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError
from mario_agents.storage.replay import StoreReplay, make_store
from mario_agents.storage.segment import Segment
from mario_agents.teaching.demonstrations import is_movie, read_episodes
from mario_agents.teaching.movies import play_episode

_ABLE = "ppo_q with data mixed or off-policy, sac, td3, ddpg, tqc, crossq, dqn, qrdqn"


def replay_demonstrations(model: BaseAlgorithm, config: TrainConfig) -> None:
    """Let an algorithm replay the run's demonstrations beside what it plays itself.

    They are played or read anew in each call of train and resume, in the environment of the level, as reward
    and observations are that environment's; the same seed plays the same.

    Args:
        model: whose replay is fed by a learner.
        config: of the run, at its level.

    Raises:
        AgentsError: the algorithm keeps no replay, or a demonstration cannot be used.
    """
    settings, replay = config.demonstrations, getattr(model, "replay_buffer", None)
    assert settings is not None
    if not isinstance(replay, StoreReplay) or getattr(model, "data", None) == "on-policy":
        raise AgentsError(
            f"{config.algorithm} keeps no replay as it is set up here: leave --demonstrations out, or use "
            f"one of {_ABLE}"
        )
    if config.priority_exponent > 0:
        raise AgentsError(
            "demonstrations have no priorities: leave --demonstrations or priority_exponent out"
        )
    episodes = [_as_stored(_read(Path(text), model, config), model) for text in settings.demonstrations]
    shown = make_store("transitions", sum(map(len, episodes)), model.observation_space)
    for number, episode in enumerate(episodes):
        shown.add(replace(episode, lane=number))
    replay.show(shown, settings.share)
    number, worth = len(episodes), sum(float(episode.rewards.sum()) for episode in episodes)
    print(
        f"replays {len(shown):,} transitions of {number:,} demonstration{'s' * (number > 1)}, whose rewards "
        f"sum to {worth:,.2f}",
        file=sys.stderr,
    )


def _read(path: Path, model: BaseAlgorithm, config: TrainConfig) -> Segment:
    if is_movie(path):
        return play_episode(path, config.env_id, config.env_kwargs, config.seed)
    return read_episodes(path, model.observation_space, model.action_space)


def _as_stored(episode: Segment, model: BaseAlgorithm) -> Segment:
    """Return an episode with its actions as a replay has them, ``[T, n]``: a Box's within −1 and 1."""
    actions = episode.actions
    if isinstance(model.action_space, spaces.Box):
        assert isinstance(model.policy, BasePolicy)
        actions = np.asarray(model.policy.scale_action(actions), np.float32)
    return replace(episode, actions=actions.reshape(len(episode), -1))
