"""From what the user asked for to the settings of a run, everything checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from pydantic import ValidationError

from mario_agents import hyperparams as hp
from mario_agents.algorithms.registry import check_action_space, find_algorithm
from mario_agents.config import TrainConfig
from mario_agents.env_ids import find_env
from mario_agents.errors import AgentsError
from mario_agents.sampling.fitting import check_sampling, default_store
from mario_agents.sampling.vec_env import LaneVecEnv, make_lanes


def configure_run(
    algorithm_name: str,
    env_id: str,
    *,
    steps: int,
    minutes: float | None = None,
    frames: int | None = None,
    seed: int | None = None,
    lanes: int | None = None,
    overrides: Mapping[str, Any] | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    **settings: Any,
) -> TrainConfig:
    """Settle everything about a run before anything is written.

    Args:
        algorithm_name: such as ``"ppo"``.
        env_id: Gymnasium ID.
        steps: budget in environment steps, summed over lanes.
        minutes: budget in minutes.
        frames: budget in emulated frames, summed over lanes.
        seed: drawn at random if None, and recorded.
        lanes: overrides the hyper-parameter file's.
        overrides: hyper-parameters set by the user.
        env_kwargs: keyword arguments of the environment.
        **settings: further fields of :class:`TrainConfig`.

    Raises:
        AgentsError: an unknown or unfitting name or value; the message names the nearest valid one.
    """
    algorithm = find_algorithm(algorithm_name)
    observation_space, action_space = probe_spaces(env_id, env_kwargs or {})
    check_action_space(algorithm, action_space)
    chosen = hp.choose(algorithm, env_id, observation_space, overrides)
    file_lanes, policy = (chosen.pop(key) for key in hp.OUR_KEYS)
    replay = {key: chosen.pop(key) for key in hp.REPLAY_KEYS if key in chosen}
    try:
        config = TrainConfig(
            algorithm=algorithm.name,
            env_id=env_id,
            env_kwargs=dict(env_kwargs or {}),
            steps=steps,
            minutes=minutes,
            frames=frames,
            seed=int(np.random.SeedSequence().generate_state(1)[0] >> 1) if seed is None else seed,
            lanes=lanes or file_lanes,
            hyperparams=chosen,
            policy=policy,
            **replay,
            **{
                **settings,
                "store": settings.get("store") or default_store(algorithm),
                "discount_per": settings.get("discount_per") or algorithm.discount_per,
            },
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise AgentsError(f"{first['loc'][0]} {first['input']!r}: {first['msg']}") from None
    check_sampling(algorithm, config)
    if config.demonstrations is not None and config.discriminator is not None:
        raise AgentsError(
            "demonstrations in the replay have the environment's rewards, not the discriminator's: leave "
            "--demonstrations or --discriminator out"
        )
    for number in range(len(config.curriculum)):
        if probe_spaces(env_id, config.at_level(number).env_kwargs) != (observation_space, action_space):
            raise AgentsError(
                f"level {number + 1} of the curriculum sees or does something else than the run's "
                "environment: let observations and actions be, and change what is rewarded"
            )
    if any(level.success is not None for level in config.curriculum):
        _check_tells_clears(config)
    if config.pace == "own":
        _check_can_send(config)
    return config


def _check_tells_clears(config: TrainConfig) -> None:
    with OpenLanes(find_env(config.env_id), 1, config.env_kwargs, config.env_id) as lanes:
        if "clear" not in lanes.batch.metadata.get("episode_info", ()):
            raise AgentsError(
                f"{config.env_id} does not tell which episodes succeed (no 'clear' in its "
                "metadata['episode_info']): a level of it can end with until, not with success"
            )


def _check_can_send(config: TrainConfig) -> None:
    with OpenLanes(find_env(config.env_id), 1, config.env_kwargs, config.env_id) as lanes:
        if not lanes.can_send:
            raise AgentsError(f"{config.env_id} cannot send some lanes ahead of others: leave --pace own out")


def probe_spaces(env_id: str, env_kwargs: Mapping[str, Any]) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    """Return the observation and action space of one lane.

    Raises:
        AgentsError: the environment is unknown or refuses its options.
    """
    with OpenLanes(find_env(env_id), 1, env_kwargs, env_id) as lanes:
        return lanes.observation_space, lanes.action_space


class OpenLanes:
    """Make lanes, say in one line why they cannot be made, and close them."""

    def __init__(self, spec: EnvSpec, lanes: int, env_kwargs: Mapping[str, Any], env_id: str) -> None:
        try:
            self._lanes = make_lanes(spec, lanes, env_kwargs)
        except Exception as error:  # environments raise what they like; a user's option is what differs
            raise AgentsError(f"{env_id} cannot be made: {' '.join(str(error).split())}") from error

    def __enter__(self) -> LaneVecEnv:
        return self._lanes

    def __exit__(self, *_: object) -> None:
        self._lanes.close()
