"""What one run is: everything that ``train`` was told, as the manifest and the checkpoints keep it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mario_agents.curriculum import Level
from mario_agents.teaching.cloning.settings import BehaviourCloning
from mario_agents.teaching.discriminator.settings import AdversarialImitation
from mario_agents.teaching.replayed.settings import ReplayedDemonstrations
from mario_agents.teaching.self_imitation.settings import SelfImitation


class TrainConfig(BaseModel):
    """The whole of a run's settings. A run is resumed with these and no others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: str = Field(description="name in the registry, such as ppo")
    env_id: str = Field(description="Gymnasium ID, with or without 'module:' before it")
    env_kwargs: dict[str, Any] = Field(
        default_factory=dict, description="keyword arguments of the environment"
    )
    curriculum: tuple[Level, ...] = Field(
        default=(), description="environments to learn in first, one after the other"
    )
    cloning: BehaviourCloning | None = Field(
        default=None, description="learning from demonstrations before training; None is not to"
    )
    demonstrations: ReplayedDemonstrations | None = Field(
        default=None, description="what is replayed beside the run's own transitions; None is nothing"
    )
    imitation: SelfImitation | None = Field(
        default=None, description="learning from its own best and worst episodes; None is not to"
    )
    discriminator: AdversarialImitation | None = Field(
        default=None, description="rewards for what looks as demonstrated; None has the environment's alone"
    )
    steps: int = Field(gt=0, description="budget in environment steps, summed over lanes")
    minutes: float | None = Field(default=None, gt=0, description="budget in minutes; None is no limit")
    frames: int | None = Field(
        default=None, gt=0, description="budget in emulated frames, summed over lanes; None is no limit"
    )
    seed: int = Field(ge=0, lt=2**31, description="seeds numpy, torch and the lanes (lane i gets seed + i)")
    lanes: int = Field(gt=0, description="environments that are stepped together")
    sampler: Literal["sync", "async", "ray"] = Field(
        default="sync", description="who plays: this process, actor processes of their own, or Ray actors"
    )
    address: str | None = Field(
        default=None, description="Ray cluster, HOST:PORT or auto; None starts Ray on this machine"
    )
    order: str = Field(
        default="strict", description="how far data may lag behind the weights: strict, bounded:K or free"
    )
    actors: int = Field(default=1, gt=0, description="actors, among which the lanes are divided evenly")
    pace: Literal["together", "own"] = Field(
        default="together",
        description="an actor's lanes are stepped in one call, or each goes on as its own step ends",
    )
    store: Literal["segments", "transitions"] = Field(
        default="transitions", description="how transitions are kept: whole segments, or cut"
    )
    pools: int = Field(
        default=1, gt=0, description="small stores that make up a replay; learning begins as one fills"
    )
    priority_exponent: float = Field(
        default=0.0, ge=0, le=1, description="alpha of prioritised sampling from a replay; 0 is uniform"
    )
    priority_correction: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="beta of its importance weights at first; it rises to 1",
    )
    discount_per: Literal["step", "frame"] = Field(
        default="step", description="what gamma, and lambda with it, is counted by"
    )
    patience: float = Field(
        default=60.0, gt=0, description="seconds after which an actor that does not move counts as stuck"
    )
    on_trouble: Literal["stop", "restart", "skip"] = Field(
        default="stop",
        description="when an environment raises, gives NaN or hangs: save and stop, start its actor anew, or "
        "drop its episode and go on",
    )
    exact_resume: bool = Field(
        default=True,
        description="begin all episodes anew at checkpoints, so that a resumed run equals an unbroken one",
    )
    save_replay: bool = Field(
        default=True, description="keep the replay of the newest checkpoint on disk, too"
    )
    hyperparams: dict[str, Any] = Field(
        default_factory=dict,
        description="the algorithm's constructor arguments as written, schedules as text",
    )
    policy: str = Field(description="Stable-Baselines3 policy name, such as CnnPolicy")
    device: str = Field(
        default="auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?)$",
        description="auto, cpu, cuda or cuda:N; auto is cuda for images where there is one",
    )
    threads: int | None = Field(default=None, gt=0, description="torch threads; None chooses by observation")
    checkpoints: int = Field(default=20, gt=0, description="checkpoints saved over the budget, evenly")
    keep: int = Field(default=3, gt=0, description="newest checkpoints kept on disk")

    def at_level(self, level: int) -> TrainConfig:
        """Return these settings with the environment of a level; past the last it is the run's own."""
        if level >= len(self.curriculum):
            return self
        return self.model_copy(update={"env_kwargs": {**self.env_kwargs, **self.curriculum[level].env}})

    def rewarded_alike(self, level: int, other: int) -> bool:
        """Return whether what was played at one level can be learned from at another."""
        passed = [self.curriculum[number] for number in {level, other} if number < len(self.curriculum)]
        return level == other or all(each.same_rewards for each in passed)

    @property
    def repeatable(self) -> bool:
        """Whether chance begins anew at each checkpoint; the clock must have no say in what is learned."""
        return self.exact_resume and self.order == "strict" and self.minutes is None
