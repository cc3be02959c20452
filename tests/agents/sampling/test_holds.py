"""How long buttons are held over training: counted while lanes play, whoever plays."""

from __future__ import annotations

import csv
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mario_agents import experiment
from mario_agents.env_ids import find_env
from mario_agents.holds import RecordHolds
from mario_agents.sampling.hold_counts import HoldCounts
from mario_agents.sampling.vec_env import make_lanes

from .test_sync import ON_POLICY, config_of

MARIO = "MarioScore-1-1-ContinuousFrames-v0"
needs_mario = pytest.mark.skipif(find_spec("mario_envs") is None, reason="mario-envs is not installed")
STEPS = st.lists(
    st.tuples(
        arrays(np.int32, (3, 2), elements=st.integers(0, 9)),
        arrays(np.int32, (3, 2), elements=st.integers(0, 30)),
        arrays(bool, 3),
    ),
    min_size=1,
    max_size=5,
)


def lines_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(file.read_text().splitlines()))


@given(STEPS)
def test_sums_equal_a_count_one_by_one(steps: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    counts = HoldCounts()
    held: list[list[int]] = [[], []]
    for pressed, planned, told in steps:
        counts.add({"pressed": pressed, "_pressed": told, "holds": planned})
        for lane in np.flatnonzero(told):
            for button in np.flatnonzero(pressed[lane]):
                held[button].append(int(pressed[lane, button] + planned[lane, button]))

    sums = counts.take()

    assert sums.tolist() == [
        [len(holds) for holds in held],
        [sum(holds) for holds in held],
        [sum(hold**2 for hold in holds) for holds in held],
    ]
    assert counts.take().shape == (3, 0)


@given(st.lists(st.lists(st.integers(1, 60), max_size=8), min_size=1, max_size=4))
def test_the_file_tells_share_mean_and_deviation(
    tmp_path_factory: pytest.TempPathFactory, parts: list[list[int]]
) -> None:
    file = tmp_path_factory.mktemp("holds") / "0.holds.csv"
    record = RecordHolds(file, ("jump",), every=10)
    for number, holds in enumerate(parts):
        sums = np.array([[len(holds)], [sum(holds)], [sum(hold**2 for hold in holds)]])
        record.add(sums, 10, steps=10 * number, frames=40 * number)

    for number, (line, holds) in enumerate(zip(lines_of(file), parts, strict=True)):
        assert (line["button"], line["steps"], line["frames"]) == ("jump", str(10 * number), str(40 * number))
        assert float(line["share"]) == pytest.approx(len(holds) / 10)
        assert (line["mean"], line["std"]) == ("", "") or holds
        if holds:
            assert float(line["mean"]) == pytest.approx(np.mean(holds), abs=1e-3)
            assert float(line["std"]) == pytest.approx(np.std(holds), abs=1e-3)


@needs_mario
def test_a_hold_of_the_game_counts_its_planned_frames() -> None:
    lanes = make_lanes(find_env(MARIO), 2, {"observation": "tiles"}, infos=("frames",))
    lanes.reset()
    for _ in range(5):
        lanes.step(np.array([[-1, -1, -1, 0.8, 0.4, -1]] * 2, np.float32))  # right for 16 frames, A for 8
    presses, frames, squares = lanes.holds.take()
    lanes.close()
    assert presses.tolist() == [0, 0, 0, 10, 10, 0]
    assert frames.tolist() == [0, 0, 0, 160, 80, 0]
    assert squares.tolist() == [0, 0, 0, 2560, 640, 0]


@needs_mario
def test_actors_in_processes_count_the_same(tmp_path: Path) -> None:
    """A line is written whenever enough steps were played: one for each button and rollout here."""
    found = []
    for sampler in ("sync", "async"):
        env_kwargs = {"observation": {"tiles": {"count": 1}}}
        config = config_of(
            "ppo", MARIO, 192, sampler=sampler, actors=2, env_kwargs=env_kwargs, overrides=ON_POLICY
        )
        found.append(lines_of(experiment.train(config, tmp_path / sampler).run / "training" / "0.holds.csv"))
    sync, asynchronous = found
    assert sync == asynchronous
    assert {line["button"] for line in sync} == {"up", "down", "left", "right", "A", "B"}
    assert [int(line["steps"]) for line in sync] == sorted(int(line["steps"]) for line in sync)
    assert all(1 <= float(line["mean"]) <= 120 for line in sync if line["mean"])


def test_environments_without_buttons_have_no_file(tmp_path: Path) -> None:
    run = experiment.train(config_of("ppo", steps=96), tmp_path / "run").run
    assert not list(run.glob("training/*.holds.csv"))
