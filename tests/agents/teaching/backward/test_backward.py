"""The backward curriculum: what chance does not find is learned from its end, whoever plays and learns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mario_agents import experiment
from mario_agents.checkpoints import list_checkpoints, read_checkpoint
from mario_agents.config import TrainConfig
from mario_agents.configure import configure_run, probe_spaces
from mario_agents.curriculum import Level, read_curriculum
from mario_agents.errors import AgentsError
from mario_agents.manifest import read_manifest
from mario_agents.movies.shipped import shipped_movies
from mario_agents.saved_replay import replay_of, restore_replay
from mario_agents.storage.replay import make_store

from ...conftest import Importable

CORRIDOR = "corridor_env:Corridor-v0"
PLACES = 6
#: From the last door to the second; each is learned where half of the latest twenty got out.
DOORS = tuple(
    Level(success=0.5, episodes=20, same_rewards=True, env={"first": place}) for place in range(5, 0, -1)
)
SMALL: dict[str, dict[str, Any]] = {
    "ppo": {"n_steps": 8, "batch_size": 64, "n_epochs": 4, "learning_rate": 0.03, "ent_coef": 0.01,
            "policy_kwargs": {"net_arch": []}},
    "dqn": {"learning_starts": 32, "batch_size": 64, "train_freq": 8, "gradient_steps": 8,
            "buffer_size": 5000, "learning_rate": 0.01, "target_update_interval": 50,
            "exploration_final_eps": 0.1, "policy_kwargs": {"net_arch": []}},
}  # fmt: skip
needs_mario = pytest.mark.skipif(find_spec("mario_envs") is None, reason="mario-envs is not installed")


@pytest.fixture(autouse=True, scope="module")
def _importable_env(importable: Importable) -> Iterator[None]:
    with importable(Path(__file__).with_name("corridor_env.py")):
        yield


def configured(name: str, levels: tuple[Level, ...] = DOORS, **settings: Any) -> TrainConfig:
    usual = {"steps": 4608, "seed": 1, "lanes": 16, "checkpoints": 4, "overrides": SMALL[name]}
    return configure_run(name, CORRIDOR, curriculum=levels, **{**usual, **settings})


def episodes_of(run: Path, call: int) -> list[tuple[float, bool]]:
    """Steps and success of each episode of a call."""
    lines = (run / "training" / f"{call}.monitor.csv").read_text().splitlines()[1:]
    return [(float(row["l"]), row["clear"] == "True") for row in csv.DictReader(lines)]


def test_ppo_finds_the_way_out_only_from_its_end(tmp_path: Path) -> None:
    alone = experiment.train(configured("ppo", ()), tmp_path / "alone")
    taught = experiment.train(configured("ppo"), tmp_path / "taught")

    assert alone.steps == taught.steps
    assert not any(cleared for _, cleared in episodes_of(alone.run, 0))
    calls = read_manifest(taught.run).calls
    assert [call.stopped_by for call in calls] == ["level"] * len(DOORS) + ["steps"]
    assert read_checkpoint(taught.checkpoint)[0].level == len(DOORS)
    last = episodes_of(taught.run, len(DOORS))[-50:]
    assert sum(cleared for _, cleared in last) > 25
    assert all(steps == PLACES for steps, cleared in last if cleared), "begun elsewhere than the run's own"
    for level in range(len(DOORS)):
        seen = episodes_of(taught.run, level)
        assert sum(cleared for _, cleared in seen[-20:]) >= 10, "moved back before it was learned"
        assert {steps for steps, cleared in seen if cleared} == {level + 1}


@pytest.mark.parametrize(("sampler", "order"), [("sync", "strict"), ("async", "free")])
def test_what_was_played_at_one_level_is_learned_from_at_the_next(
    sampler: str, order: str, tmp_path: Path
) -> None:
    config = configured("dqn", DOORS[:1], sampler=sampler, order=order, steps=1000, lanes=4)
    outcome = experiment.train(config, tmp_path / "run")

    calls = read_manifest(outcome.run).calls
    assert [call.stopped_by for call in calls] == ["level", "steps"]
    store = make_store("transitions", 5000, probe_spaces(CORRIDOR, {})[0], 1, 0.0)
    restore_replay(replay_of(outcome.checkpoint), store)
    assert len(store) > outcome.steps - calls[1].from_step, "the replay was begun anew"


def test_a_run_broken_off_in_a_level_goes_on_in_it_and_ends_as_the_unbroken_one(tmp_path: Path) -> None:
    unbroken = experiment.train(configured("ppo", keep=100, checkpoints=40), tmp_path / "unbroken")
    saved = list_checkpoints(unbroken.run / "checkpoints")
    infos = [read_checkpoint(path)[0] for path in saved]
    # Within a level, where what counts for its end was played before.
    (at,) = [
        number
        for number in range(1, len(saved) - 1)
        if infos[number].level == infos[number + 1].level == 2 and any(infos[number].successes)
    ][:1]
    broken = tmp_path / "broken"
    (broken / "checkpoints").mkdir(parents=True)
    for path in (unbroken.run / "manifest.json", saved[at]):
        (broken / path.relative_to(unbroken.run)).write_bytes(path.read_bytes())

    outcome = experiment.resume(broken)

    ours, theirs = (read_checkpoint(end.checkpoint) for end in (outcome, unbroken))
    assert ours[0].counters == theirs[0].counters
    assert (ours[0].level, ours[0].successes) == (theirs[0].level, theirs[0].successes)
    assert all((ours[1][key] == tensor).all() for key, tensor in theirs[1].items())
    assert [info.steps for info in infos if info.steps > infos[at].steps] == [
        read_checkpoint(path)[0].steps for path in list_checkpoints(broken / "checkpoints")[1:]
    ]


def test_the_level_is_shown_and_logged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    outcome = experiment.train(configured("ppo", DOORS[:2], steps=1280), tmp_path / "run")

    shown = capsys.readouterr().err
    assert "| level 1 of 2 |" in shown
    assert "| past level 2 |" in shown
    logged = EventAccumulator(str(outcome.run / "tensorboard"))
    logged.Reload()
    assert {event.value for event in logged.Scalars("curriculum/level")} == {1.0, 2.0, 3.0}
    assert max(event.value for event in logged.Scalars("curriculum/success")) >= 0.5


def test_what_does_not_tell_success_is_refused() -> None:
    with pytest.raises(AgentsError, match="CartPole-v1 does not tell which episodes succeed") as refused:
        configure_run("ppo", "CartPole-v1", steps=100, curriculum=(Level(success=0.5, env={}),))
    assert "\n" not in str(refused.value)


def curriculum_of(text: str, folder: Path) -> tuple[Level, ...]:
    path = folder / "backward.yml"
    path.write_text(text)
    return read_curriculum(path)


@needs_mario
def test_levels_go_back_over_the_whole_movie(tmp_path: Path) -> None:
    levels = curriculum_of("backward: {movie: 1-4, levels: 9, success: 0.4, until: 0.8}", tmp_path)

    starts = [level.env["start"] for level in levels]
    assert len(levels) == 9
    assert {start["movie"] for start in starts} == {str(shipped_movies()["1-4"])}
    assert starts[0]["last"] == 965 - 1
    assert starts[-1]["first"] == 965 // 10
    assert [start["last"] + 1 for start in starts[1:]] == [start["first"] for start in starts[:-1]]
    assert all((level.success, level.until, level.same_rewards) == (0.4, 0.8, True) for level in levels)
    assert all(level.env.keys() == {"start"} for level in levels)
    wide = curriculum_of("backward: {movie: 1-4, levels: 9, window: 300, noops: 4}", tmp_path)
    assert [level.env["start"]["last"] for level in wide][:4] == [964, 964, 964, 579 + 299]
    assert {level.env["max_noops"] for level in wide} == {4}


@needs_mario
def test_mario_learns_backward(tmp_path: Path) -> None:
    levels = curriculum_of("backward: {movie: 1-1, levels: 3, success: 0.01, episodes: 1}", tmp_path)
    env_kwargs = {"observation": {"tiles": {"count": 1}}, "max_noops": 5}
    overrides = {"n_steps": 64, "batch_size": 64, "n_epochs": 1}
    config = configure_run(
        "ppo", "MarioScore-1-1-DiscreteFrames-v0", steps=1024, seed=1, lanes=2, curriculum=levels,
        overrides=overrides, env_kwargs=env_kwargs,
    )  # fmt: skip
    outcome = experiment.train(config, tmp_path / "run")

    assert read_checkpoint(outcome.checkpoint)[0].level >= 1, "the flag is near, and running to it enough"
    assert np.mean([cleared for _, cleared in episodes_of(outcome.run, 0)]) > 0
    with pytest.raises(AgentsError, match=r"1-1\.movie is of stage 1-1, the environment has 1-2"):
        configure_run("ppo", "MarioScore-1-2-DiscreteFrames-v0", steps=64, curriculum=levels)


@needs_mario
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{movie: 1-1, levels: 0}", "backward.levels: Input should be greater than 0"),
        ("{levels: 3}", "backward.movie: Field required"),
        ("{movie: 1-1, level: 3}", "backward.level: Extra inputs are not permitted"),
        ("{movie: none.movie}", "cannot read the movie .*none.movie: No such file"),
        ("{movie: 1-1, levels: 100000}", "too short for 100000 levels"),
    ],
)
def test_a_file_that_makes_no_curriculum_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(AgentsError, match=complaint) as refused:
        curriculum_of(f"backward: {text}", tmp_path)
    assert "\n" not in str(refused.value)


@needs_mario
def test_a_movie_that_clears_nothing_is_refused(tmp_path: Path) -> None:
    from mario_envs.movies.file import write_movie
    from mario_envs.movies.replay import record

    write_movie(record("1-1", bytes(30)), tmp_path / "idle.movie")
    with pytest.raises(AgentsError, match=r"idle\.movie does not clear its stage"):
        curriculum_of(f"backward: {{movie: {tmp_path / 'idle.movie'}}}", tmp_path)
