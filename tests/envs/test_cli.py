"""The command line, run as a user runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mario_envs.plugins.manager import KINDS
from mario_envs.registration import env_ids

COMMAND = Path(sys.executable).with_name("mario-envs")


def cli(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
    )


def test_list_prints_every_id() -> None:
    done = cli("list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == env_ids()


def test_list_prints_json() -> None:
    assert json.loads(cli("list", "--json").stdout) == env_ids()


def test_plugins_lists_each_with_its_state() -> None:
    done = cli("plugins")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["builtin/score", "reward", "builtin", "0.1.0", "ok"] in rows


def test_plugins_prints_json_and_tries_each_out() -> None:
    done = cli("plugins", "--json", "--strict")
    assert (done.returncode, done.stderr) == (0, "")
    rows = json.loads(done.stdout)
    assert {row["kind"] for row in rows} == set(KINDS)
    for row in rows:
        assert set(row) == {"key", "kind", "distribution", "version", "state"}
        assert row["state"] == "ok"


@pytest.mark.parametrize("arguments", [(), ("list",), ("plugins",), ("play",), ("movie",)])
def test_help_teaches(arguments: tuple[str, ...]) -> None:
    done = cli(*arguments, "--help")
    assert done.returncode == 0
    assert "Usage: mario-envs" in done.stdout
    if not arguments:
        for command in ("list", "plugins", "play", "movie"):
            assert command in done.stdout
        assert "MarioScore-1-1-ContinuousFrames-v0" in " ".join(done.stdout.split())


def test_play_watches_an_episode() -> None:
    # With this seed Mario falls into the lava within two seconds.
    done = cli("play", "MarioScore-4-4-DiscreteFrames-v0", "--seed", "26")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].startswith("episode 0: score 0, distance ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("play", "MarioScore-1-1-DiscretFrames-v0"), "did you mean 'MarioScore-1-1-DiscreteFrames-v0'"),
        (("play", "CartPole-v1"), "unknown environment ID 'CartPole-v1'"),
    ],
)
def test_bad_input_is_one_line_and_status_1(arguments: tuple[str, ...], message: str) -> None:
    done = cli(*arguments)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("mario-envs: ")
    assert done.stderr.count("\n") == 1
    assert message in done.stderr


@pytest.mark.parametrize(
    "arguments", [("lst",), ("play",), ("list", "--jason"), ("play", "X", "--episodes", "0")]
)
def test_a_wrong_command_line_is_status_2_without_a_traceback(arguments: tuple[str, ...]) -> None:
    done = cli(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "Usage: mario-envs" in done.stderr


def heed_ctrl_c() -> None:
    """A shell starts background jobs deaf to SIGINT, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_ctrl_c_ends_play_without_a_traceback() -> None:
    command = [COMMAND, "play", "MarioScore-4-4-DiscreteFrames-v0", "--seed", "26", "--episodes", "1000"]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=heed_ctrl_c,
    ) as process:
        try:
            assert process.stdout is not None
            while not process.stdout.readline().startswith("episode 0"):
                assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, stderr = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 130
    assert stderr == ""
