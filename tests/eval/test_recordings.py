"""Recordings on disk: whole after a SIGKILL, readable while they grow, refused or named when damaged."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_eval import RecordingError, evaluate, write_report
from mario_eval.recorders import Recorder, RecordingFolder, staging
from mario_eval.recorders.parts import PartWriter
from mario_eval.recordings import Recording
from mario_eval.schema import SCHEMA_VERSION

SLOW_RUN = """
import sys
from pathlib import Path
import mario_eval.recorders.folder as folder
folder.SECONDS_PER_PART, folder.SHARE_OF_AGE_PER_PART = 0.2, 0.0
from mario_eval import evaluate
evaluate("random", "CartPole-v1", episodes=10**6, lanes=4, out=Path(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path):
    evaluate("random", "CartPole-v1", episodes=6, lanes=2, out=tmp_path / "rec")
    return tmp_path / "rec"


@pytest.fixture
def running(tmp_path):
    """A real process that records until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", SLOW_RUN, str(tmp_path / "live")])
    try:
        deadline = time.monotonic() + 60
        while len(list((tmp_path / "live" / "episodes").glob("part-*"))) < 3:
            assert process.poll() is None, "the recording process ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield process, tmp_path / "live"
    finally:
        process.kill()
        process.wait()


def assert_whole(recording):
    """Every finished episode has all its steps."""
    counts = {}
    for table in recording.steps(["episode"]):
        for episode in table["episode"].to_pylist():
            counts[episode] = counts.get(episode, 0) + 1
    for row in recording.episodes.to_pylist():
        assert counts[row["episode"]] == row["steps"]
    assert recording.problems == []


def test_can_be_read_while_it_is_written_and_is_whole_after_sigkill(running):
    process, folder = running
    first = Recording(folder)
    assert_whole(first)

    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert_whole(Recording(folder))
    assert Recording(folder).episodes.num_rows >= first.episodes.num_rows
    assert json.loads((folder / "manifest.json").read_text())["end"] == "running"


def test_two_recorders_on_one_folder_are_refused(running):
    _, folder = running
    with pytest.raises(RecordingError, match="another recorder"):
        evaluate("random", "CartPole-v1", episodes=1, out=folder)


def test_a_folder_with_a_recording_is_refused(folder):
    with pytest.raises(RecordingError, match="holds a recording already"):
        evaluate("random", "CartPole-v1", episodes=1, out=folder)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="cannot be written"):
        RecordingFolder(tmp_path / "file" / "sub", {})


def test_an_interrupted_evaluation_says_so(tmp_path):
    def stop(done, of):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate("random", "CartPole-v1", episodes=50, lanes=1, out=tmp_path / "cut", progress=stop)
    recording = Recording(tmp_path / "cut")
    assert recording.manifest["end"] == "interrupted"
    assert recording.episodes.num_rows == 3


MADE = {
    "int": lambda rows: (np.arange(rows), None),
    "float": lambda rows: (np.arange(rows) + 0.5, None),
    "text": lambda rows: (np.array([f"{'x' * row}" for row in range(rows)]), None),
    "list": lambda rows: (np.arange(3 * rows).reshape(rows, 3), None),
    "view": lambda rows: (np.arange(2 * rows)[::2], None),
    "turned": lambda rows: (np.arange(3 * rows).reshape(3, rows).T, None),
    "masked": lambda rows: (np.arange(rows), np.arange(rows) % 2 == 0),
}

columns = st.dictionaries(st.sampled_from("abcd"), st.sampled_from([*MADE]))


def assert_reads_back(writer, expected):
    assert rows_of(writer) == [
        {name: value for name, value in row.items() if value is not None} for row in expected
    ]


@settings(max_examples=150, deadline=None)
@given(
    kinds=columns,
    blocks=st.lists(st.tuples(st.integers(1, 90), st.sets(st.sampled_from("abcd")), st.booleans())),
)
def test_every_value_that_was_written_is_read_back_and_every_gap_is_null(tmp_path_factory, kinds, blocks):
    """Columns come and go between blocks and between parts, and buffers grow, in any order."""
    writer = PartWriter(tmp_path_factory.mktemp("parts") / "table", "steps")
    expected = []
    for rows, present, flush in blocks:
        block = {name: MADE[kind](rows) for name, kind in kinds.items() if name in present}
        block["row"] = (np.arange(rows), None)
        writer.append(rows, block)
        expected += [
            {
                name: None if mask is not None and not mask[row] else values[row].tolist()
                for name, (values, mask) in block.items()
            }
            for row in range(rows)
        ]
        if flush:
            writer.flush()
    writer.flush()

    assert_reads_back(writer, expected)


LANES = 3


def infos_of(kinds):
    """What an environment tells of a step, and each lane's values as they should be recorded."""
    infos, values_of = {}, [{} for _ in range(LANES)]
    for name, kind in kinds.items():
        values, mask = MADE[kind](LANES)
        infos[name] = values
        if mask is not None:
            infos[f"_{name}"] = mask
        for lane in range(LANES):
            if mask is None or mask[lane]:
                values_of[lane][name] = values[lane].tolist()
    return infos, values_of


@settings(max_examples=150, deadline=None)
@given(
    runs=st.lists(
        st.tuples(
            st.integers(1, 30),
            st.dictionaries(st.sampled_from("ab"), st.sampled_from([*MADE])),
            st.dictionaries(st.sampled_from("cd"), st.sampled_from(["int", "float", "view", "masked"])),
            st.sets(st.integers(0, LANES - 1)),
            st.sets(st.integers(0, LANES - 1)),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_a_recorder_tells_every_step_and_sum_whatever_changes(tmp_path_factory, runs):
    """Infos and terms come, go and change their types; lanes end, pause and go on; a flush comes any time."""
    space = spaces.Discrete(1000)
    out = tmp_path_factory.mktemp("recorder") / "rec"
    steps, episodes = [], []
    compatible = {}
    playing, begun = {}, 0
    never = np.zeros(LANES, bool)
    with pytest.MonkeyPatch.context() as patch, RecordingFolder(out, {"schema": SCHEMA_VERSION}) as folder:
        # Steps are handed over often.
        patch.setattr(staging, "_ROWS", 20 * LANES)
        recorder = Recorder(space, batch_space(space, LANES), LANES, folder=folder, step_infos="ab")
        for repeats, info_kinds, term_kinds, begins, ends, flush in runs:
            # A table has one type for a column; numbers may widen, others stay what they were.
            for name, kind in info_kinds.items():
                first = compatible.setdefault(name, kind)
                if {first, kind} & {"text", "list", "turned"} or (first, kind) == ("float", "int"):
                    info_kinds[name] = first
            lanes = sorted(begins)
            recorder.begin(np.array(lanes, np.intp), range(begun, begun + len(lanes)), [None] * len(lanes))
            for lane in lanes:
                playing[lane] = {"episode": begun, "lane": lane, "steps": 0, "return": 0.0}
                begun += 1
            for repeat in range(repeats):
                infos, values_of = infos_of(info_kinds)
                terms, terms_of = infos_of(term_kinds)
                if terms:
                    infos["reward_terms"] = terms
                ended = np.array([lane in ends and repeat == repeats - 1 for lane in range(LANES)])
                actions, rewards = np.full(LANES, repeat), np.arange(LANES) + 0.25
                recorder.step(actions, rewards, ended, never, infos)
                finished = []
                for lane, episode in sorted(playing.items()):
                    summed = {f"reward_terms/{name}": value for name, value in terms_of[lane].items()}
                    steps.append(
                        {
                            "episode": episode["episode"],
                            "step": episode["steps"],
                            "action": repeat,
                            "frames": 1,
                        }
                        | {"reward": lane + 0.25, **values_of[lane], **summed}
                    )
                    episode["steps"] += 1
                    for name, value in {"return": lane + 0.25, **summed}.items():
                        episode[name] = episode.get(name, 0.0) + value
                    if ended[lane]:
                        finished.append(playing.pop(lane))
                episodes += finished
                if flush or finished:
                    assert [row["episode"] for row in recorder.finished()] == [e["episode"] for e in finished]
                for array in (actions, rewards, *infos.values(), *terms.values()):
                    if isinstance(array, np.ndarray) and array.dtype.kind in "if":
                        array[...] = 99  # whoever made it may use it again
            if flush:
                folder.flush()
    assert rows_of(folder.steps) == steps
    found = rows_of(folder.episodes)
    assert len(found) == len(episodes)
    for row, episode in zip(found, episodes, strict=True):
        assert {name: row.get(name) for name in episode} == pytest.approx(episode)


def rows_of(writer):
    """Return the rows of a table, without what is null in them."""
    rows = []
    for file in sorted(writer.folder.glob("part-*.parquet")) if writer.folder.exists() else []:
        rows += pq.read_table(file).to_pylist()
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def part(folder, table="episodes"):
    return next((folder / table).glob("part-*.parquet"))


@pytest.mark.parametrize(
    "damage", ["empty", "truncated", "text", "foreign", "other version", "flipped bytes"]
)
@pytest.mark.parametrize("table", ["episodes", "steps"])
def test_a_damaged_part_is_skipped_and_named(folder, damage, table):
    target = part(folder, table)
    good = target.read_bytes()
    # A second, whole part: what is left when one of several is damaged.
    shutil.copy(target, folder / table / "part-000001.parquet")
    match damage:
        case "empty":
            target.write_bytes(b"")
        case "truncated":
            target.write_bytes(good[: len(good) // 2])
        case "text":
            target.write_text("episode,return\n1,2\n")
        case "foreign":
            pq.write_table(pa.table({"a": [1]}), target)
        case "other version":
            old = pq.read_table(target)
            pq.write_table(
                old.replace_schema_metadata({**old.schema.metadata, b"mario_eval_schema": b"99"}), target
            )
        case "flipped bytes":
            changed = bytearray(good)
            for at in range(8, 80):
                changed[at] ^= 0xFF
            target.write_bytes(bytes(changed))

    recording = Recording(folder)
    list(recording.steps(["episode", "step", "action", "reward"]))

    assert len(recording.problems) == 1
    assert target.name in recording.problems[0]
    page = write_report([folder], folder / "page.html").read_text(encoding="utf-8")
    assert target.name in page


def test_nothing_readable_is_refused_with_the_reasons(folder):
    part(folder).write_bytes(b"no parquet")
    with pytest.raises(RecordingError, match=r"part-000000.parquet skipped: damaged"):
        Recording(folder)


def test_a_recording_of_another_version_is_refused(folder):
    document = json.loads((folder / "manifest.json").read_text()) | {"schema": 2}
    (folder / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(RecordingError, match="schema version 2"):
        Recording(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00\xff"])
def test_a_damaged_manifest_is_named_and_the_rest_is_read(folder, text):
    (folder / "manifest.json").write_bytes(text.encode("latin-1"))
    recording = Recording(folder)
    assert recording.episodes.num_rows == 6
    assert "manifest.json" in recording.problems[0]
    write_report([folder], folder / "page.html")


def test_folders_without_a_recording_are_refused(tmp_path):
    for path, message in (
        (tmp_path / "none", "not a folder"),
        (tmp_path, "neither an evaluation nor monitor"),
    ):
        with pytest.raises(RecordingError, match=message):
            write_report([path], tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
