"""Curves and tables against numbers worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from experiments.curves import curve_of
from experiments.errors import ExperimentError
from experiments.protocol import Comparison
from experiments.report import over_runs, tables
from experiments.results import Result, Results, read_results
from experiments.stages import stages_table

COMPARISON = Comparison.model_validate(
    {
        "about": "by hand",
        "env": "CartPole-v1",
        "frames": 4000,
        "seeds": [1, 2, 3, 4, 5],
        "arms": {"good": {"algorithm": "ppo"}, "bad": {"algorithm": "a2c"}},
    }
)


def result(arm: str, seed: int, cleared: int) -> Result:
    return Result(
        protocol=1, arm=arm, seed=seed, steps=400, frames=4000, seconds=80.0, episodes=40, calls=1,
        started="2026-01-01T00:00:00+00:00", train="", evaluate="", config={}, versions={}, git_commit=None,
        evaluation={"episodes": 10, "cleared": cleared, "return": {"mean": -1.0, "iqm": -1.0}},
    )  # fmt: skip


def curve(height: float, pace: float) -> dict[str, np.ndarray]:
    """Return a clear rate that rises in a line to ``height`` and loses half of it in the last tenth."""
    clear = height * np.arange(1, 41) / 36
    clear[36:] = height / 2
    return {
        "part": np.arange(1.0, 41.0),
        "frames": np.arange(1, 41) * 100.0,
        "seconds": np.arange(1, 41) * pace,
        "episodes": np.ones(40),
        "clear": clear,
        "return": np.full(40, -2.0),
    }


@pytest.fixture
def results(tmp_path: Path) -> Results:
    found = read_results(tmp_path, "hand")
    for seed, cleared in enumerate((10, 0, 9, 8, 7), 1):
        found.add(result("good", seed, cleared), curve(0.8, pace=2.0))
    for seed, cleared in enumerate((1, 2, 3, 8, 0), 1):
        found.add(result("bad", seed, cleared), curve(0.4, pace=0.5))
    return found


def row(text: str, *begins: str) -> list[str]:
    """Return the cells of the row that begins so, without their intervals."""
    line = next(line for line in text.splitlines() if line.startswith(f"| {' | '.join(begins)} |"))
    return [cell.split(" (")[0].strip() for cell in line.strip("|").split("|")]


def part_of(text: str, title: str) -> str:
    return text[text.index(title) :]


def test_ends_improvement_and_retention(results: Results) -> None:
    text = tables("hand", COMPARISON, results)
    # Of five runs the middle three count: 7, 8, 9 and 1, 2, 3 of ten.
    assert row(text, "good", "5") == ["good", "5", "400", "4,000", "80", "80 %", "-1"]
    assert row(text, "bad", "5")[5] == "20 %"
    # 10, 9 beat all five; 8 beats four and equals one; 7 beats four; 0 equals one: 10 + 4.5 + 4 + 0.5 of 25.
    assert row(part_of(text, "Probability"), "good")[1:] == ["", "76 %"]
    assert row(part_of(text, "Probability"), "bad")[1:] == ["24 %", ""]
    # The ninth tenth has 33 to 36 of 36 of the height, 34.5 on average; the last 18.
    assert row(part_of(text, "Retention"), "good")[1:] == ["0.522", "–"]


def test_intervals_are_those_of_runs(results: Results) -> None:
    estimate = over_runs([0.7, 0.8, 0.9, 0.0, 1.0])
    assert estimate.value == pytest.approx(0.8)
    # Among five draws of five runs the middle three may be the lowest or the highest; 95 % leave out either.
    assert 0 <= estimate.low < 0.8 < estimate.high <= 1.0
    low, high = f"{100 * estimate.low:.1f}", f"{100 * estimate.high:.1f}"
    assert f"80 % ({low} % to {high} %)".replace(".0 %", " %") in tables("hand", COMPARISON, results)


def test_some_of_the_arms_are_shown(results: Results) -> None:
    text = tables("hand", COMPARISON, results, ["bad"])
    assert row(text, "bad", "5")[5] == "20 %"
    assert "| good |" not in text


def test_curves_over_frames_and_over_seconds(results: Results) -> None:
    text = tables("hand", COMPARISON, results)
    frames = part_of(text, "Clear rate of training episodes over frames")
    assert row(frames, "2,000") == ["2,000", f"{80 * 20 / 36:.1f} %", f"{40 * 20 / 36:.1f} %"]
    assert row(frames, "4,000") == ["4,000", "40 %", "20 %"]
    seconds = part_of(text, "Clear rate of training episodes over seconds")
    # The bad arm's runs ended after 20 seconds; in a second it plays four times as many frames.
    assert row(seconds, "80") == ["80", "40 %", ""]
    fourth = 80 / 1.5**4
    assert row(seconds, f"{fourth:.3g}")[1:] == [f"{80 * fourth / 72:.1f} %", f"{40 * fourth / 18:.1f} %"]


def test_an_arm_with_fewer_frames_is_compared_where_it_ended(results: Results) -> None:
    arms = {"good": {"algorithm": "ppo"}, "bad": {"algorithm": "a2c", "frames": 2000}}
    comparison = Comparison.model_validate({**COMPARISON.model_dump(), "arms": arms})
    short = curve(0.4, pace=0.5)
    short["frames"] = np.arange(1, 41) * 50.0
    results.curves.update({("bad", seed): short for seed in range(1, 6)})
    text = tables("hand", comparison, results)
    # After 2,000 frames the good arm's runs have 0.8 · 20 / 36, and the bad arm's, at their end, 0.2.
    there = part_of(text, "Training episodes after 2,000 frames")
    assert row(there, "good") == ["good", f"{80 * 20 / 36:.1f} %", "-2"]
    assert row(there, "bad") == ["bad", "20 %", "-2"]
    assert row(part_of(there, "Probability"), "good")[1:] == ["", "100 %"]
    frames = part_of(text, "Clear rate of training episodes over frames")
    assert row(frames, "2,000") == ["2,000", f"{80 * 20 / 36:.1f} %", "20 %"]
    assert row(frames, "2,400") == ["2,400", f"{80 * 24 / 36:.1f} %", ""]
    assert "Training episodes after" not in tables("hand", COMPARISON, results)


def test_many_arms_are_compared_with_the_first_of_each_algorithm(tmp_path: Path) -> None:
    algorithms = {"ppo": "ppo", **{f"ppo-{n}": "ppo" for n in range(3)}, "a2c": "a2c", "a2c-0": "a2c"}
    for more in ({}, {"a2c-1": "a2c"}):
        arms = {arm: {"algorithm": algorithm} for arm, algorithm in (algorithms | more).items()}
        found = read_results(tmp_path / str(len(arms)), "hand")
        for cleared, arm in enumerate(arms):
            found.add(result(arm, 1, cleared), curve(0.8, pace=2.0))
        comparison = Comparison.model_validate({**COMPARISON.model_dump(), "arms": arms})
        chances = part_of(tables("hand", comparison, found), "Probability")
        against = ["ppo", "a2c"] if more else list(arms)
        assert chances.splitlines()[2] == f"|  | {' | '.join(against)} |"
        beaten = ["" if arm == "a2c" else f"{100 * (list(arms).index(arm) < 4)} %" for arm in against]
        assert row(chances, "a2c")[1:] == beaten


def test_stages_are_what_arms_of_several_are_compared_over(tmp_path: Path) -> None:
    members = []
    cleared = {
        "1-1": {"good": (8, 6), "bad": (1, 3)},
        "1-2": {"good": (9,), "bad": (5,)},
        "1-3": {"good": (1,)},
    }
    for stage, arms in cleared.items():
        found = read_results(tmp_path, f"hand-{stage}")
        for arm, runs in arms.items():
            for seed, one in enumerate(runs, 1):
                found.add(result(arm, seed, one), curve(0.8, pace=1.0))
        members.append((Comparison.model_validate({**COMPARISON.model_dump(), "stages": [stage]}), found))
    text = part_of(stages_table("hand", members), "Clear rate of evaluated runs")
    assert row(text, "1-1") == ["1-1", "70 %", "20 %"]
    assert row(text, "1-3") == ["1-3", "10 %", "–"]
    # On 1-3 the second arm has not played: 0.7 and 0.9 against 0.2 and 0.5, that is 0.5 and 0.4 less.
    assert row(text, "mean") == ["mean", "80 %", "35 %"]
    assert row(text, "over the first arm") == ["over the first arm", "", "-45 %"]
    assert "| -45 % (-50 % to -40 %) |" in text


def test_a_curve_has_every_episode_in_the_part_in_which_it_ended(tmp_path: Path) -> None:
    # Eighty episodes of ten frames, one in ten seconds; the run played 1,000 frames in 1,600 seconds.
    (tmp_path / "training").mkdir()
    rows = [f"{index},5,{10 * (index + 1)},10,{index >= 40}" for index in range(80)]
    text = '#{"t_start": 0}\nr,l,t,frames,clear\n' + "\n".join(rows) + "\n"
    (tmp_path / "training" / "0.monitor.csv").write_text(text)
    found = curve_of(tmp_path, frames=1000, seconds=1600.0)
    np.testing.assert_array_equal(found["episodes"], np.full(40, 2.0))
    np.testing.assert_allclose(found["return"], np.arange(40) * 2 + 0.5)
    np.testing.assert_array_equal(found["clear"], np.repeat([0.0, 1.0], 20))
    np.testing.assert_allclose(found["frames"], np.arange(1, 41) * 25)
    np.testing.assert_allclose(found["seconds"], np.arange(1, 41) * 40)


def test_results_come_back_as_they_were_written(results: Results, tmp_path: Path) -> None:
    again = read_results(tmp_path, "hand")
    assert again.lines == results.lines
    for key, written in results.curves.items():
        assert set(again.curves[key]) == set(written)
        for name, values in written.items():
            np.testing.assert_allclose(again.curves[key][name], values, rtol=1e-5)


def test_results_of_another_version_and_damaged_ones_are_refused(results: Results, tmp_path: Path) -> None:
    path, curves = tmp_path / "hand.jsonl", tmp_path / "hand.curves.csv"
    whole = path.read_text()
    first, rest = whole.split("\n", 1)
    for line, message in (
        (json.dumps({**json.loads(first), "protocol": 0}), "line 1, is of version 0 of the protocol"),
        (json.dumps({**json.loads(first), "more": 1}), "line 1: not one of ours; delete the line"),
        (first[:50], "line 1: no JSON object; delete the line"),
    ):
        path.write_text(f"{line}\n{rest}")
        with pytest.raises(ExperimentError, match=message) as caught:
            read_results(tmp_path, "hand")
        assert "\n" not in str(caught.value)
    path.write_text(whole)
    curves.write_text("\n".join(curves.read_text().splitlines()[:41]))
    with pytest.raises(ExperimentError, match=r"no curve of arm bad, seed 2; delete its line in hand\.jsonl"):
        read_results(tmp_path, "hand")
