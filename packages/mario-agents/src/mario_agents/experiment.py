"""A run from its settings to its folder: lanes, agent, training, checkpoints, manifest; and going on with it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import configure
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from mario_agents import hyperparams as hp
from mario_agents.algorithms.registry import check_action_space, find_algorithm
from mario_agents.checkpoints import list_checkpoints, load_model, read_checkpoint, save_checkpoint
from mario_agents.config import TrainConfig
from mario_agents.env_ids import find_env
from mario_agents.errors import AgentsError
from mario_agents.manifest import Manifest, new_call, now, provenance_of, read_manifest
from mario_agents.progress import ShowProgress
from mario_agents.recording import RecordEpisodes
from mario_agents.sampling.vec_env import LaneVecEnv, make_lanes
from mario_agents.schedules import TimeBudget
from mario_agents.stopping import StopTraining


@dataclass(frozen=True)
class Outcome:
    """How a call of train or resume ended.

    Attributes:
        run: the run folder.
        checkpoint: the last checkpoint.
        stopped_by: ``"steps"``, ``"minutes"``, ``"SIGINT"`` or ``"SIGTERM"``.
        steps: environment steps of the whole run, summed over lanes.
        frames: frames of the whole run.
        episodes: finished episodes of the whole run.
        seconds: seconds of training of the whole run.
        frames_per_second: of this call, updates included.
        means: name → mean over the last episodes.
    """

    run: Path
    checkpoint: Path
    stopped_by: str
    steps: int
    frames: int
    episodes: int
    seconds: float
    frames_per_second: float
    means: dict[str, float]

    @property
    def interrupted(self) -> bool:
        """Whether a signal ended it."""
        return self.stopped_by.startswith("SIG")


def configure_run(
    algorithm_name: str,
    env_id: str,
    *,
    steps: int,
    minutes: float | None = None,
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
    file_lanes, policy, reward_scale = (chosen.pop(key) for key in hp.OUR_KEYS)
    return TrainConfig(
        algorithm=algorithm.name,
        env_id=env_id,
        env_kwargs=dict(env_kwargs or {}),
        steps=steps,
        minutes=minutes,
        seed=int(np.random.SeedSequence().generate_state(1)[0] >> 1) if seed is None else seed,
        lanes=lanes or file_lanes,
        hyperparams=chosen,
        policy=policy,
        reward_scale=reward_scale,
        **settings,
    )


def probe_spaces(env_id: str, env_kwargs: Mapping[str, Any]) -> tuple[spaces.Space[Any], spaces.Space[Any]]:
    """Return the observation and action space of one lane.

    Raises:
        AgentsError: the environment is unknown or refuses its options.
    """
    with _open_lanes(find_env(env_id), 1, env_kwargs, env_id) as lanes:
        return lanes.observation_space, lanes.action_space


class _open_lanes:  # noqa: N801 -- reads as the function it is
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


def train(config: TrainConfig, run: Path) -> Outcome:
    """Train a new agent into a new run folder.

    Raises:
        AgentsError: the folder exists.
    """
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise AgentsError(f"{run} exists; to go on with it: mario-agents resume {run}")
    return _Training(config, run).go(config.steps)


def resume(run: Path, *, steps: int | None = None, minutes: float | None = None) -> Outcome:
    """Go on with a run from its newest checkpoint.

    Off-policy algorithms begin with an empty replay: they first act as they have learned, without updates,
    for ``learning_starts`` steps.

    Args:
        run: the run folder.
        steps: environment steps to add; None is what is left of the run's budget.
        minutes: minutes to add; None is what is left of the run's budget.

    Raises:
        AgentsError: no run, no whole checkpoint, or nothing left to do.
    """
    manifest = read_manifest(run)
    found = list_checkpoints(run / "checkpoints")
    if not found:
        raise AgentsError(f"{run} has no checkpoint to resume from; train anew into another folder")
    info, _ = read_checkpoint(found[-1])
    config, done = info.config, info.steps
    total = config.steps if steps is None else done + steps
    if total <= done:
        raise AgentsError(f"{run} has done its {done:,} steps; add some: mario-agents resume {run} --steps N")
    if minutes is not None:
        config = config.model_copy(update={"minutes": info.seconds / 60 + minutes})
    elif steps is not None:
        config = config.model_copy(update={"minutes": None})
    elif config.minutes is not None and info.seconds >= config.minutes * 60:
        raise AgentsError(
            f"{run} has used its {config.minutes:g} minutes; add some: mario-agents resume {run} --minutes M"
        )
    config = config.model_copy(update={"steps": total})
    return _Training(config, run, manifest=manifest, checkpoint=found[-1]).go(total - done)


class _Training:
    """One call of train or resume."""

    def __init__(
        self, config: TrainConfig, run: Path, manifest: Manifest | None = None, checkpoint: Path | None = None
    ) -> None:
        self.config, self.run, self.checkpoint = config, run, checkpoint
        self.info = None if checkpoint is None else read_checkpoint(checkpoint)[0]
        self.calls = [] if manifest is None else list(manifest.calls)
        self.first = manifest

    def go(self, steps: int) -> Outcome:
        config, info = self.config, self.info
        spec = find_env(config.env_id)
        limit = None if config.minutes is None else config.minutes * 60
        self.time_budget = TimeBudget(limit, spent=info.seconds if info else 0.0)
        with _open_lanes(spec, config.lanes, config.env_kwargs, config.env_id) as lanes:
            _set_threads(config, lanes)
            entry_point = spec.entry_point if isinstance(spec.entry_point, str) else None
            self.calls.append(
                new_call(info.steps if info else 0, entry_point and entry_point.partition(":")[0])
            )
            self.provenance = provenance_of(lanes.batch)
            self.recorder = RecordEpisodes(
                lanes,
                self.run / "training" / f"{len(self.calls) - 1}.monitor.csv",
                env_id=config.env_id,
                episode_info=lanes.batch.metadata.get("episode_info", ()),
                reward_scale=config.reward_scale,
                frames=info.frames if info else 0,
                episodes=info.episodes if info else 0,
            )
            self.model = self._make_model()
            # Not before the agent exists: a refused setting leaves no folder behind.
            for folder in ("training", "checkpoints", "tensorboard"):
                (self.run / folder).mkdir(parents=True, exist_ok=True)
            self.model.set_logger(configure(str(self.run / "tensorboard"), ["tensorboard"]))
            try:
                return self._learn(steps)
            finally:
                self.model.logger.close()
                self.recorder.close()

    def _make_model(self) -> BaseAlgorithm:
        config = self.config
        device = _device(config)
        if self.checkpoint is None:
            algorithm = find_algorithm(config.algorithm)
            return hp.build(
                algorithm, config.hyperparams, config.policy, self.recorder, self.time_budget,
                device=device, seed=config.seed,
            )  # fmt: skip
        # The same seed again would replay the episodes and the noise of the first call.
        seed = int(np.random.SeedSequence((config.seed, len(self.calls))).generate_state(1)[0] >> 1)
        model, _ = load_model(
            self.checkpoint, self.recorder, device=device, seed=seed, time_budget=self.time_budget
        )
        return model

    def _learn(self, steps: int) -> Outcome:
        frames_before = self.recorder.frames
        progress = ShowProgress(self.recorder, self.config.steps, self.time_budget)
        stop = StopTraining(self.time_budget)
        callbacks: list[BaseCallback] = [stop, progress, _SaveEvenly(self)]
        if self.info is not None and isinstance(self.model, OffPolicyAlgorithm):
            callbacks.append(_RefillReplay())
        self._write_manifest(ended=None, stopped_by=None)
        self.time_budget.start()
        try:
            with stop:
                self.model.learn(steps, CallbackList(callbacks), reset_num_timesteps=self.info is None)
                seconds = self.time_budget.elapsed
                checkpoint = self.save()
        except BaseException:
            self._write_manifest(ended=now(), stopped_by="error")
            raise
        finally:
            progress.stop()
        self._write_manifest(ended=now(), stopped_by=stop.reason)
        spent = seconds - self.time_budget.spent
        return Outcome(
            run=self.run,
            checkpoint=checkpoint,
            stopped_by=stop.reason,
            steps=self.model.num_timesteps,
            frames=self.recorder.frames,
            episodes=self.recorder.episodes,
            seconds=seconds,
            frames_per_second=(self.recorder.frames - frames_before) / max(spent, 1e-9),
            means=progress.standing().means,
        )

    def save(self) -> Path:
        path = save_checkpoint(
            self.run / "checkpoints",
            self.model,
            self.config,
            frames=self.recorder.frames,
            episodes=self.recorder.episodes,
            seconds=self.time_budget.elapsed,
            versions=self.calls[-1].versions,
        )
        self._write_manifest(ended=None, stopped_by=None)
        return path

    def _write_manifest(self, ended: str | None, stopped_by: str | None) -> None:
        self.calls[-1] = self.calls[-1].model_copy(update={"ended": ended, "stopped_by": stopped_by})
        config, call = self.config, self.calls[-1]
        Manifest(
            command=self.calls[0].command,
            algorithm=config.algorithm,
            env_id=config.env_id,
            env_kwargs=config.env_kwargs,
            seed=config.seed,
            hyperparams=config.hyperparams,
            config=config,
            provenance=self.provenance,
            versions=call.versions,
            git_commit=call.git_commit,
            started=self.calls[0].started,
            ended=ended,
            steps=self.model.num_timesteps,
            frames=self.recorder.frames,
            episodes=self.recorder.episodes,
            seconds=round(self.time_budget.elapsed, 3),
            calls=self.calls,
        ).write(self.run)


class _SaveEvenly(BaseCallback):
    """Saves between a rollout's update and the next rollout, ``config.checkpoints`` times over the budget."""

    def __init__(self, training: _Training) -> None:
        super().__init__()
        self._training = training
        self._saved_at = 0.0

    def _share(self) -> float:
        training = self._training
        return max(self.model.num_timesteps / training.config.steps, 1.0 - training.time_budget.remaining)

    def _on_training_start(self) -> None:
        self._saved_at = self._share()

    def _on_rollout_start(self) -> None:
        if self._share() - self._saved_at >= 1.0 / self._training.config.checkpoints:
            self._training.save()
            self._saved_at = self._share()

    def _on_step(self) -> bool:
        return True


class _RefillReplay(BaseCallback):
    """Fills the empty replay of a resumed run with the agent's own actions before the first update.

    Without it Stable-Baselines3, whose step count is past ``learning_starts``, would update on a handful of
    transitions over and over.
    """

    def _on_training_start(self) -> None:
        model, env = self.model, self.training_env
        assert isinstance(model, OffPolicyAlgorithm)
        assert model.replay_buffer is not None
        steps = -(-model.learning_starts // env.num_envs)
        if steps:
            model.collect_rollouts(
                env,
                self.locals["callback"],
                TrainFreq(steps, TrainFrequencyUnit.STEP),
                model.replay_buffer,
                model.action_noise,
            )

    def _on_step(self) -> bool:
        return True


def _device(config: TrainConfig) -> str:
    # A GPU loses against one core on small vectors (Stable-Baselines3's advice for MlpPolicy, its issue 1245).
    if config.device == "auto":
        return "cuda" if config.policy.startswith("Cnn") and torch.cuda.is_available() else "cpu"
    if config.device.startswith("cuda") and not torch.cuda.is_available():
        raise AgentsError("device cuda is not available here; use --device cpu")
    return config.device


def _set_threads(config: TrainConfig, lanes: LaneVecEnv) -> None:
    """Choose the number of torch threads.

    Measured on 2 cores, updates of 512: an MLP of 256x256 takes 34,586 samples/s with one thread and 2,749 with
    two (beside other work); a Nature CNN 659 and 1,015.
    """
    is_image = hp.observation_kind(lanes.observation_space) == "image"
    torch.set_num_threads(config.threads or (min(os.cpu_count() or 1, 8) if is_image else 1))
