"""Experiments as a user runs them: stopped in the middle, gone on with, nothing run twice."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mario_agents.quiet_import import import_sb3_quietly

import_sb3_quietly()

from experiments.errors import ExperimentError  # noqa: E402
from experiments.lock import locked  # noqa: E402
from experiments.protocol import cells_of, read_protocol  # noqa: E402
from experiments.results import read_results  # noqa: E402
from experiments.running import Runner  # noqa: E402

ROOT = Path(__file__).parents[2]

#: The second arm's updates take long enough to be stopped in the middle of one.
PROTOCOL = """
version: 1
comparisons:
  pole:
    about: quick and slow
    env: CartPole-v1
    steps: 256
    seeds: [1, 2]
    evaluation: {episodes: 4, seed: 7}
    arms:
      quick: {algorithm: ppo, lanes: 2, set: {n_steps: 64, batch_size: 128, n_epochs: 1}}
      slow: {algorithm: ppo, lanes: 2, set: {n_steps: 64, batch_size: 16, n_epochs: 150}}
"""


class Place:
    """A protocol, its results and its runs."""

    def __init__(self, folder: Path) -> None:
        self.protocol, self.results, self.runs = (folder / name for name in ("p.yml", "results", "runs"))
        self.protocol.write_text(PROTOCOL)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        places = ["--protocol", self.protocol, "--results", self.results, "--runs", self.runs]
        return subprocess.Popen(
            [sys.executable, "-m", "experiments", *map(str, places), *arguments],
            cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def lines(self) -> dict[str, str]:
        """Return the lines of the finished cells."""
        path = self.results / "pole.jsonl"
        found = path.read_text().splitlines() if path.exists() else []
        return {f"{line['arm']}-{line['seed']}": text for text in found if (line := json.loads(text))}


def wait_for_an_update(process: subprocess.Popen[str], run: Path) -> None:
    """Wait until episodes were recorded, and none for a second: updates are slow, playing is not."""
    deadline = time.monotonic() + 120
    recorded = run / "training" / "0.monitor.csv"
    lines, since = 0, time.monotonic()
    while not (lines > 2 and time.monotonic() > since + 1.0):
        now = len(recorded.read_text().splitlines()) if recorded.exists() else 0
        if now != lines:
            lines, since = now, time.monotonic()
        assert time.monotonic() < deadline, "no training began"
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.05)


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, dict[str, str], str]:
    """What a first call left and said that was stopped while its second cell trained."""
    place = Place(tmp_path_factory.mktemp("experiments"))
    process = place.start("--seeds", "1", "--jobs", "1")
    wait_for_an_update(process, place.runs / "pole" / "slow-1")
    with pytest.raises(ExperimentError, match="is in use"), locked(place.runs):
        pass
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    return place, place.lines(), errors


def test_what_was_stopped_goes_on_and_what_was_finished_is_let_be(
    stopped: tuple[Place, dict[str, str], str],
) -> None:
    place, before, errors = stopped
    assert list(before) == ["quick-1"]
    assert "the same command goes on" in errors
    assert "Traceback" not in errors
    # As a run looks that was killed: its manifest tells of no end.
    manifest = json.loads((place.runs / "pole" / "slow-1" / "manifest.json").read_text())
    assert manifest["calls"][0]["stopped_by"] == "SIGINT"
    manifest["calls"][0]["stopped_by"] = None
    killed = place.runs / "pole" / "quick-2"
    killed.mkdir()
    (killed / "manifest.json").write_text(json.dumps(manifest))
    (killed / "left-over").touch()

    process = place.start()
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    after = place.lines()
    assert set(after) == {"quick-1", "quick-2", "slow-1", "slow-2"}
    assert after["quick-1"] == before["quick-1"]
    assert "quick-1" not in errors
    cells = {name: json.loads(text) for name, text in after.items()}
    assert {name: cell["calls"] for name, cell in cells.items() if name != "slow-1"} == {
        "quick-1": 1, "quick-2": 1, "slow-2": 1,
    }  # fmt: skip
    assert cells["slow-1"]["calls"] == 2
    assert not (killed / "left-over").exists()
    for name, cell in cells.items():
        assert cell["steps"] == cell["frames"] == 256
        assert cell["evaluation"]["episodes"] == 4
        assert cell["train"].startswith("mario-agents train ppo --env CartPole-v1 --steps 256 --seed")
        assert f"evaluate {place.runs / 'pole' / name} --episodes 4 --seed 7 --json" in cell["evaluate"]
        assert {"python", "torch", "mario-agents"} <= set(cell["versions"])
    curves = (place.results / "pole.curves.csv").read_text().splitlines()
    assert len(curves) == 1 + 4 * 40
    assert "| slow | 2 | 256 | 256 |" in output

    # Nothing is left to do, and what was run is not taken for what other settings would have given.
    results = read_results(place.results, "pole")
    assert all(results.has(cell) for cell in cells_of(read_protocol(place.protocol)))
    for text, other in (("n_epochs: 1}", "n_epochs: 2}"), ("seed: 7", "seed: 8")):
        place.protocol.write_text(PROTOCOL.replace(text, other))
        first, *_ = cells_of(read_protocol(place.protocol))
        what = "hyperparams" if "epochs" in text else "evaluation"
        with pytest.raises(ExperimentError, match=f"arm quick, seed 1, was run with other {what} than"):
            results.has(first)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the interpreter's neighbour mario-agents is looked for; the test writes it."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    path = tmp_path / "mario-agents"
    path.touch(mode=0o755)
    return path


def run_quick_ones(
    tmp_path: Path, jobs: int, seconds: float | None, protocol: str = PROTOCOL
) -> tuple[list[str], list[str]]:
    """Run both seeds of the quick arm; return what failed and what was told."""
    place = Place(tmp_path)
    place.protocol.write_text(protocol)
    cells = cells_of(read_protocol(place.protocol), arms=["quick"])
    told: list[str] = []
    runner = Runner(place.runs, {"pole": read_results(place.results, "pole")}, (), told.append)
    failed = runner.run(cells, jobs, seconds)
    assert place.lines() == {}
    return failed, told


def test_when_time_is_up_runs_are_told_to_save(program: Path, tmp_path: Path) -> None:
    saved = tmp_path / "saved"
    program.write_text(f"#!/bin/sh\ntrap 'touch {saved}; exit 130' INT\nwhile :; do sleep 0.05; done\n")
    failed, told = run_quick_ones(tmp_path, jobs=1, seconds=2.0)
    assert failed == []
    assert told == ["pole/quick-1: train", "time is up: saving what runs"]
    assert saved.exists()


def test_a_cell_that_fails_is_told_and_the_others_go_on(program: Path, tmp_path: Path) -> None:
    program.write_text("#!/bin/sh\necho one >&2\necho the loss is nan >&2\nexit 1\n")
    failed, told = run_quick_ones(tmp_path, jobs=1, seconds=None)
    assert failed == ["pole/quick-1", "pole/quick-2"]
    assert told[1] == (
        "pole/quick-1 failed: the loss is nan "
        f"(all it said is in {tmp_path / 'runs' / 'pole' / 'quick-1.log'})"
    )


def test_a_cell_that_is_taught_has_what_the_protocol_says_in_a_file(program: Path, tmp_path: Path) -> None:
    program.write_text('#!/bin/sh\nwhile [ "$1" != --cloning ]; do shift; done\ncat "$2" >&2\nexit 1\n')
    quick = "{algorithm: ppo, lanes: 2, set: {n_steps: 64, batch_size: 128, n_epochs: 1}}"
    taught = "{algorithm: ppo, teaching: {cloning: {demonstrations: [my.movie], epochs: 3}}}"
    _, told = run_quick_ones(tmp_path, jobs=1, seconds=None, protocol=PROTOCOL.replace(quick, taught))
    assert told[1].startswith("pole/quick-1 failed: epochs: 3 (")
    written = (tmp_path / "runs" / "pole" / "quick-1.cloning.yml").read_text()
    assert written == "demonstrations:\n- my.movie\nepochs: 3\n"
