"""The protocol in the repository can be run as it stands; one that cannot is refused in a line."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest
from mario_agents.config import TrainConfig
from mario_agents.quiet_import import import_sb3_quietly

import_sb3_quietly()

from mario_agents import cli, experiment  # noqa: E402
from mario_agents import hyperparams as hp  # noqa: E402
from mario_agents.algorithms.registry import find_algorithm  # noqa: E402
from mario_agents.configure import probe_spaces  # noqa: E402
from mario_agents.sampling.spaces_only import SpacesOnlyVecEnv  # noqa: E402
from mario_agents.schedules import Budget  # noqa: E402
from mario_envs.actions.continuous_frames import ContinuousFrames  # noqa: E402
from mario_envs.movies.file import read_movie  # noqa: E402
from mario_envs.movies.holds import holds_of  # noqa: E402

from experiments.errors import ExperimentError  # noqa: E402
from experiments.protocol import Cell, cells_of, read_protocol  # noqa: E402

PROTOCOL = Path(__file__).parents[2] / "experiments" / "protocol.yml"
COMPARISONS = read_protocol(PROTOCOL)
FIRST = [cell for cell in cells_of(COMPARISONS) if cell.seed == 1]
WITHOUT_MUJOCO = pytest.mark.skipif(
    find_spec("mujoco") is None,
    reason="HalfCheetah needs gymnasium[mujoco]; nox -s experiments has it",
)
EVERY_ARM = [
    pytest.param(cell, marks=WITHOUT_MUJOCO if "Cheetah" in cell.comparison.env else ()) for cell in FIRST
]

TINY = """
version: 1
comparisons:
  pole:
    about: which is which
    env: CartPole-v1
    steps: 100
    seeds: [3, 1]
    arms:
      ppo: {algorithm: ppo}
      a2c: {algorithm: a2c, set: {ent_coef: 0.1}}
  other:
    about: the same
    env: CartPole-v1
    frames: 100
    seeds: [1]
    arms:
      dqn: {algorithm: dqn}
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "protocol.yml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("cell", EVERY_ARM, ids=[cell.label for cell in FIRST])
def test_the_command_of_every_arm_is_accepted(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Told(Exception):  # noqa: N818 -- carries what train would have been told
        config: TrainConfig
        run: Path

    def train(config: TrainConfig, run: Path) -> None:
        told = Told()
        told.config, told.run = config, run
        raise told

    monkeypatch.setattr(experiment, "train", train)
    runs = tmp_path / "runs"
    cell.write_teaching(runs)
    program, *arguments = cell.train_command(runs)
    with pytest.raises(Told) as caught:
        cli.app(arguments, standalone_mode=False)

    config = caught.value.config
    assert program == "mario-agents"
    assert config == cell.config()
    assert caught.value.run == cell.folder(runs)
    lanes = SpacesOnlyVecEnv(*probe_spaces(config.env_id, config.env_kwargs), config.lanes)
    settings = {"device": "cpu", "seed": 1}
    hp.build(find_algorithm(config.algorithm), config.hyperparams, config.policy, lanes, Budget(), **settings)


@pytest.mark.parametrize("name", [name for name in COMPARISONS if name.startswith(("teaching-", "taught-"))])
def test_a_teachers_movie_is_made_of_decisions_that_its_comparison_plays(name: str) -> None:
    comparison = COMPARISONS[name]
    assert "action" not in comparison.env_options
    movie = read_movie(PROTOCOL.parent / "movies" / f"{comparison.stages[0]}.movie")
    assert len(holds_of(movie, ContinuousFrames()).actions) > 50


def test_arms_of_a_comparison_have_one_budget_and_differ() -> None:
    for name in COMPARISONS.keys() - {"half-cheetah"}:
        cells = [cell for cell in FIRST if cell.name == name]
        configs = [cell.config() for cell in cells]
        short = {cell.arm_name for cell in cells if cell.comparison.arms[cell.arm_name].frames}
        budgets = {
            (config.steps, config.frames, config.seed)
            for cell, config in zip(cells, configs, strict=True)
            if cell.arm_name not in short
        }
        assert len(budgets) == 1
        assert short == ({"sac", "td3"} if name == "continuous-1-1" else set())
        assert len({config.model_dump_json() for config in configs}) == len(configs)


def test_seeds_are_balanced_wherever_it_is_broken_off(tmp_path: Path) -> None:
    comparisons = read_protocol(written(tmp_path, TINY))
    labels = [cell.label for cell in cells_of(comparisons)]
    assert labels == ["pole/ppo-3", "pole/a2c-3", "other/dqn-1", "pole/ppo-1", "pole/a2c-1"]
    assert [cell.label for cell in cells_of(comparisons, ["pole"], [1], ["a2c"])] == ["pole/a2c-1"]


@pytest.mark.parametrize(
    ("text", "with_this", "line"),
    [
        ("steps: 100", "steps: 100\n    sedes: [1]", r"comparisons\.pole\.sedes: unknown key"),
        ("steps: 100", "steps: 100\n    frames: 9", r"comparisons\.pole: .*frames or steps, not both"),
        ("seeds: [3, 1]", "seeds: []", r"comparisons\.pole\.seeds: .*at least 1 item"),
        ("{ent_coef: 0.1}", "{}, teaching: {clowning: {}}", r"arms\.a2c\.teaching\.clowning"),
        ("version: 1", "version: 2", r"has version 2, this code reads version 1"),
        ("version: 1", "version: [", r"is not YAML: "),
        ("algorithm: dqn", "algorithm: dqn, frames: 100", r"arm dqn: its frames must be less than"),
        ("algorithm: a2c", "algorithm: a2c, frames: 50", r"arm a2c: its frames must be less than"),
    ],
)
def test_a_bad_protocol_is_refused_in_a_line(tmp_path: Path, text: str, with_this: str, line: str) -> None:
    path = written(tmp_path, TINY.replace(text, with_this, 1))
    with pytest.raises(ExperimentError, match=line) as caught:
        read_protocol(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "with_this", "line"),
    [
        ("algorithm: a2c", "algorithm: a2d", r"pole, arm a2c: unknown algorithm 'a2d'.*a2c"),
        ("ent_coef", "ent_coeff", r"pole, arm a2c: a2c has no hyper-parameter 'ent_coeff'.*ent_coef"),
        ("CartPole-v1", "CartPole-v9", r"pole, arm ppo: .*CartPole-v9"),
        (
            "{ent_coef: 0.1}",
            "{}, teaching: {cloning: {epoch: 1}}",
            r"pole, arm a2c: teaching\.cloning.*epoch",
        ),
    ],
)
def test_what_mario_agents_refuses_names_the_arm(
    tmp_path: Path, text: str, with_this: str, line: str
) -> None:
    cells = cells_of(read_protocol(written(tmp_path, TINY.replace(text, with_this))), ["pole"], [1])
    with pytest.raises(ExperimentError, match=line):
        [cell.config() for cell in cells]


def test_a_comparison_with_stages_stands_for_one_on_each(tmp_path: Path) -> None:
    text = TINY.replace("    env: CartPole-v1", "    stages: [v0, v1]\n    env: CartPole-{stage}", 1)
    text = text.replace("{ent_coef: 0.1}", "{}, teaching: {cloning: {demonstrations: ['{stage}.movie']}}")
    comparisons = read_protocol(written(tmp_path, text))
    assert list(comparisons) == ["pole-v0", "pole-v1", "other"]
    first, second = (comparisons[name] for name in ("pole-v0", "pole-v1"))
    assert [first.env, second.env] == ["CartPole-v0", "CartPole-v1"]
    assert second.arms["a2c"].teaching == {"cloning": {"demonstrations": ["v1.movie"]}}
    assert second.seeds == (3, 1)

    labels = [cell.label for cell in cells_of(comparisons, ["pole"], [1])]
    assert labels == ["pole-v0/ppo-1", "pole-v0/a2c-1", "pole-v1/ppo-1", "pole-v1/a2c-1"]
    assert {cell.name for cell in cells_of(comparisons, ["pole-v1"])} == {"pole-v1"}


def test_unknown_names_are_refused(tmp_path: Path) -> None:
    comparisons = read_protocol(written(tmp_path, TINY))
    for arguments, line in (
        ((["pol"],), "no comparison 'pol'.*pole"),
        ((["pole"], [2]), "no seed 2 in pole; there are 1, 3"),
        ((["pole"], [], ["dqn"]), "no arm dqn in pole; there are a2c, ppo"),
    ):
        with pytest.raises(ExperimentError, match=line):
            cells_of(comparisons, *arguments)
