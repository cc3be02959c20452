"""A stranger's distribution, built into a wheel and installed, is used by its keys."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "third_party_reward"


def run(*command: str | Path) -> str:
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the interpreter of an environment that has what this one has, and the stranger's wheel."""
    folder = tmp_path_factory.mktemp("stranger")
    # Neither building nor installing reaches for a network.
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check")
    run(*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, SOURCE)
    (wheel,) = folder.glob("*.whl")

    venv.create(folder / "venv", with_pip=False)
    interpreter = folder / "venv" / "bin" / "python"
    (site_packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    ours = sysconfig.get_path("purelib")
    (site_packages / "what_the_tests_have.pth").write_text(f"import site; site.addsitedir({ours!r})\n")
    run(*pip, "--python", interpreter, "install", "--no-deps", "--no-index", wheel)
    return interpreter


def test_it_is_used_by_key_through_make(python: Path) -> None:
    program = (
        "import gymnasium, json\n"
        "env = gymnasium.make('mario_envs:MarioScore-1-1-DiscreteFrames-v0',\n"
        "    reward={'coins': {'each': 2.0}}, action='third-party-reward/jumps', observation='whereabouts')\n"
        "observation, info = env.reset(seed=0)\n"
        "after, reward, _, _, stepped = env.step(2)\n"
        "print(json.dumps([observation.tolist(), after.tolist(), info['x'], stepped['x'], reward,\n"
        "    stepped['reward_terms'], stepped['frames'], stepped['holds'].tolist(), str(env.action_space),\n"
        "    env.unwrapped.provenance]))"
    )
    first, then, x, later, reward, terms, frames, holds, space, provenance = json.loads(
        run(python, "-W", "error", "-c", program)
    )
    assert first[:2] == first[2:]
    assert then[:2] == first[2:]
    assert (first[0], then[2]) == (x / 256, later / 256)
    assert later > x
    assert terms == {"coins": 0.0, "progress": pytest.approx(0.01 * (later - x))}
    assert reward == pytest.approx(sum(terms.values()))
    assert (frames, holds, space) == (32, [0] * 6, "Discrete(4)")
    assert provenance["reward"] == {
        "key": "third-party-reward/coins",
        "version": "2.3.1",
        "options": {"each": 2.0},
    }
    assert provenance["action"]["key"] == "third-party-reward/jumps"
    assert provenance["observation"]["version"] == "2.3.1"


def test_it_works_in_a_batch(python: Path) -> None:
    program = (
        "import gymnasium, numpy as np\n"
        "envs = gymnasium.make_vec('mario_envs:MarioScore-1-1-DiscreteFrames-v0', num_envs=3,\n"
        "    reward='coins', action='jumps', observation='whereabouts')\n"
        "envs.reset(seed=0)\n"
        "observations, rewards, *_ = envs.step(np.array([0, 1, 3]))\n"
        "print(observations.shape, rewards.shape)"
    )
    assert run(python, "-c", program).strip() == "(3, 4) (3,)"


def test_the_command_line_lists_it_and_finds_it_sound(python: Path) -> None:
    listing = run(python, "-c", "from mario_envs.cli import main; main(['plugins', '--json', '--strict'])")
    rows: list[dict[str, Any]] = json.loads(listing)
    theirs = {(row["key"], row["kind"]): row for row in rows if row["distribution"] == "third-party-reward"}
    assert set(theirs) == {
        ("third-party-reward/coins", "reward"),
        ("third-party-reward/jumps", "action"),
        ("third-party-reward/whereabouts", "observation"),
    }
    assert all((row["version"], row["state"]) == ("2.3.1", "ok") for row in theirs.values())


def test_it_is_gone_where_it_is_not_installed() -> None:
    program = (
        "import gymnasium; gymnasium.make('mario_envs:MarioScore-1-1-DiscreteFrames-v0', reward='coins')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=dict(os.environ), timeout=60
    )
    assert done.returncode == 1
    assert "unknown reward 'coins'" in done.stderr
