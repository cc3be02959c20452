"""``protocol.yml`` → comparisons, their cells, and the two commands that each cell is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import yaml
from mario_agents.atomic import write_atomically
from mario_agents.config import TrainConfig
from mario_agents.configure import configure_run
from mario_agents.curriculum import read_curriculum
from mario_agents.errors import AgentsError, did_you_mean
from mario_agents.teaching.cloning.settings import read_cloning
from mario_agents.teaching.discriminator.settings import read_discriminator
from mario_agents.teaching.replayed.settings import read_replayed
from mario_agents.yaml_files import read_yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from experiments.errors import ExperimentError

#: Layout of protocol.yml and of the results; results of another are refused.
VERSION = 1

Teacher = Literal["curriculum", "cloning", "demonstrations", "discriminator"]
#: What reads the file of each option of ``mario-agents train`` that teaches.
_READERS: dict[Teacher, Callable[[Path], Any]] = {
    "curriculum": read_curriculum,
    "cloning": read_cloning,
    "demonstrations": read_replayed,
    "discriminator": read_discriminator,
}

#: The last. Others would cost the episodes under way, as runs begin them anew at checkpoints, and serve
#: nothing: a run that is stopped saves where it is, and one that was killed is not gone on with.
CHECKPOINTS = 1


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evaluation(_Strict):
    """How a trained agent is judged: episodes with sampled actions."""

    episodes: int = Field(default=100, gt=0, description="how many")
    seed: int = Field(default=1000, ge=0, description="from which each episode's seed is derived")


class Arm(_Strict):
    """One algorithm with its settings; what is not said here is as hyperparams/*.yml has it."""

    algorithm: str = Field(description="name in the registry of mario-agents")
    lanes: int | None = Field(default=None, gt=0, description="environments stepped together")
    frames: int | None = Field(
        default=None, gt=0, description="budget of its runs, where it is less than the comparison's"
    )
    discount_per: Literal["step", "frame"] | None = Field(default=None, description="what gamma counts")
    set: dict[str, Any] = Field(default_factory=dict, description="hyper-parameters")
    env_options: dict[str, Any] = Field(
        default_factory=dict, description="over the comparison's, each key replaced as a whole"
    )
    teaching: dict[Teacher, Any] = Field(
        default_factory=dict,
        description="option of train → what its file says; paths in it begin where the session runs",
    )


class Comparison(_Strict):
    """Arms that are compared at equal frames or equal steps, each with every seed."""

    stages: tuple[str, ...] = Field(
        default=(), description="it stands for one comparison each: {stage} in its texts is the stage"
    )
    about: str = Field(description="what it is to show, one line")
    env: str = Field(description="Gymnasium ID")
    env_options: dict[str, Any] = Field(default_factory=dict, description="keyword arguments of it")
    frames: int | None = Field(default=None, gt=0, description="budget of each run, emulated frames")
    steps: int | None = Field(default=None, gt=0, description="budget of each run, decisions")
    seeds: tuple[int, ...] = Field(min_length=1, description="of the runs")
    evaluation: Evaluation = Evaluation()
    arms: dict[str, Arm] = Field(min_length=1, description="by name")

    @model_validator(mode="after")
    def _has_one_budget(self) -> Comparison:
        if (self.frames is None) == (self.steps is None):
            raise ValueError("give frames or steps, not both and not neither")
        for name, arm in self.arms.items():
            if arm.frames is not None and arm.frames >= (self.frames or 0):
                raise ValueError(f"arm {name}: its frames must be less than the comparison's")
        return self

    def by_stage(self, name: str) -> dict[str, Comparison]:
        """Return what it stands for, by name: ``NAME-STAGE`` for each stage, or itself."""
        if not self.stages:
            return {name: self}
        text = self.model_dump(mode="json")
        return {
            f"{name}-{stage}": Comparison.model_validate(_on_stage(text, stage) | {"stages": [stage]})
            for stage in self.stages
        }

    @property
    def shared_frames(self) -> int | None:
        """What even the arm with the fewest frames has; None where all have the same."""
        return min((arm.frames for arm in self.arms.values() if arm.frames), default=None)


class _File(_Strict):
    version: int
    comparisons: dict[str, Comparison]


@dataclass(frozen=True)
class Cell:
    """One arm of a comparison with one seed: one run.

    Attributes:
        name: of the comparison.
        comparison: the whole of it.
        arm_name: of the arm.
        seed: of the run.
    """

    name: str
    comparison: Comparison
    arm_name: str
    seed: int

    @property
    def label(self) -> str:
        """How it is called where cells of several comparisons are listed."""
        return f"{self.name}/{self.arm_name}-{self.seed}"

    def folder(self, runs: Path) -> Path:
        """Return its run folder."""
        return runs / self.name / f"{self.arm_name}-{self.seed}"

    @property
    def _arm(self) -> Arm:
        return self.comparison.arms[self.arm_name]

    @property
    def _env_options(self) -> dict[str, Any]:
        return {**self.comparison.env_options, **self._arm.env_options}

    @property
    def _frames(self) -> int | None:
        return self._arm.frames or self.comparison.frames

    @property
    def _steps(self) -> int:
        # A step has one frame at least, so where frames are the budget so many steps never end a run.
        return self.comparison.steps or self._frames or 0

    def train_command(self, runs: Path) -> list[str]:
        """Return what trains it."""
        arm, comparison = self._arm, self.comparison
        command = ["mario-agents", "train", arm.algorithm, "--env", comparison.env]
        for key, value in self._env_options.items():
            command += ["--env-option", f"{key}={_as_yaml(value)}"]
        command += ["--steps", str(self._steps)]
        if self._frames is not None:
            command += ["--frames", str(self._frames)]
        command += ["--seed", str(self.seed), "--threads", "1", "--checkpoints", str(CHECKPOINTS)]
        if arm.lanes is not None:
            command += ["--lanes", str(arm.lanes)]
        if arm.discount_per is not None:
            command += ["--discount-per", arm.discount_per]
        for key, value in arm.set.items():
            command += ["--set", f"{key}={_as_yaml(value)}"]
        for option, file in self._teaching_files(runs).items():
            command += [f"--{option}", str(file)]
        return [*command, "--out", str(self.folder(runs))]

    def write_teaching(self, runs: Path) -> None:
        """Write the files that :meth:`train_command` names, beside the run folder."""
        for option, file in self._teaching_files(runs).items():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, yaml.safe_dump(self._arm.teaching[option], sort_keys=False).encode())

    def _teaching_files(self, runs: Path) -> dict[Teacher, Path]:
        run = self.folder(runs)
        return {option: run.with_name(f"{run.name}.{option}.yml") for option in self._arm.teaching}

    def evaluate_command(self, runs: Path) -> list[str]:
        """Return what judges it."""
        how = self.comparison.evaluation
        folder = str(self.folder(runs))
        return [
            *("mario-agents", "evaluate", folder, "--episodes", str(how.episodes)),
            *("--seed", str(how.seed), "--json"),
        ]

    def config(self) -> TrainConfig:
        """Return what its run is told, as ``mario-agents train`` would settle it, hyperparams/*.yml included.

        Raises:
            ExperimentError: mario-agents refuses it.
        """
        arm = self._arm
        try:
            return configure_run(
                arm.algorithm,
                self.comparison.env,
                steps=self._steps,
                frames=self._frames,
                seed=self.seed,
                lanes=arm.lanes,
                discount_per=arm.discount_per,
                overrides=arm.set,
                env_kwargs=self._env_options,
                threads=1,
                checkpoints=CHECKPOINTS,
                **self._read_teaching(),
            )
        except AgentsError as error:
            raise ExperimentError(f"{self.name}, arm {self.arm_name}: {error}") from error

    def _read_teaching(self) -> dict[str, Any]:
        """Return what ``mario-agents train`` makes of the files of :meth:`write_teaching`."""
        with TemporaryDirectory() as folder:
            self.write_teaching(Path(folder))
            read: dict[str, Any] = {}
            for option, file in self._teaching_files(Path(folder)).items():
                try:
                    read[option] = _READERS[option](file)
                except AgentsError as error:
                    raise AgentsError(str(error).replace(str(file), f"teaching.{option}")) from error
            return read


def read_protocol(path: Path) -> dict[str, Comparison]:
    """Read comparisons by name, those with stages as one for each stage.

    Raises:
        ExperimentError: the file cannot be read, has an unknown key, or a value that does not fit.
    """
    try:
        document = read_yaml(path)
    except AgentsError as error:
        raise ExperimentError(str(error)) from error
    version = document.get("version") if isinstance(document, dict) else None
    if version != VERSION:
        raise ExperimentError(f"{path} has version {version!r}, this code reads version {VERSION}")
    try:
        written = _File.model_validate(document).comparisons
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = "unknown key" if first["type"] == "extra_forbidden" else first["msg"]
        raise ExperimentError(f"{path}, {where}: {message}") from error
    return {
        name: one for group, comparison in written.items() for name, one in comparison.by_stage(group).items()
    }


def groups_of(comparisons: dict[str, Comparison]) -> dict[str, list[str]]:
    """Return names by what they are called together: those of one comparison's stages, others alone."""
    groups: dict[str, list[str]] = {}
    for name, comparison in comparisons.items():
        group = name.removesuffix(f"-{comparison.stages[0]}") if comparison.stages else name
        groups.setdefault(group, []).append(name)
    return groups


def cells_of(
    comparisons: dict[str, Comparison],
    names: Sequence[str] = (),
    seeds: Sequence[int] = (),
    arms: Sequence[str] = (),
) -> list[Cell]:
    """Return the cells in the order in which they are run: every arm's first seed, then every arm's second.

    Wherever it is broken off, all arms have had as many runs, to one.

    Args:
        comparisons: by name.
        names: of comparisons, or of what stands for one on each stage; empty is all.
        seeds: only these; empty is all.
        arms: only these; empty is all.

    Raises:
        ExperimentError: there is no such comparison, or no such arm or seed in any that is asked for.
    """
    called = {name: [name] for name in comparisons} | groups_of(comparisons)
    for name in names:
        if name not in called:
            raise ExperimentError(f"no comparison {name!r}{did_you_mean(name, called)}")
    asked = {name: comparisons[name] for title in names or comparisons for name in called[title]}
    cells = [
        (place, Cell(name, comparison, arm, seed))
        for name, comparison in asked.items()
        for place, seed in enumerate(comparison.seeds)
        for arm in comparison.arms
    ]
    for kind, wanted, known in (
        ("arm", arms, {cell.arm_name for _, cell in cells}),
        ("seed", seeds, {cell.seed for _, cell in cells}),
    ):
        for one in wanted:
            if one not in known:
                there = ", ".join(map(str, sorted(known)))
                raise ExperimentError(f"no {kind} {one} in {', '.join(asked)}; there are {there}")
    cells.sort(key=lambda placed: placed[0])
    return [
        cell for _, cell in cells if (not seeds or cell.seed in seeds) and (not arms or cell.arm_name in arms)
    ]


def _on_stage(value: Any, stage: str) -> Any:
    """Put a stage where texts have ``{stage}``.

    >>> _on_stage({"env": "Mario-{stage}-v0", "seeds": [1], "files": ["{stage}.yml"]}, "1-2")
    {'env': 'Mario-1-2-v0', 'seeds': [1], 'files': ['1-2.yml']}
    """
    if isinstance(value, str):
        return value.replace("{stage}", stage)
    if isinstance(value, list):
        return [_on_stage(one, stage) for one in value]
    if isinstance(value, dict):
        return {key: _on_stage(one, stage) for key, one in value.items()}
    return value


def _as_yaml(value: Any) -> str:
    """Write a value as one line of YAML.

    >>> _as_yaml({"tiles": {"count": 1}}), _as_yaml(True), _as_yaml("on-policy")
    ('{tiles: {count: 1}}', 'true', 'on-policy')
    """
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")
