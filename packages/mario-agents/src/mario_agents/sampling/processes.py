"""Actors as processes of this machine, with shared memory between them and the learner."""

from __future__ import annotations

import multiprocessing as mp
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch
from gymnasium import spaces

from mario_agents.config import TrainConfig
from mario_agents.sampling.block import Block
from mario_agents.sampling.remote import AHEAD, Failure, Play, RemoteActor
from mario_agents.sampling.slots import Slots
from mario_agents.sampling.spawned import ActorOrder, begin
from mario_agents.sampling.weights import SharedWeights

# A fork of the learner would copy torch's threads and locks in whatever state they are. On Linux actors are
# forked from a process that has imported what they need and run nothing; elsewhere each imports it anew.
if sys.platform == "linux":
    _CONTEXT = mp.get_context("forkserver")
    _CONTEXT.set_forkserver_preload(["mario_agents.sampling.imported_once"])
else:
    _CONTEXT = mp.get_context("spawn")


class _ProcessActor:
    """One actor's process, pipe and slots."""

    def __init__(self, order: ActorOrder, slots: Slots) -> None:
        self.number, self.seed, self.slots, self._order = order.number, order.seed, slots, order
        self.pipe, theirs = _CONTEXT.Pipe()
        slots.forget()
        self.process: BaseProcess = _CONTEXT.Process(
            target=begin, args=(order, theirs), name=f"actor-{order.number}", daemon=True
        )
        self.process.start()
        # Only the actor holds its end now, so that its death closes the pipe.
        theirs.close()
        self.asked: Play | None = None

    @property
    def beats(self) -> int:
        return int(self.slots.beats[0])

    @property
    def steps(self) -> int:
        return int(self.slots.beats[1])

    def ask(self, play: Play) -> None:
        # A process that plays freely needs to be told of a new length only.
        if play.version is None and self.asked is not None and self.asked.length == play.length:
            return
        self.asked = play
        with suppress(OSError):  # a dead actor is found when it is waited for
            self.pipe.send(play)

    def begin_anew(self, seed: int, first_step: int) -> None:
        self.seed = seed
        self._order = replace(self._order, seed=seed, first_step=first_step)
        with suppress(OSError):
            self.pipe.send(self._order)

    def receive(self) -> Block | Failure:
        """Return what is in the pipe."""
        try:
            message = self.pipe.recv()
        except (EOFError, OSError):
            return Failure("died", died=True)
        if message[0] == "trouble":
            return Failure(message[1])
        _, slot, number, bare, places = message
        block = self.slots.take(slot, number, bare, places)
        with suppress(OSError):
            self.pipe.send(("free", slot))
        return block

    def end(self) -> None:
        if self.pipe.closed:
            return
        with suppress(OSError):
            self.pipe.send(("stop",))
        self.process.join(0.5)
        if self.process.is_alive():
            self.process.kill()  # stuck, stopped, or amid a long block that nobody wants
            self.process.join()
        self.process.close()
        self.pipe.close()


class ProcessActors:
    """Starts actors as processes; see :class:`~mario_agents.sampling.remote.RemoteActors`.

    Args:
        config: the run's settings.
        observation_space: of one lane, to know how large blocks are.
    """

    def __init__(self, config: TrainConfig, observation_space: spaces.Space[Any]) -> None:
        self._config = config
        self._observation_bytes = _bytes_of(observation_space)
        self._weights: SharedWeights | None = None
        self._slots: dict[int, tuple[Slots, int]] = {}
        self._actors: dict[int, _ProcessActor] = {}

    def publish(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Write the weights into shared memory."""
        if self._weights is None:
            self._weights = SharedWeights(weights)
        self._weights.write(version, weights)

    def tell_time(self, steps: int) -> None:
        """Write the time beside the weights."""
        assert self._weights is not None, "publish weights first"
        self._weights.steps = steps

    def begin(self, number: int, seed: int, first_step: int, block_steps: int) -> RemoteActor:
        """Start a process."""
        assert self._weights is not None, "publish weights first"
        if number not in self._slots:
            lanes = self._config.lanes // self._config.actors
            # Observations, and a kilobyte for what else there is of a step; what finds no room goes another
            # way.
            size = (block_steps + 1) * lanes * (self._observation_bytes + 1024)
            self._slots[number] = Slots(AHEAD, size), size
        slots, size = self._slots[number]
        order = ActorOrder(
            config=self._config,
            number=number,
            seed=seed,
            first_step=first_step,
            weights=self._weights.name,
            slots=slots.name,
            slot_count=AHEAD,
            slot_size=size,
        )
        self._actors[number] = _ProcessActor(order, slots)
        return self._actors[number]

    def arrivals(self, seconds: float) -> list[tuple[RemoteActor, Block | Failure]]:
        """Wait for the pipes."""
        by_pipe: dict[object, _ProcessActor] = {actor.pipe: actor for actor in self._actors.values()}
        ready = wait([actor.pipe for actor in by_pipe.values()], timeout=seconds)
        return [(by_pipe[pipe], by_pipe[pipe].receive()) for pipe in ready]

    def close(self) -> None:
        """Free the shared memory."""
        for slots, _ in self._slots.values():
            slots.close(unlink=True)
        if self._weights is not None:
            self._weights.close(unlink=True)
        self._actors, self._slots, self._weights = {}, {}, None


def _bytes_of(space: spaces.Space[Any]) -> int:
    if isinstance(space, spaces.Dict):
        return sum(_bytes_of(part) for part in space.spaces.values())
    shape = space.shape or ()
    return int(np.prod(shape)) * np.dtype(space.dtype or np.int64).itemsize
