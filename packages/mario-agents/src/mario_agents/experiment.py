"""A run from its settings to its folder: lanes, agent, training, checkpoints, manifest; and going on."""

from __future__ import annotations

import shlex
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.logger import configure

from mario_agents import hyperparams as hp
from mario_agents.algorithms.registry import find_algorithm
from mario_agents.checkpoints import (
    CheckpointError,
    CheckpointInfo,
    list_checkpoints,
    load_model,
    read_checkpoint,
    save_checkpoint,
)
from mario_agents.config import TrainConfig
from mario_agents.configure import OpenLanes
from mario_agents.env_ids import find_env
from mario_agents.errors import AgentsError
from mario_agents.holds import RecordHolds
from mario_agents.levelling import WatchLevel
from mario_agents.manifest import Manifest, new_call, now, provenance_of, read_manifest
from mario_agents.progress import ShowProgress
from mario_agents.recording import RecordEpisodes
from mario_agents.refilling import RefillReplay
from mario_agents.sampling.learner import Learner
from mario_agents.sampling.samplers import make_sampler
from mario_agents.sampling.spaces_only import SpacesOnlyVecEnv
from mario_agents.sampling.trouble import EnvironmentTroubleError
from mario_agents.saved_replay import Kind, Saved, drop_replays, replay_of, restore_replay, save_replay
from mario_agents.saving import SaveEvenly
from mario_agents.schedules import Budget
from mario_agents.stopping import StopTraining, UpdateCutShort
from mario_agents.teaching.cloning.clone import clone_demonstrations
from mario_agents.teaching.replayed.replay import replay_demonstrations
from mario_agents.threads import set_threads

#: Points that the curve of each button's holds has over a budget of steps.
HOLD_LINES = 200


@dataclass(frozen=True)
class Outcome:
    """How a call of train or resume ended.

    Attributes:
        run: the run folder.
        checkpoint: the last checkpoint.
        stopped_by: ``"steps"``, ``"minutes"``, ``"frames"``, ``"SIGINT"`` or ``"SIGTERM"``; ``"level"``
            between two levels.
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


def train(config: TrainConfig, run: Path) -> Outcome:
    """Train a new agent into a new run folder.

    Raises:
        AgentsError: the folder exists.
    """
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise AgentsError(f"{run} exists; to go on with it: {resume_command(run)}")
    return _next_levels(_Training(config, run).go(config.steps))


def _next_levels(outcome: Outcome) -> Outcome:
    """Go on with the levels that follow, each as a resumed run does."""
    while outcome.stopped_by == "level":
        info, _ = read_checkpoint(outcome.checkpoint)
        training = _Training(info.config, outcome.run, read_manifest(outcome.run), outcome.checkpoint, info)
        outcome = training.go(info.config.steps - info.steps)
    return outcome


def resume_command(run: Path) -> str:
    """Return what to type to go on with a run.

    >>> resume_command(Path("runs/my run"))
    "mario-agents resume 'runs/my run'"
    """
    return shlex.join(["mario-agents", "resume", str(run)])


def resume(
    run: Path, *, steps: int | None = None, minutes: float | None = None, frames: int | None = None
) -> Outcome:
    """Go on with a run from its newest checkpoint.

    In strict order, with a budget of steps alone, what follows equals what the unbroken run did after that
    checkpoint. Where the replay was not saved, off-policy algorithms first act as they have learned, without
    updates, for ``learning_starts`` steps.

    Args:
        run: the run folder.
        steps: environment steps to add; None is what is left of the run's budget.
        minutes: minutes to add; None is what is left of the run's budget.
        frames: frames to add; likewise.

    Raises:
        AgentsError: no run, no whole checkpoint, or nothing left to do.
    """
    manifest = read_manifest(run)
    found = list_checkpoints(run / "checkpoints")
    if not found:
        raise AgentsError(f"{run} has no checkpoint to resume from; train anew into another folder")
    try:
        info, _ = read_checkpoint(found[-1])
    except CheckpointError as error:
        earlier = f"; to go on from {found[-2].name}, delete it" if len(found) > 1 else ""
        raise CheckpointError(f"{error}{earlier}") from error
    config, done = info.config, info.steps
    total = config.steps if steps is None else done + steps
    if total <= done:
        raise AgentsError(f"{run} has done its {done:,} steps; add some: {resume_command(run)} --steps N")
    if minutes is not None or frames is not None or steps is not None:
        # What is added to one budget is not to be cut short by another.
        limits = {
            "minutes": None if minutes is None else info.seconds / 60 + minutes,
            "frames": None if frames is None else info.frames + frames,
        }
        config = config.model_copy(update=limits)
    elif config.minutes is not None and info.seconds >= config.minutes * 60:
        raise AgentsError(
            f"{run} has used its {config.minutes:g} minutes; add some: {resume_command(run)} --minutes M"
        )
    elif config.frames is not None and info.frames >= config.frames:
        raise AgentsError(
            f"{run} has played its {config.frames:,} frames; add some: {resume_command(run)} --frames N"
        )
    config = config.model_copy(update={"steps": total})
    return _next_levels(_Training(config, run, manifest, found[-1], info).go(total - done))


class _Training:
    """One call of train or resume."""

    def __init__(
        self,
        config: TrainConfig,
        run: Path,
        manifest: Manifest | None = None,
        checkpoint: Path | None = None,
        info: CheckpointInfo | None = None,
    ) -> None:
        self.config, self.run, self.checkpoint, self.info = config, run, checkpoint, info
        self.calls = [] if manifest is None else list(manifest.calls)

    def go(self, steps: int) -> Outcome:
        """Train for so many more steps."""
        config, info = self.config, self.info
        spec = find_env(config.env_id)
        limit = None if config.minutes is None else config.minutes * 60
        self.budget = Budget(limit, config.frames, info.seconds if info else 0.0, self._frames)
        with OpenLanes(spec, 1, config.env_kwargs, config.env_id) as lane:
            self.provenance = provenance_of(lane.batch)
            episode_info = lane.batch.metadata.get("episode_info", ())
            buttons = lane.batch.metadata.get("buttons", ())
            self.lanes = SpacesOnlyVecEnv(lane.observation_space, lane.action_space, config.lanes)
        set_threads(config)
        self.calls.append(new_call(info.steps if info else 0))
        self.recorder = RecordEpisodes(
            config.lanes,
            self.run / "training" / f"{len(self.calls) - 1}.monitor.csv",
            env_id=config.env_id,
            episode_info=episode_info,
            frames=info.frames if info else 0,
            episodes=info.episodes if info else 0,
        )
        holds = RecordHolds(
            self.run / "training" / f"{len(self.calls) - 1}.holds.csv",
            buttons,
            every=-(-config.steps // HOLD_LINES),
        )
        self.stop = StopTraining(self.budget, lambda: self.level.is_over())
        self.model = self._make_model()
        if config.cloning is not None and self.checkpoint is None:
            clone_demonstrations(self.model, config)
        self.level = WatchLevel(
            config.curriculum, self.used, info.level if info else 0, info.successes if info else ()
        )
        sampler = make_sampler(
            config.at_level(self.level.number), self.seed, _device(config), self.lanes.observation_space
        )
        try:
            version = info.policy_version if info else 0
            self.learner = Learner(
                self.model, sampler, config, self.recorder, self.stop.wanted, version, holds
            )
            if config.demonstrations is not None:
                replay_demonstrations(self.model, config.at_level(self.level.number))
            self.refill = self._go_on()
            # Not before the agent exists: a refused setting leaves no folder behind.
            for folder in ("training", "checkpoints", "tensorboard"):
                (self.run / folder).mkdir(parents=True, exist_ok=True)
            self.model.set_logger(configure(str(self.run / "tensorboard"), ["tensorboard"]))
            self.recorder.open()
            return self._learn(steps)
        finally:
            sampler.close()
            self.recorder.close()
            if hasattr(self.model, "_logger"):
                self.model.logger.close()

    def _make_model(self) -> BaseAlgorithm:
        config = self.config
        device = _device(config)
        if self.checkpoint is None:
            algorithm = find_algorithm(config.algorithm)
            self.seed = config.seed
            return hp.build(
                algorithm, config.hyperparams, config.policy, self.lanes, self.budget,
                device=device, seed=config.seed,
            )  # fmt: skip
        assert self.info is not None
        self.seed = seed_after(config.seed, self.info.steps)
        model, _ = load_model(self.checkpoint, self.lanes, device=device, seed=self.seed, budget=self.budget)
        return model

    def _go_on(self) -> bool:
        """Take over the rest of what a checkpoint holds; return whether the replay has to be filled anew."""
        if self.checkpoint is None:
            return False
        self.learner.draw_from(self.seed)
        assert self.info is not None
        rewarded_alike = self.config.rewarded_alike(self.info.level, self.level.number)
        imitation, store = self.learner.imitation, self.learner.store
        if self.learner.likeness is not None:
            self._restore("discriminator", self.learner.likeness)
        if imitation is not None and rewarded_alike:
            self._restore("memory", imitation.memory)
        return store is not None and not (rewarded_alike and self._restore("replay", store))

    def _restore(self, kind: Kind, store: Saved) -> bool:
        """Take over what was saved beside the checkpoint, if it was; tell the user if not."""
        assert self.checkpoint is not None
        path = replay_of(self.checkpoint, kind)
        if path.exists():
            restore_replay(path, store)
            return True
        when = " before the next update" if kind == "replay" else ""
        begins = "begins" if kind == "discriminator" else "is filled"
        print(
            f"{self.checkpoint.name} has no saved {kind}: it {begins} anew{when}, and the run does not "
            "equal an unbroken one",
            file=sys.stderr,
        )
        return False

    def _learn(self, steps: int) -> Outcome:
        frames_before = self.recorder.frames
        progress = ShowProgress(self.recorder, self.config.steps, self.budget, level=self.level.label)
        stop = self.stop
        callbacks: list[BaseCallback] = [
            stop,
            *([self.level] if self.config.curriculum else []),
            progress,
            SaveEvenly(self.save_and_begin_anew, self.used, self.config.checkpoints),
        ]
        if self.learner.imitation is not None:
            callbacks.insert(0, self.learner.imitation)  # before a checkpoint, and what may end training
        if self.refill:
            callbacks.append(RefillReplay())
        callback = CallbackList(callbacks)
        self.processor_began = time.process_time()
        self._write_manifest(ended=None, stopped_by=None)
        self.budget.start()
        try:
            with stop:
                try:
                    self.model.learn(steps, callback, reset_num_timesteps=self.info is None)
                except UpdateCutShort:
                    callback.on_training_end()
                except EnvironmentTroubleError as error:
                    raise EnvironmentTroubleError(
                        f"{error}; saved {self.save()}; to go on: {resume_command(self.run)}"
                    ) from error
                seconds = self.budget.elapsed
                checkpoint = self.save()
        except BaseException:
            with suppress(OSError):  # a full disk, perhaps; its own error is the one to show
                self._write_manifest(ended=now(), stopped_by="error")
            raise
        finally:
            progress.stop()
        self._write_manifest(ended=now(), stopped_by=stop.reason)
        spent = seconds - self.budget.spent
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

    def _frames(self) -> int:
        return self.recorder.frames

    def used(self) -> float:
        """Return the share of the budget that is used, by steps, minutes or frames, whichever is most."""
        return self.budget.used(self.model.num_timesteps / self.config.steps)

    def save_and_begin_anew(self) -> None:
        """Write a checkpoint, and go on from it as a resumed run would.

        Both then play the same, whatever the environment: there is no state of it to be saved.
        """
        self.save()
        if self.config.repeatable:
            self.learner.begin_anew(seed_after(self.config.seed, self.model.num_timesteps))

    def save(self) -> Path:
        """Write a checkpoint, and in the manifest how far the run is."""
        # First: a checkpoint that is there has its replay.
        folder, steps = self.run / "checkpoints", self.model.num_timesteps
        if self.learner.likeness is not None:  # small, and nothing to be filled anew
            save_replay(folder, self.learner.likeness, steps, "discriminator")
        if self.config.save_replay:
            if self.learner.store is not None:
                save_replay(folder, self.learner.store, steps)
            if self.learner.imitation is not None:
                save_replay(folder, self.learner.imitation.memory, steps, "memory")
        path = save_checkpoint(
            self.run / "checkpoints",
            self.model,
            self.config,
            frames=self.recorder.frames,
            episodes=self.recorder.episodes,
            seconds=self.budget.elapsed,
            versions=self.calls[-1].versions,
            policy_version=self.learner.version_now,
            level=self.level.number,
            successes=self.level.successes,
        )
        drop_replays(path)
        self._write_manifest(ended=None, stopped_by=None)
        return path

    def _write_manifest(self, ended: str | None, stopped_by: str | None) -> None:
        update = {
            "ended": ended,
            "stopped_by": stopped_by,
            "sampling": self.learner.record(),
            "processor_seconds": round(time.process_time() - self.processor_began, 3),
        }
        self.calls[-1] = self.calls[-1].model_copy(update=update)
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
            seconds=round(self.budget.elapsed, 3),
            calls=self.calls,
        ).write(self.run)


def seed_after(seed: int, steps: int) -> int:
    """Return the seed of what follows a checkpoint.

    It depends on where the checkpoint is and on nothing else, so that going on and resuming draw the same.

    Args:
        seed: of the run.
        steps: environment steps of the checkpoint.
    """
    return int(np.random.SeedSequence((seed, steps)).generate_state(1)[0] >> 1)


def _device(config: TrainConfig) -> str:
    # A GPU loses against one core on small vectors (SB3 issue 1245).
    if config.device == "auto":
        return "cuda" if config.policy.startswith("Cnn") and torch.cuda.is_available() else "cpu"
    if config.device.startswith("cuda") and not torch.cuda.is_available():
        raise AgentsError("device cuda is not available here; use --device cpu")
    return config.device
