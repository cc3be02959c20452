"""Search: solutions that are proved, the same by the same seed; and broken off, it goes on as if unbroken."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import mario_envs  # noqa: F401 (registers the IDs)
import numpy as np
import pytest
from mario_agents.errors import AgentsError
from mario_agents.movies.shipped import shipped_movies
from mario_agents.search.archive import NO_NODE, Archive
from mario_agents.search.button_runs import LEAST_FRAMES, MOST_FRAMES, RandomRuns, draw_runs
from mario_agents.search.cells import PlaceCells
from mario_agents.search.decisions import RandomDecisions
from mario_agents.search.explorer import Explorer
from mario_agents.search.goals import Goal
from mario_agents.search.saved import load
from mario_agents.search.selection import NewAndRare
from mario_agents.search.stage import Found, SearchConfig, parse_stages, search_stage
from mario_agents.search.tries import TryRule
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.buttons import LEFT, PLAYED, RIGHT, A
from mario_envs.emulators.native import NativeEmulator
from mario_envs.game import ram_map, stages
from mario_envs.game.roms import load_rom
from mario_envs.game.state import decode
from mario_envs.movies.file import read_movie
from mario_envs.movies.replay import differences, replay

from ..conftest import COMMAND, Cli

#: Some seconds of search, not enough for the stage.
SHORT = SearchConfig(frames=20_000, lanes=16, threads=1, seed=3)
EITHER = pytest.mark.parametrize(
    "tries", [RandomRuns(), RandomDecisions(ContinuousFrames(fresh_press=True, min_frames=8))]
)


def explorer(stage: str, tries: TryRule) -> Explorer:
    return Explorer(
        NativeEmulator(load_rom(), 16, num_threads=1),
        stage,
        random=np.random.default_rng(0),
        goal=Goal.CLEAR,
        cells=PlaceCells(),
        selection=NewAndRare(),
        tries=tries,
    )


def saved(folder: Path, stage: str = "4-1") -> dict[str, Any]:
    return {name: array.tobytes() for name, array in load(folder / f"{stage}.archive")[0].items()}


@pytest.mark.parametrize("stage", list(shipped_movies()))
def test_a_shipped_movie_clears_its_stage(stage: str) -> None:
    movie = read_movie(shipped_movies()[stage])
    assert movie.start == stage
    assert movie.outcome.clear
    assert differences(movie, replay(movie)) == []
    assert shipped_movies()[stage].stat().st_size < 10_000


@pytest.mark.parametrize("stage", ["1-1", "4-4"])
def test_an_environment_ends_as_the_movie_says(stage: str) -> None:
    """What search finds is an episode: the same buttons as actions clear the stage with the same score."""
    movie = read_movie(shipped_movies()[stage])
    assert movie.buttons[0] == 0  # the frame that a reset waits
    action = {"discrete-frames": {"buttons": "multi-binary", "frames": 1}}
    env = gymnasium.make(f"MarioScore-{stage}-DiscreteFrames-v0", observation="tiles", action=action)
    env.reset(seed=0)
    for number, byte in enumerate(movie.buttons[1:], start=2):
        down = np.array([bool(byte & button) for button in PLAYED], np.int8)
        _, _, terminated, _, info = env.step(down)
        assert terminated == (number == movie.outcome.frames)
    env.close()
    assert (info["clear"], info["score"]) == (True, movie.outcome.score)


@EITHER
def test_a_cell_is_reached_by_its_buttons(tries: TryRule) -> None:
    """What an archive says leads to a cell leads to the very console that it saved."""
    searching = explorer("2-2", tries)  # water, where A is pressed again and again
    while searching.frames < 30_000:
        searching.advance()
    archive, console = searching.archive, NativeEmulator(load_rom(), 2)
    assert len(archive) > 50
    for cell in range(0, len(archive), 17):
        stages.start_stage(console, 0, "2-2")
        for byte in archive.buttons_to(archive.node_of(cell)):
            console.press(0, byte)  # type: ignore[arg-type]
        console.restore(1, archive.console_of(cell))
        first, second = console.ram(np.arange(2))
        assert np.array_equal(first, second)


def test_the_same_seed_finds_the_same_with_any_number_of_threads(tmp_path: Path) -> None:
    for name, config in {
        "a": SHORT, "b": replace(SHORT, threads=2), "c": replace(SHORT, seed=4),
    }.items():  # fmt: skip
        search_stage("4-1", config, tmp_path / name)
    assert saved(tmp_path / "a") == saved(tmp_path / "b")
    assert saved(tmp_path / "a") != saved(tmp_path / "c")


@EITHER
def test_an_interrupted_search_goes_on_as_if_unbroken(tmp_path: Path, tries: TryRule) -> None:
    config = replace(SHORT, tries=tries)
    search_stage("4-1", config, tmp_path / "unbroken")
    asked = 0

    def interrupted() -> str | None:
        nonlocal asked
        asked += 1
        return "SIGINT" if asked % 40 == 0 else None

    for _ in range(100):
        found = search_stage("4-1", config, tmp_path / "broken", interrupted=interrupted)
        if found.stopped_by == "frames":
            break
    assert asked > 80
    assert saved(tmp_path / "broken") == saved(tmp_path / "unbroken")


def test_a_greater_budget_goes_on(tmp_path: Path) -> None:
    search_stage("4-1", replace(SHORT, frames=10_000), tmp_path / "twice")
    search_stage("4-1", SHORT, tmp_path / "twice")
    search_stage("4-1", SHORT, tmp_path / "once")
    assert saved(tmp_path / "twice") == saved(tmp_path / "once")


def test_another_search_or_damage_in_the_folder_is_named(tmp_path: Path) -> None:
    search_stage("4-1", SHORT, tmp_path)
    with pytest.raises(AgentsError, match=r"4-1\.archive was searched with seed 3, not 4; give"):
        search_stage("4-1", replace(SHORT, seed=4), tmp_path)
    with pytest.raises(AgentsError, match=r"searched with tries 'RandomRuns\(\)', not .RandomDecisions\("):
        search_stage("4-1", replace(SHORT, tries=RandomDecisions(ContinuousFrames())), tmp_path)
    file = tmp_path / "4-1.archive"
    content = bytearray(file.read_bytes())
    for place in range(0, len(content), len(content) // 20):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        file.write_bytes(damaged[: None if place % 2 else place])
        with pytest.raises(AgentsError, match=r"4-1\.archive is damaged"):
            search_stage("4-1", SHORT, tmp_path)


def test_a_movie_of_another_s_is_not_written_over(tmp_path: Path) -> None:
    file = tmp_path / "4-1.movie"
    file.write_text("mine")
    with pytest.raises(AgentsError, match=r"4-1\.movie exists and is not of this search; give another --out"):
        search_stage("4-1", SHORT, tmp_path)
    assert file.read_text() == "mine"


def test_a_movie_that_is_gone_is_found_again(tmp_path: Path) -> None:
    config = SearchConfig(lanes=16, threads=1, frames=600_000)
    file = tmp_path / "1-4.movie"
    search_stage("1-4", config, tmp_path)
    content = file.read_bytes()
    file.unlink()
    assert search_stage("1-4", config, tmp_path).solved
    assert file.read_bytes() == content


def test_speed_finds_a_shorter_way_than_the_first(tmp_path: Path) -> None:
    config = SearchConfig(lanes=16, threads=1, frames=600_000)
    first = search_stage("1-4", config, tmp_path / "clear")
    assert (first.solved, first.stopped_by) == (True, "solved")
    more = replace(config, goal=Goal.SPEED, frames=2 * first.frames_searched)
    second = search_stage("1-4", more, tmp_path / "speed")
    assert second.stopped_by == "frames"
    assert first.frames is not None
    assert second.frames is not None
    assert second.frames <= first.frames
    for found in (first, second):
        assert found.movie is not None
        movie = read_movie(Path(found.movie))
        assert (movie.outcome.frames, movie.outcome.score) == (found.frames, found.score)
        assert differences(movie, replay(movie)) == []


def test_cells_and_selection_can_be_replaced(tmp_path: Path) -> None:
    def by_column(ram: Any, state: Any) -> Any:
        return (state.x[:, None] // 64).astype(np.int32)

    def the_last(visits: Any, count: int, random: Any) -> Any:
        return np.full(count, len(visits) - 1)

    found = search_stage("4-1", replace(SHORT, cells=by_column, selection=the_last), tmp_path)
    usual = search_stage("4-1", SHORT, tmp_path / "usual")
    assert found.cells < usual.cells / 4


def test_a_maze_s_turnings_are_cells_of_their_own() -> None:
    ram = np.zeros((3, 2048), np.uint8)
    ram[1, ram_map.TURNINGS_PASSED.address] = 1
    ram[2, ram_map.TURNINGS_PASSED.address] = ram[2, ram_map.TURNINGS_RIGHT.address] = 1
    cells = PlaceCells()(ram, decode(ram))
    assert len({row.tobytes() for row in cells}) == 3
    ram[:, ram_map.X.address] = 0, 23, 24
    assert PlaceCells()(ram, decode(ram))[:, 1].tolist() == [0, 0, 1]


def test_what_is_new_and_rare_is_chosen_more_often() -> None:
    visits = np.zeros(1000, np.int32)
    visits[-1] = 50
    chosen = np.bincount(NewAndRare()(visits, 20_000, np.random.default_rng(0)), minlength=1000)
    assert chosen.sum() == 20_000
    assert chosen[-60:-10].mean() > 3 * chosen[:500].mean() > 0
    assert chosen[-2] > 10 * chosen[-1]


def test_runs_of_buttons_are_as_promised() -> None:
    runs = draw_runs(5_000, np.random.default_rng(0))
    assert set(runs.frames) == set(range(LEAST_FRAMES, MOST_FRAMES + 1))
    assert not (runs.down[:, LEFT] & runs.down[:, RIGHT]).any()
    assert runs.down.any(axis=0).all()
    assert not (runs.period[~runs.down[:, A]]).any()


def test_a_better_way_to_a_cell_leaves_others_their_own() -> None:
    archive = Archive()
    start = archive.add_node(NO_NODE, b"\0")
    long = archive.add_node(start, b"\1\1\1")
    archive.keep(b"there", long, 0, b"console", b"")
    beyond = archive.add_node(long, b"\2")
    archive.keep(b"beyond", beyond, 0, b"console", b"held")
    short = archive.add_node(start, b"\3")
    archive.keep(b"there", short, 0, b"another", b"less")
    assert archive.best(b"there") == (2, 0)
    assert archive.console_of(0) == b"another"
    assert archive.buttons_to(archive.node_of(1)) == b"\0\1\1\1\2"
    again = Archive.from_arrays(archive.to_arrays())
    assert again.buttons_to(again.node_of(0)) == b"\0\3"
    assert again.best(b"beyond") == (5, 0)
    assert [again.held_in(cell) for cell in range(2)] == [b"less", b"held"]


def test_all_is_every_stage() -> None:
    assert len(parse_stages(["all"])) == 32
    assert parse_stages(["2-1", "1-1", "2-1"]) == ("2-1", "1-1")


def test_the_command_solves_proves_and_remembers(cli: Cli, tmp_path: Path) -> None:
    arguments = ("search", "1-4", "--frames", 600_000, "--lanes", 16, "--out", tmp_path, "--json")
    done = cli(*arguments)
    (found,) = (Found(**row) for row in json.loads(done.stdout))
    assert found.solved
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-4.json", "1-4.movie"]
    assert json.loads(cli(*arguments).stdout) == json.loads(done.stdout)
    table = cli(*arguments[:-1]).stdout.splitlines()
    assert table[0].split("  ")[0] == "stage"
    assert table[1].split()[:2] == ["1-4", "yes"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("9-1",), "there is no stage '9-1'"),
        (("1-1", "--goal", "sped"), "no goal 'sped'; did you mean 'speed'?"),
        (("1-1", "--minutes", 0), "--minutes must be above 0"),
        (("1-1", "--rom", "/nowhere.nes"), "cannot read the ROM /nowhere.nes"),
        (("1-1", "--action", "continuous-frame"), "did you mean 'continuous-frames'?"),
    ],
)
def test_bad_input_is_one_line(cli: Cli, tmp_path: Path, arguments: tuple[Any, ...], message: str) -> None:
    done = cli("search", *arguments, "--out", tmp_path, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert message in done.stderr


def test_ctrl_c_saves_and_the_same_command_goes_on(cli: Cli, tmp_path: Path) -> None:
    arguments = ["search", "1-4", "--goal", "speed", "--lanes", "16", "--out", str(tmp_path), "--json"]
    process = subprocess.Popen(
        [*COMMAND, *arguments, "--minutes", "60"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (tmp_path / "1-4.movie").exists():
        assert time.monotonic() < deadline, "nothing was found"
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "stopped by SIGINT; to go on, give the same command again" in errors
    assert "Traceback" not in errors
    (before,) = json.loads(output)
    assert (before["solved"], before["stopped_by"]) == (True, "SIGINT")
    (after,) = json.loads(cli(*arguments, "--frames", before["frames_searched"] + 2_000).stdout)
    assert after["frames_searched"] >= before["frames_searched"] + 2_000
    assert after["seconds"] > before["seconds"]
