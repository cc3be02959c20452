"""Shipped agents: listed, found by name, played and evaluated; and how a run becomes one."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest
from mario_agents.acting import find_checkpoint
from mario_agents.checkpoints import read_checkpoint
from mario_agents.errors import AgentsError
from mario_agents.zoo.export import export
from mario_agents.zoo.shipped import describe_shipped, find_shipped, shipped

from ..forked import run_forked
from .conftest import Cli

needs_the_game = pytest.mark.skipif(find_spec("mario_envs") is None, reason="mario-envs is not installed")
AGENT = "zoo:1-1-ppo-discrete"


def test_every_shipped_agent_is_whole_small_and_without_its_optimiser() -> None:
    agents = shipped()
    assert "1-1-ppo-discrete" in agents
    for name, path in agents.items():
        info, tensors = read_checkpoint(path)
        assert not [tensor for tensor in tensors if "/state/" in tensor]
        assert path.stat().st_size < 1_000_000
        assert find_checkpoint(Path(f"zoo:{name}")) == path
        # What a stranger's machine tells of itself is nobody's business.
        assert "os" not in info.versions


def test_the_zoo_lists_them_without_waiting_for_torch(cli: Cli) -> None:
    listed = json.loads(cli("zoo", "--json").stdout)["agents"]
    assert listed == describe_shipped()
    (agent,) = [entry for entry in listed if entry["name"] == "1-1-ppo-discrete"]
    assert agent["env_id"] == "MarioScore-1-1-DiscreteFrames-v0"
    assert agent["env_kwargs"] == {"observation": {"tiles": {"count": 1}}}
    text = cli("zoo").stdout
    assert f"{AGENT} " in text
    assert "off-policy Q-learning" in text


def test_a_misspelt_name_brings_up_the_nearest(cli: Cli) -> None:
    for command in (("play",), ("evaluate",)):
        done = cli(*command, "zoo:1-1-ppo-discret", check=False)
        assert done.returncode == 1
        assert "no shipped agent '1-1-ppo-discret'; did you mean '1-1-ppo-discrete'?" in done.stderr
        assert done.stderr.count("\n") == 1
    with pytest.raises(AgentsError, match="valid: 1-1-ppo-discrete"):
        find_shipped(Path("zoo:qqqq"))


@needs_the_game
def test_a_shipped_agent_plays_and_is_evaluated_from_anywhere(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    summary = json.loads(cli("evaluate", AGENT, "--episodes", 20, "--json").stdout)
    assert summary["clear_rate"]["value"] >= 0.7
    assert summary["folder"] is None
    assert not list(tmp_path.iterdir())

    played = json.loads(cli("play", AGENT, "--video", "film.mp4", "--seed", 1, "--json").stdout)
    assert played["episodes"][0]["distance"] > 1000
    assert Path("film.mp4").stat().st_size > 10_000

    refused = cli("evaluate", AGENT, "--episodes", 2, "--report", "r.html", check=False)
    assert "say where the evaluation goes: --out DIR" in refused.stderr
    kept = json.loads(cli("evaluate", AGENT, "--episodes", 2, "--out", "kept", "--json").stdout)
    assert kept["folder"] == "kept"
    manifest = json.loads(Path("kept", "manifest.json").read_text())
    assert manifest["policy"]["name"] == AGENT


@needs_the_game
def test_the_shipped_agent_that_holds_buttons_clears_its_stage_from_any_start(cli: Cli) -> None:
    agent = next(entry for entry in describe_shipped() if entry["name"] == "1-1-ppoq")
    assert agent["algorithm"] == "ppo_q"
    assert agent["env_kwargs"]["max_noops"] == 30
    summary = json.loads(cli("evaluate", "zoo:1-1-ppoq", "--episodes", 20, "--json").stdout)
    assert summary["clear_rate"]["value"] >= 0.8


@needs_the_game
def test_mario_eval_finds_it_with_what_its_environment_needs(tmp_path: Path) -> None:
    run = ("mario-eval", "run", AGENT, "--episodes", 8, "--json", "--env")
    done = run_forked(*run, "MarioScore-1-1-DiscreteFrames-v0", cwd=tmp_path)
    assert json.loads(done.stdout)["clear_rate"]["episodes"] == 8
    # Another stage of the same game takes the same observation.
    run_forked(*run, "MarioScore-1-2-DiscreteFrames-v0", cwd=tmp_path)
    # Another environment is not told of tiles, and refused for what does not fit.
    done = run_forked(*run, "CartPole-v1", check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert "was made for the observation space" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_is_exported_as_one_file_that_acts_the_same(pole_run: Path, tmp_path: Path, cli: Cli) -> None:
    out = tmp_path / "room" / "pole.safetensors"
    told = cli("export", pole_run, "--out", out).stdout
    assert told.startswith(f"{out}: ")
    newest = find_checkpoint(pole_run)
    assert out.stat().st_size < 0.6 * newest.stat().st_size
    info, tensors = read_checkpoint(out)
    before, all_tensors = read_checkpoint(newest)
    assert info.config == before.config
    assert all((tensors[name] == all_tensors[name]).all() for name in tensors)
    assert {name for name in all_tensors if "/state/" not in name} == set(tensors)

    def returns(path: Path) -> list[float]:
        done = cli("evaluate", path, "--episodes", 4, "--out", tmp_path / path.name, "--json")
        return [json.loads(done.stdout)["return"]["mean"]["value"]]

    assert returns(out) == returns(newest)


def test_training_goes_on_from_an_exported_file(pole_run: Path, tmp_path: Path, cli: Cli) -> None:
    run = tmp_path / "run"
    shutil.copytree(pole_run, run)
    newest = find_checkpoint(run)
    lighter = export(run, tmp_path / "lighter.safetensors")
    shutil.copy(lighter, newest)
    outcome = json.loads(cli("resume", run, "--steps", 512, "--json").stdout)
    assert outcome["steps"] == 1024 + 512


def test_an_actor_is_exported_without_its_critics_to_act_and_no_more(tmp_path: Path, cli: Cli) -> None:
    run, whole, half = tmp_path / "run", tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    small = ("--set", "train_freq=8", "--set", "gradient_steps=1", "--set", "policy_kwargs={net_arch: [64]}")
    cli("train", "ppo_q", "--env", "Pendulum-v1", "--steps", 64, "--seed", 1, *small, "--out", run)
    cli("export", run, "--out", whole)
    cli("export", run, "--out", half, "--half")
    assert half.stat().st_size < whole.stat().st_size < 0.5 * find_checkpoint(run).stat().st_size
    assert not [name for name in read_checkpoint(whole)[1] if "critic" in name]

    def returns(path: Path) -> float:
        done = cli("evaluate", path, "--episodes", 2, "--out", tmp_path / "told" / path.stem, "--json")
        return float(json.loads(done.stdout)["return"]["mean"]["value"])

    of_run = returns(run)
    assert returns(whole) == of_run
    assert returns(half) == pytest.approx(of_run, rel=0.1)
    shutil.copy(whole, find_checkpoint(run))
    refused = cli("resume", run, "--steps", 64, check=False)
    assert refused.returncode == 1
    assert "was exported to act and has no critics" in refused.stderr


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("agent.zip", "written as NAME.safetensors, not agent.zip"),
        ("there.safetensors", "there.safetensors exists"),
        ("/proc/none/x.safetensors", "cannot be written"),
    ],
)
def test_an_export_that_cannot_be_is_refused_in_a_line(
    name: str, message: str, pole_run: Path, tmp_path: Path, cli: Cli
) -> None:
    (tmp_path / "there.safetensors").write_bytes(b"precious")
    done = cli("export", pole_run, "--out", tmp_path / name, check=False)
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert (tmp_path / "there.safetensors").read_bytes() == b"precious"
