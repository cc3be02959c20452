"""Plugins that are broken in every way we know: each is reported by itself, and the rest keep working.

Each is a real distribution: a module and the metadata that an installer writes, in a folder on the path.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

HEADER = "import numpy as np\nfrom gymnasium import spaces\nfrom mario_envs import hookimpl\n"

GOOD = """
@hookimpl
def mario_envs_register_rewards():
    return {"NAME": lambda: lambda before, after: {"coins": 1.0 * (after.coins - before.coins)}}
"""

# Distribution → version, and its modules.
DISTRIBUTIONS: dict[str, tuple[str, dict[str, str]]] = {
    "no-import": ("1.0", {"no_import": "import a_module_that_nobody_has"}),
    "exits": ("1.1", {"exits": "import sys\nsys.exit(3)"}),
    "no-syntax": ("1.2", {"no_syntax": "def ("}),
    "strange-rewards": (
        "2.0",
        {
            "strange_rewards": """
            class Picky:
                def __init__(self, share=1.0):
                    if share > 1:
                        raise ValueError("share must be at most 1, not %r" % share)
                def __call__(self, before, after):
                    return {"one": 1.0 * after.coins}

            class Breaks:
                def __init__(self):
                    raise KeyError("no table of rewards")

            def fails(before, after):
                return {"gone": after.no_such_thing}

            @hookimpl
            def mario_envs_register_rewards():
                return {
                    "narrow": lambda: lambda before, after: {"one": np.float64(1)},
                    "wide": lambda: lambda before, after: {"two": np.zeros((len(after.x), 2))},
                    "nan": lambda: lambda before, after: {"none": np.full(len(after.x), np.nan)},
                    "nothing": lambda: lambda before, after: {},
                    "fails": lambda: fails,
                    "picky": Picky,
                    "breaks": Breaks,
                    "a-number": 3,
                    "makes-a-number": lambda: 3,
                }
            """
        },
    ),
    "strange-others": (
        "2.1",
        {
            "strange_others": """
            from mario_envs.buttons import ButtonPlan
            from mario_envs.observations.base import Observation

            class Flat(Observation):
                space = spaces.Box(0, 1, (4,), np.float32)
                def observe(self, view):
                    return np.zeros((len(view.ram), 5), np.float32)

            class Holes(Observation):
                space = spaces.Box(0, 1, (4,), np.float32)
                def observe(self, view):
                    return np.full((len(view.ram), 4), np.nan, np.float32)

            class Torn:
                space = spaces.Discrete(2)
                def plan(self, actions, remaining):
                    frames = np.full(len(actions), 4, np.int32)
                    return ButtonPlan(np.full_like(remaining, 4), frames, np.zeros_like(remaining))

            @hookimpl
            def mario_envs_register_observations():
                return {"flat": Flat, "holes": Holes}

            @hookimpl
            def mario_envs_register_actions():
                return {"torn": Torn}

            @hookimpl
            def mario_envs_register_emulators():
                raise RuntimeError("no emulator today")
            """
        },
    ),
    "twice": ("0.3", {"twice_one": GOOD.replace("NAME", "gems"), "twice_two": GOOD.replace("NAME", "gems")}),
    "red-coins": ("1.0", {"red_coins": GOOD.replace("NAME", "coins")}),
    "blue-coins": ("1.0", {"blue_coins": GOOD.replace("NAME", "coins")}),
    "misspelt": (
        "0.1",
        {
            "misspelt": GOOD.replace("NAME", "spelt")
            + "\n@hookimpl\ndef mario_envs_register_action():\n    return {}\n"
        },
    ),
    "fine": ("9.9", {"fine": GOOD.replace("NAME", "fine")}),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder in which all of them are installed."""
    folder = tmp_path_factory.mktemp("installed")
    for distribution, (version, modules) in DISTRIBUTIONS.items():
        info = folder / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        entries = "\n".join(f"{module.replace('_', '-')} = {module}" for module in modules)
        (info / "entry_points.txt").write_text(f"[mario_envs]\n{entries}\n")
        for module, code in modules.items():
            (folder / f"{module}.py").write_text(HEADER + dedent(code))
    return folder


def python(folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"PYTHONPATH": str(folder)},
    )


PLUGINS = "import sys; from mario_envs.cli import main; main(['plugins', *sys.argv[1:]])"


@pytest.fixture(scope="module")
def states(folder: Path) -> dict[str, dict[str, str]]:
    """Return what ``mario-envs plugins --json --strict`` says, by key."""
    done = python(folder, PLUGINS, "--json", "--strict")
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    rows = json.loads(done.stdout)
    return {f"{row['kind']} {row['key']}": row for row in rows if "twice" not in row["key"]} | {
        f"{number}. {row['key']}": row
        for number, row in enumerate(row for row in rows if "twice" in row["key"])
    }


@pytest.mark.parametrize(
    ("key", "version", "state"),
    [
        (
            "? no-import/no-import",
            "1.0",
            "cannot be imported: ModuleNotFoundError: No module named 'a_",
        ),
        ("? exits/exits", "1.1", "cannot be imported: SystemExit"),
        ("? no-syntax/no-syntax", "1.2", "cannot be imported: SyntaxError"),
        ("reward strange-rewards/narrow", "2.0", "'one' has shape ()"),
        ("reward strange-rewards/wide", "2.0", "'two' has shape (3, 2)"),
        ("reward strange-rewards/nan", "2.0", "'none' is not finite"),
        ("reward strange-rewards/nothing", "2.0", "no term"),
        ("reward strange-rewards/fails", "2.0", "no_such_thing"),
        ("reward strange-rewards/breaks", "2.0", "KeyError: 'no table of rewards'"),
        ("reward strange-rewards/a-number", "2.0", "must be given something callable, not 3"),
        ("reward strange-rewards/makes-a-number", "2.0", "is not a Reward"),
        ("observation strange-others/flat", "2.1", "not in its space"),
        ("observation strange-others/holes", "2.1", "not in its space"),
        ("action strange-others/torn", "2.1", "opposite directions"),
        ("emulator strange-others/strange-others", "2.1", "RuntimeError: no emulator today"),
        ("0. twice/gems", "0.3", "ok"),
        ("1. twice/gems", "0.3", "'twice/gems' is registered twice by twice 0.3; the first one stands"),
        ("? misspelt/misspelt", "0.1", "unknown hook 'mario_envs_register_action'; did you mean"),
        ("reward misspelt/spelt", "0.1", "ok"),
        ("reward red-coins/coins", "1.0", "ok"),
        ("reward blue-coins/coins", "1.0", "ok"),
        ("reward strange-rewards/picky", "2.0", "ok"),
        ("reward fine/fine", "9.9", "ok"),
        ("reward builtin/score", "0.1.0", "ok"),
    ],
)
def test_each_is_reported_with_its_distribution(
    states: dict[str, dict[str, str]], key: str, version: str, state: str
) -> None:
    row = states[key]
    assert state in row["state"]
    assert "\n" not in row["state"]
    assert row["version"] == version
    assert row["key"].startswith(row["distribution"] + "/")


def test_the_plain_listing_goes_on_after_the_broken_ones(folder: Path) -> None:
    done = python(folder, PLUGINS)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert any(line.split()[0] == "fine/fine" and line.endswith("ok") for line in lines)
    assert any(line.split()[0] == "no-import/no-import" and "ModuleNotFoundError" in line for line in lines)


# Makes and plays one step with each of the given settings and prints the error, or null.
TRY = """
import json, sys, gymnasium, mario_envs
said = []
for settings in json.loads(sys.argv[1]):
    try:
        env = gymnasium.make("MarioScore-1-1-DiscreteFrames-v0", disable_env_checker=True, **settings)
        env.reset(seed=0)
        env.step(env.action_space.sample())
        said.append(None)
    except Exception as error:
        said.append([type(error).__name__, str(error)])
print(json.dumps(said))
"""

CHOSEN: list[tuple[dict[str, Any], tuple[str, str] | None]] = [
    ({"reward": "fine"}, None),
    ({"reward": "spelt"}, None),
    ({"reward": "twice/gems"}, None),
    ({"reward": "red-coins/coins"}, None),
    ({"reward": "picky"}, None),
    ({"reward": "score"}, None),
    ({"reward": "coins"}, ("PluginError", "not unique; write one of blue-coins/coins, red-coins/coins")),
    ({"reward": "no-import"}, ("PluginError", "'no-import' of no-import 1.0 is broken: cannot be imported")),
    ({"reward": "narrow"}, ("PluginError", "'strange-rewards/narrow' of strange-rewards 2.0: term 'one'")),
    ({"reward": "wide"}, ("PluginError", "term 'two' has shape (1, 2), not (1,)")),
    ({"reward": "nan"}, ("PluginError", "strange-rewards 2.0: term 'none' is not finite")),
    ({"reward": "nothing"}, ("PluginError", "strange-rewards 2.0 returned no term")),
    ({"reward": "fails"}, ("PluginError", "strange-rewards 2.0 failed: AttributeError")),
    ({"reward": "breaks"}, ("PluginError", "could not be made: KeyError")),
    ({"reward": {"picky": {"share": 2}}}, ("ValueError", "share must be at most 1, not 2")),
    ({"reward": {"picky": {"sahre": 1}}}, ("UnknownChoiceError", "'sahre'; did you mean 'share'?")),
    ({"reward": "a-number"}, ("PluginError", "something callable")),
    ({"reward": "makes-a-number"}, ("PluginError", "is not a Reward")),
    ({"observation": "flat"}, ("PluginError", "strange-others 2.1 returned shape (1, 5)")),
    ({"observation": "holes"}, ("PluginError", "strange-others 2.1 returned a value that is not finite")),
    ({"action": "torn"}, ("PluginError", "strange-others 2.1: the plan presses opposite")),
    ({"reward": "fien"}, ("UnknownChoiceError", "did you mean 'fine'?")),
]


@pytest.fixture(scope="module")
def said(folder: Path) -> list[Any]:
    done = python(folder, TRY, json.dumps([settings for settings, _ in CHOSEN]))
    assert done.returncode == 0, done.stderr
    result: list[Any] = json.loads(done.stdout)
    return result


@pytest.mark.parametrize(("number", "expected"), list(enumerate(expected for _, expected in CHOSEN)))
def test_choosing_a_bad_one_names_it_and_the_rest_work(
    said: list[Any], number: int, expected: tuple[str, str] | None
) -> None:
    if expected is None:
        assert said[number] is None, CHOSEN[number]
        return
    kind, message = said[number]
    assert kind == expected[0]
    assert expected[1] in message
    assert "\n" not in message
