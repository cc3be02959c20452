"""The command line, as real processes."""

import json
import signal
import subprocess
import sys
import time

import pytest
from mario_eval.recordings import Recording

from ..forked import run_forked


def mario_eval(*arguments, cwd, check=True):
    return run_forked("mario-eval", *arguments, check=check, cwd=cwd, warnings_are_errors=True, timeout=120)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """A folder in which the first example of the help was run."""
    folder = tmp_path_factory.mktemp("cli")
    mario_eval("run", "random", "--env", "CartPole-v1", "--episodes", "20", "--out", "demo", cwd=folder)
    return folder


def test_the_helps_first_example_gives_a_page(demo):
    done = mario_eval("report", "demo", "-o", "demo.html", cwd=demo)
    page = (demo / "demo.html").read_text(encoding="utf-8")

    assert done.stdout.strip() == str(demo / "demo.html")
    assert page.startswith("<!doctype html>")
    assert "Summary of 20 episodes" in page
    assert page.count("data:video/mp4;base64,") == 3


def test_json_is_the_summary(demo):
    command = ("run", "random", "--env", "CartPole-v1", "--episodes", "20")
    summary = json.loads(mario_eval(*command, "--json", cwd=demo).stdout)
    again = json.loads(mario_eval(*command, "--json", "--lanes", "3", cwd=demo).stdout)

    assert summary == again
    assert summary["episodes"] == 20
    measured = {"mean", "median", "iqm", "quantiles", "min", "max", "std"}
    assert set(summary["steps"]) == measured
    # CartPole counts as solved from 475 on.
    assert set(summary["return"]) == {*measured, "optimality_gap"}
    assert summary["return"]["optimality_gap"]["target"] == 475
    reported = json.loads(
        mario_eval("report", "demo", "-o", "j.html", "--no-replays", "--json", cwd=demo).stdout
    )
    assert reported["summaries"]["demo"] == summary


def test_compare_puts_runs_side_by_side(demo):
    mario_eval("run", "noop", "--env", "CartPole-v1", "--episodes", "20", "--out", "noop", cwd=demo)
    mario_eval("compare", "demo", "noop", "-o", "compare.html", cwd=demo)
    page = (demo / "compare.html").read_text(encoding="utf-8")
    assert "Who beats whom" in page
    assert "<h4>Return, optimality gap to 475</h4>" in page
    assert "2 runs compared" in page


def test_measures_are_held_against_a_target_that_was_given(demo):
    report = ("report", "demo", "-o", "target.html", "--no-replays", "--target", "steps=100", "--json")
    done = json.loads(mario_eval(*report, cwd=demo).stdout)
    assert done["summaries"]["demo"]["steps"]["optimality_gap"]["target"] == 100
    page = (demo / "target.html").read_text(encoding="utf-8")
    assert page.count('<span class="interval">to 100</span>') == 1
    assert page.count('<span class="interval">to 475</span>') == 1


def test_compare_groups_the_runs_of_an_algorithm(demo):
    for seed in (1, 2, 3):
        run = (
            "run",
            "random",
            "--env",
            "CartPole-v1",
            "--episodes",
            "5",
            "--seed",
            seed,
            "--out",
            f"random-{seed}",
        )
        mario_eval(*run, cwd=demo)
    mario_eval("run", "noop", "--env", "CartPole-v1", "--episodes", "5", "--out", "noop-1", cwd=demo)
    runs = ("chance=random-1", "chance=random-2", "chance=random-3", "nothing=noop-1")
    mario_eval("compare", *runs, "-o", "groups.html", cwd=demo)
    page = (demo / "groups.html").read_text(encoding="utf-8")
    table = page[page.index("Algorithms over their runs") : page.index("Estimates with their intervals")]
    assert '<th scope="row">chance</th><td>3</td><td>1</td>' in table
    assert "<strong>100 %</strong>" in table
    assert "<h4>Return over runs</h4>" in table


def test_a_policy_of_the_current_folder_is_found(demo):
    (demo / "mine.py").write_text(
        "def act(observations, starts):\n    return (observations[:, 2] > 0).astype(int)\n"
    )
    done = mario_eval("run", "mine:act", "--env", "CartPole-v1", "--episodes", "3", cwd=demo)
    assert "3 episodes" in done.stdout


def test_options_reach_the_environment(demo):
    arguments = (
        "run",
        "noop",
        "--env",
        "Pendulum-v1",
        "--episodes",
        "2",
        "--out",
        "pendulum",
        "--env-option",
        "g=1.5",
    )
    mario_eval(*arguments, cwd=demo)
    assert Recording(demo / "pendulum").manifest["env"] == {
        "id": "Pendulum-v1",
        "kwargs": {"g": 1.5},
        "replayable": True,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "random", "--env", "CartPol-v1"), "did you mean 'CartPole-v1'"),
        (("run", "random", "--env", "CartPole-v1", "--out", "demo"), "holds a recording already"),
        (("run", "random", "--env", "CartPole-v1", "--env-option", "g"), "write name=value"),
        (("run", "random", "--env", "CartPole-v1", "--import", "nosuchmodule"), "nosuchmodule"),
        (("run", "random", "--env", "CartPole-v1", "--sticky", "2"), "--sticky"),
        (("report", "nothing"), "is not a folder"),
        (("compare", "demo"), "two folders or more"),
        (("report", "demo", "--target", "points=3"), "one of return, score, distance"),
        (("report", "demo", "--target", "score=many"), "'many' is no number"),
        (("report", "demo", "--target", "score=nan"), "must be finite"),
        (("report", "demo", "-o", "/proc/none/page.html", "--no-replays"), "cannot be written"),
        (("watch", "demo", "--host", "0.0.0.0"), "--allow-remote"),
        (("watch", "nothing"), "is not a folder"),
    ],
)
def test_mistakes_are_told_in_a_line_and_by_the_exit_status(demo, arguments, message):
    done = mario_eval(*arguments, cwd=demo, check=False)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_help_teaches_and_is_quick(demo):
    began = time.monotonic()
    text = mario_eval("--help", cwd=demo).stdout
    assert time.monotonic() - began < 10
    assert "mario-eval run random --env CartPole-v1" in text
    for command in ("run", "report", "compare", "watch"):
        assert "For example" in mario_eval(command, "--help", cwd=demo).stdout


def heed_ctrl_c():
    """A shell starts background jobs deaf to SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_leaves_a_whole_recording(tmp_path):
    command = [sys.executable, "-c", "from mario_eval.cli import main; main()"]
    command += ["run", "random", "--env", "CartPole-v1", "--episodes", "1000000", "--out", "cut"]
    with subprocess.Popen(
        command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, preexec_fn=heed_ctrl_c
    ) as process:
        try:
            deadline = time.monotonic() + 60
            while not (tmp_path / "cut" / "manifest.json").exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            time.sleep(1)
            process.send_signal(signal.SIGINT)
            _, told = process.communicate(timeout=60)
        finally:
            process.kill()

    assert process.returncode == 130
    assert "interrupted" in told
    assert "Traceback" not in told
    recording = Recording(tmp_path / "cut")
    assert recording.manifest["end"] == "interrupted"
    assert recording.episodes.num_rows > 0


def test_nothing_that_it_imports_warns(demo):
    """In a fresh interpreter: commands of the other tests are forked from one that has imported it all."""
    command = [sys.executable, "-W", "error", "-c", "from mario_eval.cli import main; main()"]
    command += ["report", "demo", "-o", "fresh.html"]
    subprocess.run(command, cwd=demo, check=True, timeout=120)
    assert (demo / "fresh.html").exists()


def test_needs_none_of_its_siblings():
    """In a fresh interpreter, evaluating CartPole imports neither torch nor our other two packages."""
    code = (
        "import sys, mario_eval; mario_eval.evaluate('random', 'CartPole-v1', episodes=2).summary();"
        "bad = {'torch', 'stable_baselines3', 'mario_envs', 'mario_agents'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=60)
