"""Ray actors, on the second node of a cluster of two: the same loop and the same promises as processes."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mario_agents import cli, experiment
from mario_agents.checkpoints import read_checkpoint
from mario_agents.errors import AgentsError
from mario_agents.sampling.actor import Actor, Clock
from mario_agents.sampling.asynchronous import AsyncSampler
from mario_agents.sampling.samplers import make_sampler
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from .test_resuming import assert_same_end, break_after_a_checkpoint
from .test_sync import TIMED, assert_equal, config_of

pytest.importorskip("ray", reason="the extra mario-agents[ray] is not installed")
from mario_agents.sampling.ray import RayActors
from ray.cluster_utils import Cluster

pytestmark = pytest.mark.timed


class TwoNodes:
    """A head without processors, and a node with two on which all actors must run."""

    def __init__(self) -> None:
        self._cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}
        )
        self.address: str = self._cluster.address
        self.second: str = self._cluster.add_node(num_cpus=2).node_id

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def nodes(_importable_env: None) -> Iterator[TwoNodes]:
    """Two nodes of this machine, whose processes can import ``timed_env``."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        found = TwoNodes()
        yield found
        found.close()


@pytest.mark.parametrize("name", ["ppo", "dqn"])
def test_strict_equals_sync_bit_for_bit(name: str, nodes: TwoNodes, tmp_path: Path) -> None:
    found = []
    for settings in ({"sampler": "sync"}, {"sampler": "ray", "address": nodes.address}):
        config = config_of(name, TIMED, actors=2, steps=240, **settings)
        info, tensors = read_checkpoint(experiment.train(config, tmp_path / config.sampler).checkpoint)
        found.append((tensors, info.counters, info.frames))
    assert_equal(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]


def test_a_resumed_run_ends_as_the_unbroken_one(
    nodes: TwoNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_of("dqn", TIMED, sampler="ray", address=nodes.address, actors=2, steps=480, checkpoints=4)
    broken_at = break_after_a_checkpoint(config, tmp_path / "broken", monkeypatch)
    experiment.resume(tmp_path / "broken")
    experiment.train(config, tmp_path / "unbroken")
    assert_same_end(tmp_path / "unbroken", tmp_path / "broken", broken_at)


@pytest.mark.parametrize(("name", "order", "most"), [("ppo", "bounded:1", 1), ("dqn", "free", None)])
def test_no_data_lags_more_than_the_order_allows(
    name: str, order: str, most: int | None, nodes: TwoNodes, tmp_path: Path
) -> None:
    config = config_of(name, sampler="ray", address=nodes.address, order=order, actors=2, steps=2000)
    outcome = experiment.train(config, tmp_path / "run")
    sampling = json.loads((outcome.run / "manifest.json").read_text())["calls"][-1]["sampling"]
    lags = {int(lag): count for lag, count in sampling["lags"].items()}
    assert sum(lags.values()) == outcome.steps >= 2000
    assert min(lags) >= 0
    assert most is None or max(lags) <= most
    assert 0 <= sampling["learner_idle"] <= 1
    assert set(sampling["actor_idle"]) <= {"0", "1"}
    assert all(0 <= share <= 1 for share in sampling["actor_idle"].values())


def test_actors_run_on_the_second_node_and_are_replaced_when_killed(nodes: TwoNodes) -> None:
    config = config_of("ppo", sampler="ray", address=nodes.address, order="free", actors=2)
    here = Actor(config, 0, 3)
    sampler = make_sampler(config, 3, "cpu", here.model.observation_space)
    assert isinstance(sampler, AsyncSampler)
    actors = sampler._actors
    assert isinstance(actors, RayActors)

    def collect() -> None:
        blocks = sampler.collect(TrainFreq(24, TrainFrequencyUnit.STEP), Clock(0, 1000), lambda: True, 2)
        assert blocks is not None
        assert all(block.rewards.flags.writeable for block in blocks), "it still lies in the object store"

    def processes() -> dict[int, int]:
        """Process ID of each actor, as soon as all have told theirs."""
        end = time.monotonic() + 60
        while any(actor.pulse is None for actor in actors._actors.values()):
            assert time.monotonic() < end, "an actor tells nothing"
            collect()
        pulses = {number: actor.pulse for number, actor in actors._actors.items()}
        assert {pulse.node for pulse in pulses.values() if pulse} == {nodes.second}
        return {number: pulse.process for number, pulse in pulses.items() if pulse}

    try:
        sampler.publish(0, here.model.policy.state_dict())
        collect()
        before = processes()
        assert len({*before.values(), os.getpid()}) == 3
        os.kill(before[1], signal.SIGKILL)
        end = time.monotonic() + 60
        while sampler.counts.replaced == 0:
            assert time.monotonic() < end, "nobody noticed"
            collect()
        after = processes()
        assert sampler.counts.replaced == 1
        assert after[0] == before[0]
        assert after[1] != before[1]
    finally:
        sampler.close()
        here.close()


def test_an_environment_that_fails_is_named(nodes: TwoNodes, tmp_path: Path) -> None:
    config = config_of(
        "ppo",
        sampler="ray",
        address=nodes.address,
        actors=2,
        exact_resume=False,  # lanes that began anew at a checkpoint would not come so far
        env_kwargs={"at": 50, "trouble": "raise"},
    )
    with pytest.raises(AgentsError, match=r"lane \d \(seed \d\) failed in step 49: RuntimeError"):
        experiment.train(config, tmp_path / "run")


def test_a_cluster_that_is_too_small_is_refused(nodes: TwoNodes, tmp_path: Path) -> None:
    config = config_of("ppo", sampler="ray", address=nodes.address, actors=4)
    with pytest.raises(AgentsError, match=r"has 2 processors and 4 actors take one each.*--actors 2"):
        experiment.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_address_where_nobody_answers_is_refused(tmp_path: Path) -> None:
    config = config_of("ppo", sampler="ray", address="127.0.0.1:1")
    with pytest.raises(AgentsError, match=r"no Ray at 127\.0\.0\.1:1: .*refused"):
        experiment.train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_ray_one_line_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    command: list[Any] = ["mario-agents", "train", "ppo", "--env", "CartPole-v1", "--steps", "64"]
    monkeypatch.setattr(sys, "argv", [*command, "--sampler", "ray", "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    assert capsys.readouterr().err == (
        "mario-agents: --sampler ray needs Ray: pip install 'mario-agents[ray]'\n"
    )
