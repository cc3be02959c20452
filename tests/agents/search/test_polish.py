"""Polishing: what comes out clears the stage and is no worse; its hand is measured as mario-eval does."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mario_agents.errors import AgentsError
from mario_agents.interruption import INTERRUPTED
from mario_agents.movies.shipped import shipped_movies
from mario_agents.search.polish.command import polish
from mario_agents.search.polish.edits import difference, draw_edit
from mario_agents.search.polish.goals import PolishGoal
from mario_agents.search.polish.hand import count_changes, count_presses, hand_of
from mario_agents.search.polish.movie import Figures, PolishConfig, polish_movie, read_clear
from mario_agents.search.polish.polisher import Polisher
from mario_envs.buttons import PLAYED, Button
from mario_envs.emulators.native import NativeEmulator
from mario_envs.game import stages
from mario_envs.game.roms import load_rom
from mario_envs.movies.file import read_movie, write_movie
from mario_envs.movies.movie import POWER_ON
from mario_envs.movies.replay import differences, record, replay
from mario_eval.recordings import Recording
from mario_eval.statistics import hand as eval_hand

from ..conftest import Cli

#: About a second.
SHORT = PolishConfig(frames=20_000, lanes=16, threads=1, seed=3)
#: Of the command.
OPTIONS: dict[str, Any] = {
    "goal": "hand", "minutes": None, "frames": 20_000, "seed": 3, "lanes": 16, "threads": 1, "rom": None,
    "as_json": False,
}  # fmt: skip

DIRECTIONS = (0, Button.LEFT, Button.RIGHT, Button.UP, Button.DOWN, Button.DOWN | Button.RIGHT)
OTHERS = (0, Button.A, Button.B, Button.A | Button.B)
OPPOSITE = (Button.LEFT | Button.RIGHT, Button.UP | Button.DOWN)

frames_of_buttons = st.builds(
    lambda one, other: int(one | other), st.sampled_from(DIRECTIONS), st.sampled_from(OTHERS)
)
movies = st.lists(st.tuples(frames_of_buttons, st.integers(1, 40)), min_size=1, max_size=20).map(
    lambda runs: bytes(1) + b"".join(bytes([buttons]) * length for buttons, length in runs)
)
seeds = st.integers(0, 2**32 - 1)


def polisher(goal: PolishGoal, *, stage: str = "1-1", threads: int = 1, seed: int = 0) -> Polisher:
    return Polisher(
        NativeEmulator(load_rom(), 16, num_threads=threads),
        stage,
        read_movie(shipped_movies()[stage]).buttons,
        random=np.random.default_rng(seed),
        goal=goal,
    )


def polish_a_little(polishing: Polisher, frames: int = 20_000) -> Polisher:
    while polishing.frames < frames:
        polishing.advance()
    return polishing


@given(movies, seeds)
def test_an_edit_can_be_pressed_and_leaves_the_frame_that_a_reset_waits(movie: bytes, seed: int) -> None:
    random = np.random.default_rng(seed)
    for _ in range(10):
        edit = draw_edit(movie, random)
        edited = edit.apply(movie)
        assert edited != movie
        assert edit == difference(movie, edited)
        assert edited[0] == 0
        assert not any(byte & both == both for byte in edited for both in OPPOSITE)
        assert abs(len(edited) - len(movie)) <= 16
        if len(edited) > 1:
            movie = edited


@given(movies, seeds)
def test_edits_that_do_not_overlap_come_in_any_order(movie: bytes, seed: int) -> None:
    random = np.random.default_rng(seed)
    one, other = draw_edit(movie, random), draw_edit(movie, random)
    then, instead = one.after(other), other.after(one)
    assert (then is None) == (instead is None) or one.begin == one.end or other.begin == other.end
    if then is not None and instead is not None and one.begin != other.begin:
        assert then.apply(other.apply(movie)) == instead.apply(one.apply(movie))


@dataclass
class MovieAsRecording:
    """A movie as mario-eval sees an episode of it, with so many frames in a step."""

    buttons: bytes
    frames: int

    def step_columns(self) -> list[str]:
        return ["episode", "step", "frames", "pressed"]

    def steps(self, columns: list[str]) -> Iterator[pa.Table]:
        pressed, frames = [], []
        for begin, end in self._steps():
            frames.append(end - begin)
            down = [[bool(byte & button) for byte in self.buttons[begin:end]] for button in PLAYED]
            pressed.append([sum(each) for each in down])
        count = len(frames)
        yield pa.table(
            {
                "episode": np.zeros(count, np.int64),
                "step": np.arange(count),
                "frames": np.array(frames),
                "pressed": pa.array(pressed, pa.list_(pa.int32(), len(PLAYED))),
            }
        )

    def _steps(self) -> list[tuple[int, int]]:
        """Steps of equal length, cut where a button goes down within one: in a step they only come up."""
        bounds = [0]
        for frame in range(1, len(self.buttons)):
            if self.buttons[frame] & ~self.buttons[frame - 1] or frame - bounds[-1] == self.frames:
                bounds.append(frame)
        return list(zip(bounds, [*bounds[1:], len(self.buttons)], strict=True))


@given(movies, st.integers(1, 8))
def test_the_hand_is_the_one_that_mario_eval_measures(movie: bytes, frames: int) -> None:
    theirs = eval_hand.hand_of(cast(Recording, MovieAsRecording(movie, frames)))
    ours = hand_of(movie)
    assert theirs is not None
    assert ours.changes_per_second == pytest.approx(theirs.changes_per_second)
    assert {name: len(lengths) for name, lengths in ours.holds.items()} == theirs.presses
    for name, quantiles in theirs.holds.items():
        lengths = np.quantile(ours.holds[name], [0.05, 0.25, 0.5, 0.75, 0.95], method="inverted_cdf")
        assert tuple(lengths) == quantiles
    assert (count_changes(movie), count_presses(movie)) == (ours.changes, ours.presses)


@pytest.mark.parametrize(
    ("stage", "goal"),
    [
        ("1-1", PolishGoal.HAND),
        ("1-1", PolishGoal.SCORE),
        ("1-1", PolishGoal.SPEED),
        ("4-4", PolishGoal.HAND),
    ],
)
def test_a_polished_movie_is_proved_and_better(stage: str, goal: PolishGoal, tmp_path: Path) -> None:
    file = shipped_movies()[stage]
    polished = polish_movie(
        file, read_clear(file, load_rom()), replace(SHORT, goal=goal), load_rom(), tmp_path
    )
    before, after = read_movie(file), read_movie(tmp_path / file.name)
    assert after.outcome.clear
    assert differences(after, replay(after)) == []
    assert (polished.before, polished.after) == (Figures.of(before), Figures.of(after))
    assert polished.kept > 0
    costs = [goal.cost(movie.buttons, movie.outcome.score) for movie in (before, after)]
    assert costs[1] < costs[0]
    if goal is PolishGoal.HAND:
        assert polished.after.changes < polished.before.changes
        assert polished.after.mean_hold > polished.before.mean_hold
        assert polished.after.frames <= polished.before.frames
    assert after.buttons[0] == 0
    assert not any(byte & both == both for byte in after.buttons for both in OPPOSITE)


@pytest.mark.parametrize("goal", PolishGoal)
def test_the_best_way_s_consoles_are_those_that_its_buttons_lead_to(goal: PolishGoal) -> None:
    """Also where an edit was not played on, as it made no difference any more."""
    best = polish_a_little(polisher(goal)).best
    console = NativeEmulator(load_rom(), 1)
    stages.start_stage(console, 0, "1-1")
    for frame, byte in enumerate(best.buttons):
        if frame % 32 == 0:
            assert console.save(0) == best.consoles[frame // 32]
        console.press(0, Button(byte))
    assert len(best.consoles) == -(-len(best.buttons) // 32)
    outcome = record("1-1", best.buttons).outcome
    assert (outcome.clear, outcome.frames) == (True, len(best.buttons))
    if goal is PolishGoal.SCORE:
        assert outcome.score == best.score


def test_the_same_seed_finds_the_same_with_any_number_of_threads() -> None:
    one = polish_a_little(polisher(PolishGoal.SPEED))
    two = polish_a_little(polisher(PolishGoal.SPEED, threads=2))
    another = polish_a_little(polisher(PolishGoal.SPEED, seed=1))
    assert one.best == two.best
    assert (one.tried, one.kept) == (two.tried, two.kept)
    assert one.best.buttons != another.best.buttons


def test_it_ends_when_nothing_is_found_for_long_or_it_is_interrupted(tmp_path: Path) -> None:
    file = shipped_movies()["1-1"]
    impatient = replace(SHORT, patience=1)
    assert (
        polish_movie(file, read_clear(file, load_rom()), impatient, load_rom(), tmp_path).stopped_by
        == "patience"
    )
    at_once = polish_movie(
        file, read_clear(file, load_rom()), SHORT, load_rom(), tmp_path / "b", interrupted=lambda: "SIGINT"
    )
    assert (at_once.stopped_by, at_once.before, at_once.tried) == ("SIGINT", at_once.after, 0)
    assert (tmp_path / "b/1-1.movie").read_bytes() == file.read_bytes()


def test_the_command_polishes_and_tells(cli: Cli, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [shipped_movies()[stage] for stage in ("1-1", "1-4")]
    little = {"frames": 8_000, "lanes": 16, "seed": 3, "threads": 1}
    options = [text for name, value in little.items() for text in (f"--{name}", value)]
    done = cli("polish", *files, *options, "--out", tmp_path / "a", "--json")
    first, second = json.loads(done.stdout)
    assert (first["stage"], second["stage"]) == ("1-1", "1-4")
    assert first["after"]["changes"] < first["before"]["changes"]
    assert polish(files, out=tmp_path / "b", **(OPTIONS | little)) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[0] == "movie"
    assert f"{first['before']['frames']:,} -> {first['after']['frames']:,}" in table[1]
    for file in files:
        assert (tmp_path / "a" / file.name).read_bytes() == (tmp_path / "b" / file.name).read_bytes()


def refused(folder: Path) -> dict[str, str]:
    """Write movies that cannot be polished; return what is said of each."""
    good = read_movie(shipped_movies()["1-1"])
    content = shipped_movies()["1-1"].read_bytes()
    (folder / "damaged.movie").write_bytes(content.replace(b"right B", b"right A", 1))
    write_movie(record("1-1", good.buttons[:-1]), folder / "short.movie")
    write_movie(record("1-1", bytes([Button.RIGHT]) * 300), folder / "dead.movie")
    write_movie(replace(good, rom_sha256="0" * 64, rom_revision="World"), folder / "foreign.movie")
    write_movie(replace(good, outcome=replace(good.outcome, score=10)), folder / "untrue.movie")
    write_movie(replace(good, start=POWER_ON), folder / "whole.movie")
    write_movie(replace(good, buttons=b"\xc0" + good.buttons[1:]), folder / "both.movie")
    write_movie(replace(good, buttons=b"\x08" + good.buttons[1:]), folder / "pause.movie")
    return {
        "nowhere": "cannot read the movie",
        "damaged": "is damaged",
        "short": "does not clear stage 1-1; polish one that does",
        "dead": "does not clear stage 1-1; polish one that does",
        "foreign": "was recorded with the ROM World",
        "untrue": "does not come out as it says: score is 17800, not 10",
        "whole": "starts at power-on",
        "both": "in frame 0; only up or down, left or right, A and B can be polished",
        "pause": "in frame 0; only up or down, left or right, A and B can be polished",
    }


def test_a_movie_that_cannot_be_polished_is_refused_in_one_line(tmp_path: Path) -> None:
    for name, message in refused(tmp_path).items():
        with pytest.raises(AgentsError) as caught:
            read_clear(tmp_path / f"{name}.movie", load_rom())
        assert str(caught.value).startswith(str(tmp_path / f"{name}.movie")) or name == "nowhere"
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_nothing_is_written_over_and_all_are_looked_at_first(tmp_path: Path) -> None:
    good, out = shipped_movies()["1-1"], tmp_path / "out"
    refused(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/1-1.movie").write_text("mine")
    with pytest.raises(AgentsError, match=r"dead\.movie does not clear stage 1-1"):
        polish([good, tmp_path / "dead.movie"], out=out, **OPTIONS)
    with pytest.raises(AgentsError, match=r"two movies are called 1-1\.movie"):
        polish([good, good], out=out, **OPTIONS)
    with pytest.raises(AgentsError, match=r"there/1-1\.movie exists; give another --out"):
        polish([good], out=tmp_path / "there", **OPTIONS)
    assert not out.exists()
    assert (tmp_path / "there/1-1.movie").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--goal", "clear"), "no goal 'clear'; valid: hand, score, speed"),
        (("--minutes", 0), "--minutes must be above 0"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, tmp_path: Path, arguments: tuple[object, ...], message: str) -> None:
    done = cli("polish", shipped_movies()["1-1"], *arguments, "--out", tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


def test_ctrl_c_saves_the_best_so_far(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, handler = shipped_movies()["1-1"], signal.getsignal(signal.SIGINT)

    def press_ctrl_c() -> None:
        while signal.getsignal(signal.SIGINT) is handler:
            time.sleep(0.05)
        time.sleep(1)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press_ctrl_c)
    pressing.start()
    assert polish([file], out=tmp_path, **(OPTIONS | {"frames": None, "minutes": 60})) == INTERRUPTED
    pressing.join()
    assert "stopped by SIGINT; what was best is saved" in capsys.readouterr().err
    movie = read_movie(tmp_path / "1-1.movie")
    assert differences(movie, replay(movie)) == []
    assert hand_of(movie.buttons).changes <= hand_of(read_movie(file).buttons).changes
