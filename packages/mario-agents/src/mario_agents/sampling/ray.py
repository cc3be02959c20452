"""Actors in a Ray cluster, for those who outgrow one machine; the extra ``mario-agents[ray]``.

Blocks and weights travel through Ray's object store. Ray pickles what it carries, between processes of one
cluster that the user has started.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from socket import create_connection
from textwrap import shorten
from threading import Condition
from typing import Any

import ray
import torch
from numpy.typing import NDArray
from ray.exceptions import RayError

from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError
from mario_agents.sampling.actor import Actor
from mario_agents.sampling.block import Block
from mario_agents.sampling.remote import AHEAD, Failure, Play, RemoteActor
from mario_agents.sampling.trouble import told_of_actor

#: Seconds between two questions of the learner whether an actor moves.
PULSE_SECONDS = 1.0
#: Seconds for the cluster's head to answer.
CONNECT_SECONDS = 10.0

Weights = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Pulse:
    """How an actor is.

    Attributes:
        beats: grows while it moves.
        steps: that each of its lanes has played.
        node: Ray's ID of the node that it runs on.
        process: its process ID there.
    """

    beats: int
    steps: int
    node: str
    process: int


class Player:
    """An actor in a process of Ray's. :meth:`exchange` is answered while :meth:`play` plays.

    Args:
        config: the run's settings.
        number: which actor.
        seed: of its random streams and its first lane.
        first_step: what to count its steps from.
    """

    def __init__(self, config: TrainConfig, number: int, seed: int, first_step: int) -> None:
        self._config, self._number, self._seed, self._first_step = config, number, seed, first_step
        self._actor: Actor | None = None
        self._news = Condition()
        self._newest: tuple[int, Weights] | None = None
        self._beats = 0
        self._ended = time.monotonic()

    @ray.method(concurrency_group="mail")  # type: ignore[untyped-decorator]
    def exchange(self, version: int, weights: Weights | None) -> Pulse:
        """Take new weights, if there are any, and tell how the actor is.

        Args:
            version: of the weights.
            weights: the policy's state dict.
        """
        if weights is not None:
            with self._news:
                self._newest = version, weights
                self._news.notify()
        steps = 0 if self._actor is None else self._actor.steps
        return Pulse(self._beats, steps, ray.get_runtime_context().get_node_id(), os.getpid())

    def begin_anew(self, seed: int, first_step: int) -> None:
        """Begin anew with the next call of :meth:`play`."""
        if self._actor is not None:
            self._actor.close()
        self._actor, self._seed, self._first_step = None, seed, first_step

    def play(self, play: Play) -> Block | Failure:
        """Play one block, with the version asked for or with the newest."""
        torch.set_num_threads(1)
        try:
            if self._actor is None:
                self._actor = Actor(self._config, self._number, self._seed, first_step=self._first_step)
            self._load(self._actor, play.version)
            began = time.monotonic()
            block = self._actor.collect(play.length, play.clock, self._move)
        except Exception as error:  # whatever it is
            return Failure(told_of_actor(error, self._number))
        assert block is not None
        now = time.monotonic()
        idle = (began - self._ended) / max(now - self._ended, 1e-9)
        self._ended = now
        return replace(block, idle=idle)

    def _move(self) -> bool:
        self._beats += 1
        return True

    def _load(self, actor: Actor, version: int | None) -> None:
        def is_there() -> bool:
            self._move()
            return self._newest is not None and version in (None, self._newest[0])

        with self._news:
            while not is_there():
                self._news.wait(0.5)
            assert self._newest is not None
            found, arrays = self._newest
        if found != actor.version or found == 0:
            # Arrays from the object store are shared and must not be written to.
            actor.load(found, {name: torch.from_numpy(array.copy()) for name, array in arrays.items()})


class _RayActor:
    """One actor, as the learner sees it: calls that it has still to answer."""

    def __init__(self, player: Any, number: int, seed: int) -> None:
        self.number, self.seed = number, seed
        self.asked: Play | None = None
        self._player = player
        #: Calls of play, in the order in which they will be done.
        self.calls: list[Any] = []
        self.pulse: Pulse | None = None
        self._letter: Any = None
        self._sent_version = -1
        self._sent_at = -PULSE_SECONDS

    @property
    def beats(self) -> int:
        return 0 if self.pulse is None else self.pulse.beats

    @property
    def steps(self) -> int:
        return 0 if self.pulse is None else self.pulse.steps

    def ask(self, play: Play) -> None:
        self.asked = play
        if play.version is not None:
            self.calls.append(self._player.play.remote(play))
        while play.version is None and len(self.calls) < AHEAD:
            self.calls.append(self._player.play.remote(play))

    def begin_anew(self, seed: int, first_step: int) -> None:
        self.seed = seed
        self._player.begin_anew.remote(seed, first_step)  # done before the calls of play that follow

    def take(self) -> Block | Failure:
        """Return the answer to the first call, which is there."""
        try:
            found = ray.get(self.calls.pop(0))
        except RayError as error:
            last_line = str(error).rstrip().rpartition("\n")[2]  # what is above is a traceback
            return Failure(f"died: {shorten(last_line, 200)}", died=True)
        if isinstance(found, Failure):
            return found
        assert isinstance(found, Block)
        return found.copy()  # else it holds its place in the object store

    def correspond(self, version: int, weights: Any) -> None:
        """Read the answer to the last letter, if it is there, and write the next if there is news.

        One letter is on its way at a time, so that a slow actor is not sent weights that it never plays with.

        Args:
            version: the newest.
            weights: reference to it in the object store.
        """
        if self._letter is not None:
            if not ray.wait([self._letter], timeout=0)[0]:
                return
            try:
                self.pulse = ray.get(self._letter)
            except RayError:
                return  # its calls tell that it died
            self._letter = None
        now = time.monotonic()
        if version != self._sent_version:
            self._letter = self._player.exchange.remote(version, weights)
            self._sent_version, self._sent_at = version, now
        elif now - self._sent_at > PULSE_SECONDS:
            self._letter = self._player.exchange.remote(version, None)
            self._sent_at = now

    def end(self) -> None:
        ray.kill(self._player)
        self.calls.clear()


class RayActors:
    """Starts actors in a Ray cluster; see :class:`~mario_agents.sampling.remote.RemoteActors`.

    Each takes one processor of the cluster; Ray spreads them over its nodes.

    Args:
        config: the run's settings.

    Raises:
        AgentsError: there is no cluster at the address, or it is too small.
    """

    def __init__(self, config: TrainConfig) -> None:
        self._config = config
        self._ours = not ray.is_initialized()
        if self._ours:
            _connect(config)
        try:
            processors = int(ray.cluster_resources().get("CPU", 0))
            if processors < config.actors:
                raise AgentsError(
                    f"the Ray cluster has {processors} processors and {config.actors} actors take one each: "
                    f"add nodes, or use --actors {max(processors, 1)}"
                )
        except AgentsError:
            self.close()
            raise
        self._make = ray.remote(num_cpus=1, concurrency_groups={"mail": 1}, scheduling_strategy="SPREAD")(
            Player
        )
        self._version, self._weights, self._steps = -1, None, 0
        self._actors: dict[int, _RayActor] = {}

    def publish(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Put the weights into the object store, from which each node fetches them once."""
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in weights.items()}
        self._version, self._weights = version, ray.put(arrays)
        for actor in self._actors.values():
            actor.correspond(version, self._weights)

    def tell_time(self, steps: int) -> None:
        """Keep the time for the calls that follow."""
        self._steps = steps

    def begin(self, number: int, seed: int, first_step: int, block_steps: int) -> RemoteActor:
        """Start an actor of Ray's."""
        actor = _RayActor(self._make.remote(self._config, number, seed, first_step), number, seed)
        self._actors[number] = actor
        actor.correspond(self._version, self._weights)
        return actor

    def arrivals(self, seconds: float) -> list[tuple[RemoteActor, Block | Failure]]:
        """Wait for calls to be answered, and call again those who play freely."""
        first = {actor.calls[0]: actor for actor in self._actors.values() if actor.calls}
        calls = list(first)
        ready, _ = ray.wait(calls, timeout=seconds)
        if ready:
            ready, _ = ray.wait(calls, num_returns=len(calls), timeout=0)
        found: list[tuple[RemoteActor, Block | Failure]] = []
        for call in ready:
            actor = first[call]
            arrival = actor.take()
            found.append((actor, arrival))
            if isinstance(arrival, Block) and actor.asked is not None and actor.asked.version is None:
                clock = replace(actor.asked.clock, steps=self._steps)
                actor.ask(replace(actor.asked, clock=clock))
        for actor in self._actors.values():
            actor.correspond(self._version, self._weights)
        return found

    def close(self) -> None:
        """Leave the cluster; one that was started for this run ends."""
        self._actors, self._weights = {}, None
        if self._ours and ray.is_initialized():
            ray.shutdown()


def _connect(config: TrainConfig) -> None:
    # Ray reports each start to its makers unless it is told not to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        if config.address is None:
            processors = max(os.cpu_count() or 1, config.actors)
            ray.init(address="local", num_cpus=processors, include_dashboard=False, **quiet)
        else:
            host, colon, port = config.address.rpartition(":")
            if colon and port.isdecimal():
                # Ray itself tries for many minutes and tells C++ log lines meanwhile.
                create_connection((host, int(port)), CONNECT_SECONDS).close()
            ray.init(address=config.address, **quiet)
    except (OSError, OverflowError, RuntimeError, ValueError, RayError) as error:
        where = "on this machine" if config.address is None else f"at {config.address}"
        reason = " ".join(str(error).split())
        raise AgentsError(f"no Ray {where}: {reason}") from error
