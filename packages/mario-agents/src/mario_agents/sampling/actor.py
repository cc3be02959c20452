"""An actor: some lanes, and a copy of the algorithm that plays in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sb3_contrib import QRDQN
from stable_baselines3 import DQN
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.noise import ActionNoise, VectorizedActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq
from stable_baselines3.common.utils import set_random_seed

from mario_agents import hyperparams as hp
from mario_agents.algorithms.registry import find_algorithm
from mario_agents.config import TrainConfig
from mario_agents.env_ids import find_env
from mario_agents.errors import AgentsError
from mario_agents.sampling.block import Block
from mario_agents.sampling.catching import CatchSteps
from mario_agents.sampling.own_pace import OwnPace
from mario_agents.sampling.own_random import OwnRandom
from mario_agents.sampling.trouble import check_finite, raised
from mario_agents.sampling.vec_env import make_lanes
from mario_agents.schedules import Budget


@dataclass(frozen=True)
class Clock:
    """Where the learner stands: warm-up and exploration depend on it.

    Attributes:
        steps: environment steps so far, summed over lanes.
        total_steps: the budget.
    """

    steps: int = 0
    total_steps: int = 1


def first_step_of(beginning: int) -> int:
    """Return what an actor counts its steps from: far from all steps of those before it in the same lanes.

    Args:
        beginning: how many there were.
    """
    return beginning << 40


class Actor:
    """Plays in its share of a run's lanes, with the algorithm's own ``collect_rollouts`` and random streams.

    Args:
        config: the run's settings; its lanes are divided evenly among its actors.
        number: which actor, from 0.
        seed: of its random streams and of its first lane; the next lane gets one more.
        device: where its network lies.
        first_step: what to count its steps from, see :func:`first_step_of`.

    Attributes:
        version: of the weights that it acts with.
        first_step: steps that each of its lanes has played.
    """

    def __init__(
        self, config: TrainConfig, number: int, seed: int, device: str = "cpu", first_step: int = 0
    ) -> None:
        self.number = number
        self._lanes = config.lanes // config.actors
        self._first_lane = number * self._lanes
        self._random = OwnRandom()
        self.seed, self.version, self.first_step = seed, 0, first_step
        self._began_at = first_step
        with self._random:
            set_random_seed(seed)  # environments may draw from these streams when they are made
            envs = make_lanes(
                find_env(config.env_id),
                self._lanes,
                config.env_kwargs,
                infos=("frames",),
                skip=config.on_trouble == "skip",
            )
            names = tuple(envs.batch.metadata.get("episode_info", ()))
            settings = dict(config.hyperparams)
            # What it plays is stored, and learned from, by the learner. PPO would warn of minibatches that
            # these lanes alone do not fill.
            if "buffer_size" in settings:
                settings["buffer_size"] = 1
            if {"n_steps", "batch_size"} <= settings.keys():
                settings["batch_size"] = settings["n_steps"] * self._lanes
            self.model: BaseAlgorithm = hp.build(
                find_algorithm(config.algorithm), settings, config.policy, envs, Budget(),
                device=device, seed=seed,
            )  # fmt: skip
            assert self.model.env is not None
            self._envs = self.model.env  # the lanes, channels of pictures first
            self._holds = envs.holds
            # Environments of a class may share one space, and with it the random stream of its samples.
            self.model.action_space = deepcopy(self.model.action_space)
            self.model.action_space.seed(seed)
            # What learn() sets up before it collects; an actor has nothing to log.
            self.model.set_logger(Logger(None, []))
            self.model.ep_info_buffer, self.model.ep_success_buffer = deque(maxlen=1), deque(maxlen=1)
            self._catch = CatchSteps(names)
            self._catch.init_callback(self.model)
            self.model._last_obs = self._envs.reset()  # type: ignore[assignment]
            self.model._last_episode_starts = np.ones(self._lanes, bool)
            self._last_values: NDArray[np.float32] = np.zeros(0, np.float32)
            self._noise = getattr(self.model, "action_noise", None)
            self._own_pace: OwnPace | None = None
            if config.pace == "own":
                if self._envs is not envs:
                    raise AgentsError("--pace own takes pictures with their channels first: leave it out")
                self._own_pace = OwnPace(self.model, envs, self._noises(), names)
            elif self._noise is not None and self._lanes > 1:
                self._noise = VectorizedActionNoise(self._noise, self._lanes)

    def _noises(self) -> list[ActionNoise]:
        return [] if self._noise is None else [deepcopy(self._noise) for _ in range(self._lanes)]

    def load(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Act with these weights from now on.

        Args:
            version: updates that they have had.
            weights: the policy's state dict.
        """
        self.model.policy.load_state_dict(weights)
        self.version = version

    def collect(self, length: TrainFreq, clock: Clock, keep_going: Callable[[], bool]) -> Block | None:
        """Play.

        Args:
            length: steps of each lane, or episodes if there is one lane.
            clock: where the learner stands.
            keep_going: asked in every step; False ends the rollout.

        Returns:
            What was played; None if it was ended.

        Raises:
            EnvironmentTroubleError: an environment raised, or gave numbers that are none.
        """
        model = self.model
        model.num_timesteps, model._total_timesteps = clock.steps, clock.total_steps
        model._update_current_progress_remaining(clock.steps, clock.total_steps)
        caught = self._own_pace or self._catch
        caught.begin(keep_going)
        try:
            with self._random:
                whole = self._play(length)
        except Exception as error:  # environments raise what they like
            trouble = raised(error, self._first_lane, self._lanes, self.seed, self.steps)
            if trouble is None:
                raise
            raise trouble from error
        if not whole:
            return None
        place = self.number, self._first_lane, self.first_step, self.version
        block = (
            self._catch.block(*place, self._last_values)
            if self._own_pace is None
            else self._own_pace.block(*place)
        )
        before = self.first_step - self._began_at
        check_finite(block, self.seed, before)
        troubles = tuple(
            f"lane {self._first_lane + lane} (seed {self.seed + lane}) failed in step {before + step}: {what}"
            for step, lane, what in self._catch.troubles
        )
        self.first_step += block.steps
        caught.begin(keep_going)
        return replace(block, troubles=troubles, holds=self._holds.take())

    def _play(self, length: TrainFreq) -> bool:
        model = self.model
        if isinstance(model, DQN | QRDQN):  # they set it after each step only
            model.exploration_rate = model.exploration_schedule(model._current_progress_remaining)
        if self._own_pace is not None:
            return self._own_pace.play(length.frequency)
        if isinstance(model, OnPolicyAlgorithm):
            # The learner computes returns; the value of what follows is all that is needed here.
            buffer: Any = model.rollout_buffer
            buffer.compute_returns_and_advantage = self._keep_last_values
            buffer.add = _add_nothing
            return model.collect_rollouts(self._envs, self._catch, buffer, length.frequency)
        assert isinstance(model, OffPolicyAlgorithm)
        model._store_transition = self._see  # type: ignore[assignment, method-assign] # it stores
        replay: Any = model.replay_buffer  # nothing is put into it
        played = model.collect_rollouts(
            self._envs, self._catch, length, replay, self._noise, model.learning_starts
        )
        return played.continue_training

    @property
    def steps(self) -> int:
        """Steps that each lane has played by its seed, those of a block that is not yet whole included."""
        return self.first_step - self._began_at + (self._own_pace or self._catch).steps

    def _see(self, buffer: object, actions: object, observations: Any, *_: object) -> None:
        self.model._last_obs = observations

    def _keep_last_values(self, last_values: torch.Tensor, dones: NDArray[np.bool_]) -> None:
        self._last_values = last_values.detach().cpu().numpy().reshape(-1).astype(np.float32)

    def close(self) -> None:
        """Close the lanes."""
        self._envs.close()


def _add_nothing(*_: object, **__: object) -> None:
    """Stand in for the ``add`` of a buffer: what is played goes into the learner's."""
