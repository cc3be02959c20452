"""Plugins of other distributions: found, isolated from each other, and named when broken."""

import subprocess
import sys

import pytest

PLUGINS = {
    "good": """
from pathlib import Path
import numpy as np, pluggy
hookimpl = pluggy.HookimplMarker("mario_eval")

@hookimpl
def mario_eval_load_policy(path, env):
    if path.suffix != ".good":
        return None
    if path.read_text() != "whole":
        raise ValueError("it is damaged")
    return lambda observations, starts: np.ones(len(observations), int)

@hookimpl
def mario_eval_zoo():
    here = Path(__file__)
    return {"upright": here.with_name("policy.good"), "torn": here.with_name("damaged.good")}

@hookimpl
def mario_eval_env_kwargs(path, env_id):
    return {"sutton_barto_reward": True} if path.suffix == ".good" else None
""",
    "unimportable": "import nosuchmodule",
    "misspelt": """
import pluggy
hookimpl = pluggy.HookimplMarker("mario_eval")

@hookimpl
def mario_eval_lod_policy(path):
    return None
""",
    "raising": """
import pluggy
hookimpl = pluggy.HookimplMarker("mario_eval")

@hookimpl(tryfirst=True)
def mario_eval_load_policy(path):
    raise KeyError("not mine, and badly said")

@hookimpl
def mario_eval_zoo():
    raise RuntimeError("the zoo is closed")

@hookimpl(tryfirst=True)
def mario_eval_env_kwargs(path, env_id):
    raise KeyError("nothing known")
""",
}


@pytest.fixture
def site(tmp_path):
    """A folder on the path with four installed distributions, one good and three broken."""
    for name, source in PLUGINS.items():
        (tmp_path / f"{name}_plugin.py").write_text(source)
        about = tmp_path / f"{name}_plugin-1.2.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.2\n")
        (about / "entry_points.txt").write_text(f"[mario_eval]\n{name} = {name}_plugin\n")
    (tmp_path / "policy.good").write_text("whole")
    (tmp_path / "damaged.good").write_text("half")
    (tmp_path / "policy.foreign").write_text("?")
    return tmp_path


def python(site, code):
    setup = f"import sys; sys.path.insert(0, {str(site)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", setup + code], cwd=site, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_broken_plugins_are_named_with_distribution_and_version(site):
    told = python(site, "from mario_eval.plugins import load_plugins\nprint('\\n'.join(load_plugins()[1]))")
    assert "'unimportable' of unimportable-plugin 1.2 left out: ModuleNotFoundError" in told
    assert "'misspelt' of misspelt-plugin 1.2 left out: PluginValidationError" in told
    assert "good-plugin" not in told


def test_a_good_plugin_loads_its_checkpoint_among_broken_ones(site):
    code = "import mario_eval as m; print(m.evaluate('policy.good', 'CartPole-v1').manifest['policy'])"
    assert "policy.good" in python(site, code)


@pytest.mark.parametrize(
    ("file", "reason"), [("damaged.good", "it is damaged"), ("policy.foreign", "badly said")]
)
def test_a_checkpoint_that_cannot_be_loaded_is_told_in_a_line(site, file, reason):
    code = (
        "import mario_eval\n"
        f"try: mario_eval.evaluate({file!r}, 'CartPole-v1', episodes=2)\n"
        "except mario_eval.EvaluationError as error: print(error)"
    )
    told = python(site, code)
    assert f"{file} cannot be loaded" in told
    assert reason in told
    assert told.count("\n") == 1


def test_a_shipped_policy_is_found_by_name_with_what_its_environment_needs(site):
    told = python(
        site,
        "import mario_eval as m\n"
        "for given in ({}, {'sutton_barto_reward': False}):\n"
        "    result = m.evaluate('zoo:upright', 'CartPole-v1', episodes=2, env_kwargs=given)\n"
        "    print(result.manifest['policy']['name'], result.manifest['env']['kwargs'],"
        " result.episodes['return'].to_pylist()[0] > 0)",
    )
    # The reward of Sutton and Barto is never above zero; what the user gives wins.
    assert told.splitlines() == [
        "zoo:upright {'sutton_barto_reward': True} False",
        "zoo:upright {'sutton_barto_reward': False} True",
    ]


def test_an_unknown_name_brings_up_the_nearest_and_all_there_are(site):
    code = (
        "import mario_eval\n"
        "try: mario_eval.evaluate('zoo:uprigth', 'CartPole-v1', episodes=2)\n"
        "except mario_eval.EvaluationError as error: print(error)"
    )
    told = python(site, code)
    assert "no policy zoo:uprigth: did you mean zoo:upright?" in told
    assert "zoo:torn, " in told
    assert "RuntimeError" not in told
    assert "the zoo is closed" in told
    assert told.count("\n") == 1


def test_of_two_zoos_with_one_name_neither_is_taken(site):
    for name in ("first", "second"):
        (site / f"{name}_plugin.py").write_text(
            "import pluggy\nfrom pathlib import Path\n"
            "@pluggy.HookimplMarker('mario_eval')\n"
            "def mario_eval_zoo(): return {'same': Path(__file__)}\n"
        )
        about = site / f"{name}_plugin-1.0.dist-info"
        about.mkdir()
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-plugin\nVersion: 1.0\n")
        (about / "entry_points.txt").write_text(f"[mario_eval]\n{name} = {name}_plugin\n")
    code = (
        "import mario_eval\n"
        "try: mario_eval.evaluate('zoo:same', 'CartPole-v1', episodes=2)\n"
        "except mario_eval.EvaluationError as error: print(error)"
    )
    told = python(site, code)
    assert "zoo:same is shipped by several plugins" in told
    assert "first_plugin.py" in told
    assert "second_plugin.py" in told
