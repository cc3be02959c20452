"""Monitor files of training, ours and anybody's."""

import gymnasium
import numpy as np
import pytest
from mario_eval.report import write_report
from mario_eval.statistics.retention import retention
from mario_eval.training import monitor_files, read_training, rolling
from mario_eval.training_holds import holds_files, read_holds


def write_monitor(path, start, rows, columns="r,l,t"):
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [f'#{{"t_start": {start}, "env_id": "x"}}', columns, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n")


def test_reads_what_stable_baselines3s_monitor_writes(tmp_path):
    monitor = pytest.importorskip(
        "stable_baselines3.common.monitor", reason="the optional extra mario-eval[sb3]"
    )
    env = monitor.Monitor(gymnasium.make("CartPole-v1"), str(tmp_path / "0"))
    for _ in range(12):
        env.reset()
        done = False
        while not done:
            _, _, terminated, truncated, _ = env.step(env.action_space.sample())
            done = terminated or truncated
    env.close()

    training = read_training(monitor_files(tmp_path))
    np.testing.assert_allclose(training.episodes["return"], env.get_episode_rewards())
    np.testing.assert_array_equal(training.progress["steps"], np.cumsum(env.get_episode_lengths()))
    assert training.problems == []


def test_environments_side_by_side_are_merged_by_time(tmp_path):
    write_monitor(tmp_path / "0.monitor.csv", 100, [(1, 10, 1.0), (3, 10, 3.0)])
    write_monitor(tmp_path / "1.monitor.csv", 100.5, [(2, 5, 1.5)])
    training = read_training(monitor_files(tmp_path))
    assert training.episodes["return"].tolist() == [1, 2, 3]
    assert training.progress["steps"].tolist() == [10, 15, 25]
    assert training.progress["seconds"].tolist() == [1, 2, 3]


def test_a_pause_before_resuming_is_no_training_time(tmp_path):
    write_monitor(tmp_path / "training" / "0.monitor.csv", 100, [(1, 10, 1.0), (2, 10, 2.0)], "r,l,t")
    write_monitor(tmp_path / "training" / "1.monitor.csv", 90_000, [(3, 10, 1.0)])
    training = read_training(monitor_files(tmp_path))
    assert training.progress["seconds"].tolist() == [1, 2, 3]


def test_frames_and_infos_are_read_where_there_are_some(tmp_path):
    rows = [(1, 10, 1.0, 40, 100, True), (2, 10, 2.0, 60, 300, False)]
    write_monitor(tmp_path / "0.monitor.csv", 0, rows, "r,l,t,frames,score,clear")
    training = read_training(monitor_files(tmp_path))
    assert training.progress["frames"].tolist() == [40, 100]
    assert training.episodes["clear"].tolist() == [1, 0]


def test_a_row_that_is_still_being_written_waits(tmp_path):
    path = tmp_path / "0.monitor.csv"
    write_monitor(path, 0, [(1, 10, 1.0)])
    path.write_text(path.read_text() + "2,1")
    assert read_training([path]).episodes["return"].tolist() == [1]


@pytest.mark.parametrize(
    "content", [b"", b"a,b\n1,2\n", b"#{\n", b"#{}\nx,y\n1,2\n", b"#{}\nr,l,t\na,b,c\n", b"\xff\x00"]
)
def test_foreign_files_are_named_and_skipped(tmp_path, content):
    (tmp_path / "0.monitor.csv").write_bytes(content)
    write_monitor(tmp_path / "1.monitor.csv", 0, [(1, 10, 1.0)])
    training = read_training(monitor_files(tmp_path))
    assert training.count == 1
    assert len(training.problems) == 1
    assert "0.monitor.csv" in training.problems[0]
    (tmp_path / "1.monitor.csv").unlink()
    assert read_training(monitor_files(tmp_path)) is None


def test_the_rolling_mean_equals_the_plain_one_and_its_band_holds_it(tmp_path):
    values = np.random.default_rng(0).normal(1e6, 3.0, 1000)
    write_monitor(tmp_path / "0.monitor.csv", 0, [(repr(float(v)), 1, i) for i, v in enumerate(values)])
    curve = rolling(read_training(monitor_files(tmp_path)), "return")
    window = curve.window
    assert window == 50
    ends = curve.progress["steps"].astype(int)
    expected = [values[end - window : end].mean() for end in ends]
    errors = [1.96 * values[end - window : end].std() / np.sqrt(window) for end in ends]
    np.testing.assert_allclose(curve.mean, expected, rtol=1e-12)
    np.testing.assert_allclose(curve.high - curve.mean, errors, rtol=1e-5)
    assert len(curve.mean) <= 240


def test_retention_sees_a_peak_that_did_not_hold(tmp_path):
    rising = [(i, 1, i) for i in range(400)]
    falling = [(400 - i // 2, 1, 400 + i) for i in range(400)]
    write_monitor(tmp_path / "up" / "0.monitor.csv", 0, rising)
    write_monitor(tmp_path / "down" / "0.monitor.csv", 0, rising + falling)
    assert retention(read_training(monitor_files(tmp_path / "up")), "return") == 1
    assert 0.5 < retention(read_training(monitor_files(tmp_path / "down")), "return") < 0.6
    assert retention(read_training(monitor_files(tmp_path / "up")), "score") is None


def test_a_rate_that_begins_at_zero_stays_there_and_is_retained(tmp_path):
    """Summing centred values leaves rounding errors; a clear rate of -0 % had no retention."""
    rows = [(1, 10, index, index % 7 == 0 and index > 300) for index in range(700)]
    write_monitor(tmp_path / "0.monitor.csv", 0, rows, "r,l,t,clear")
    training = read_training(monitor_files(tmp_path))
    assert rolling(training, "clear").mean.min() == 0
    assert 0.8 < retention(training, "clear") <= 1


HOLDS = "steps,frames,button,share,mean,std\n"


def test_holds_are_read_over_all_calls_of_a_run_and_drawn(tmp_path):
    write_monitor(tmp_path / "training" / "0.monitor.csv", 0, [(1, 10, 1.0)] * 12)
    files = {
        "0": "100,400,right,0.5,8.5,2.25\n100,400,A,0,,\n",
        "1": "200,900,right,0.75,12.25,3.5\n200,900,A,0.25,20.5,1.5\n",
        "10": "300,1300,right,1,16,0\n300,13",  # the last line is being written
    }
    for call, lines in files.items():
        (tmp_path / "training" / f"{call}.holds.csv").write_text(HOLDS + lines)
    problems = []
    holds = read_holds(holds_files(tmp_path), problems)
    assert problems == []
    assert holds["right"].steps == [100, 200, 300]
    assert holds["right"].mean == [8.5, 12.25, 16]
    assert (holds["A"].share, holds["A"].mean, holds["A"].std) == ([0, 0.25], [0, 20.5], [0, 1.5])

    page = write_report([tmp_path], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Holds over training" in page
    assert "right 8.5 at first and 16 at the end" in page
    assert "A 0 % at first and 25 % at the end" in page


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n", HOLDS + "x,1,A,0,1,1\n", "\x00"])
def test_a_file_that_tells_of_no_holds_is_named(tmp_path, content):
    write_monitor(tmp_path / "training" / "0.monitor.csv", 0, [(1, 10, 1.0)] * 12)
    (tmp_path / "training" / "0.holds.csv").write_text(content)
    page = write_report([tmp_path], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "0.holds.csv skipped:" in page
    assert "Holds over training" not in page
