"""Plugins of other distributions: found, isolated from each other, and named when broken."""

import subprocess
import sys

import pytest

PLUGINS = {
    "good": """
import numpy as np, pluggy
hookimpl = pluggy.HookimplMarker("mario_eval")

@hookimpl
def mario_eval_load_policy(path, env):
    if path.suffix != ".good":
        return None
    if path.read_text() != "whole":
        raise ValueError("it is damaged")
    return lambda observations, starts: np.ones(len(observations), int)
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
