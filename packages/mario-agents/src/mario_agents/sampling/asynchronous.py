"""Actors in processes of their own and one learner (the manual's T1 and T3)."""

from __future__ import annotations

import math
import multiprocessing as mp
import os
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from mario_agents.algorithms.registry import find_algorithm
from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError
from mario_agents.sampling.actor import Clock, first_step_of
from mario_agents.sampling.actor_process import Play
from mario_agents.sampling.block import Block
from mario_agents.sampling.fitting import is_off_policy
from mario_agents.sampling.protocol import Order, SamplerCounts
from mario_agents.sampling.slots import Slots
from mario_agents.sampling.spawned import ActorOrder, begin
from mario_agents.sampling.trouble import EnvironmentTroubleError
from mario_agents.sampling.weights import SharedWeights

#: Slots of each actor: one to write while the learner reads the other.
SLOTS = 2
#: An actor that runs freely plays at least so many steps at a time; what is asked for is cut from them.
LEAST_STEPS = 32
#: Seconds that an actor may take to start: importing torch is slow on a busy machine, and is not being stuck.
START_SECONDS = 300.0
#: An actor replaced so often in a row without having handed over a block will not get better.
MOST_DEATHS = 5


class _Handle:
    """One actor, as the learner sees it: its process, pipe and slots."""

    def __init__(self, order: ActorOrder, slots: Slots) -> None:
        self.order, self.slots = order, slots
        context = mp.get_context(
            "spawn"
        )  # fork would copy torch's threads and locks in whatever state they are
        self.pipe, theirs = context.Pipe()
        slots.forget()
        self.process: BaseProcess = context.Process(
            target=begin, args=(order, theirs), name=f"actor-{order.number}", daemon=True
        )
        self.process.start()
        # Only the actor holds its end now, so that its death closes the pipe.
        theirs.close()
        self.asked: Play | None = None
        # Seconds without a beat, while the learner was looking: one that is itself stopped (Ctrl-Z) does not.
        self.beats, self.still, self.looked_at = 0, 0.0, time.monotonic()

    @property
    def steps(self) -> int:
        """Steps that each of the actor's lanes has played, as the actor counts them."""
        return int(self.slots.beats[1])

    def begin_anew(self, order: ActorOrder) -> None:
        self.order = order
        with suppress(OSError):
            self.pipe.send(order)

    def ask(self, play: Play) -> None:
        self.asked = play
        with suppress(OSError):  # a dead actor is found when it is waited for
            self.pipe.send(play)

    def free(self, slot: int) -> None:
        with suppress(OSError):
            self.pipe.send(("free", slot))

    def end(self) -> None:
        """End the process, kindly at first, and close the pipe. Harmless if called twice."""
        if self.pipe.closed:
            return
        with suppress(OSError):
            self.pipe.send(("stop",))
        self.process.join(0.5)
        if self.process.is_alive():
            self.process.kill()  # stuck, or amid a long block that nobody wants
            self.process.join()
        self.process.close()
        self.pipe.close()


class AsyncSampler:
    """Lets actor processes play while the learner learns.

    With a strict order, the learner waits for one block of each actor by the weights that it published last,
    and the actors wait for the learner: the numbers are those of
    :class:`~mario_agents.sampling.sync.SyncSampler`. Otherwise actors go on with the newest weights they
    find, at most :data:`SLOTS` blocks ahead of what the learner has taken.

    An actor that dies is replaced by a new one, with new seeds and new episodes; so is one that does not move
    for ``config.patience`` seconds.

    Args:
        config: the run's settings.
        seed: of the first lane.
        observation_space: of one lane, to know how large blocks are.
    """

    def __init__(self, config: TrainConfig, seed: int, observation_space: spaces.Space[Any]) -> None:
        self.counts = SamplerCounts()
        self._config, self._seed = config, seed
        self._strict = Order.parse(config.order).kind == "strict"
        self._divisible = is_off_policy(find_algorithm(config.algorithm))
        self._observation_bytes = _bytes_of(observation_space)
        self._weights: SharedWeights | None = None
        self._handles: list[_Handle] = []
        self._slots: list[Slots] = []
        self._pieces: deque[Block] = deque()
        self._deaths = [0] * config.actors
        self._incarnations = [0] * config.actors
        self._beginnings = [0] * config.actors

    def publish(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Give actors new weights; see :meth:`Sampler.publish`."""
        if self._weights is None:
            self._weights = SharedWeights(weights)
        self._weights.write(version, weights)

    def collect(
        self, length: TrainFreq, clock: Clock, keep_going: Callable[[], bool], count: int
    ) -> list[Block] | None:
        """Wait for blocks; see :meth:`Sampler.collect`."""
        assert self._weights is not None, "publish weights first"
        self._weights.steps = clock.steps
        if not self._handles:
            self._begin(length)
        if self._strict:
            assert count == len(self._handles)
            return self._collect_strictly(length, clock, keep_going)
        play = Play(self._longer(length), clock, None)
        for handle in self._handles:
            if handle.asked is None or handle.asked.length != play.length:
                handle.ask(play)
        blocks: list[Block] = []
        while len(blocks) < count:
            while not self._pieces:
                if not keep_going():
                    return None
                for block in self._arrivals():
                    self._pieces += _cut(block, length.frequency)
            blocks.append(self._pieces.popleft())
        return blocks

    def _collect_strictly(
        self, length: TrainFreq, clock: Clock, keep_going: Callable[[], bool]
    ) -> list[Block] | None:
        assert self._weights is not None
        play = Play(length, clock, self._weights.version)
        for handle in self._handles:
            handle.ask(play)
        found: dict[int, Block] = {}
        while len(found) < len(self._handles):
            if not keep_going():
                return None
            for block in self._arrivals():
                found[block.actor] = block
                self._handles[block.actor].asked = None
        return [found[actor] for actor in range(len(self._handles))]

    def _longer(self, length: TrainFreq) -> TrainFreq:
        # A rollout of an on-policy algorithm is what it asked for; with its last values it cannot be divided.
        times = max(1, math.ceil(LEAST_STEPS / length.frequency)) if self._divisible else 1
        return TrainFreq(length.frequency * times, TrainFrequencyUnit.STEP)

    # -- actors, alive and dead -----------------------------------------------------------------------------

    def _begin(self, length: TrainFreq) -> None:
        lanes = self._config.lanes // self._config.actors
        steps = max(length.frequency, LEAST_STEPS)
        # Observations, and a kilobyte for what else there is of a step; what finds no room goes another way.
        self._slot_size = (steps + 1) * lanes * (self._observation_bytes + 1024)
        for number in range(self._config.actors):
            self._slots.append(Slots(SLOTS, self._slot_size))
            self._handles.append(self._start(number))

    def begin_anew(self, seed: int) -> None:
        """Let every actor begin anew in its process; see :meth:`Sampler.begin_anew`."""
        self._seed = seed
        self._incarnations = [0] * self._config.actors
        for number, handle in enumerate(self._handles):
            self._beginnings[number] += 1
            handle.begin_anew(self._order_of(number))

    def _start(self, number: int) -> _Handle:
        return _Handle(self._order_of(number), self._slots[number])

    def _order_of(self, number: int) -> ActorOrder:
        assert self._weights is not None
        again = self._incarnations[number]
        lanes = self._config.lanes // self._config.actors
        seed = self._seed + number * lanes
        if again:
            # The same seed would play the same episodes once more.
            seed = int(np.random.SeedSequence((seed, again)).generate_state(1)[0] >> 1)
        return ActorOrder(
            config=self._config,
            number=number,
            seed=seed,
            first_step=first_step_of(self._beginnings[number]),
            weights=self._weights.name,
            slots=self._slots[number].name,
            slot_count=SLOTS,
            slot_size=self._slot_size,
            parent=os.getpid(),
        )

    def _arrivals(self) -> list[Block]:
        """Wait a moment, and return the blocks that have come; replace who died."""
        handles: dict[object, _Handle] = {}
        for handle in self._handles:
            handles[handle.pipe] = handle
        blocks = []
        for pipe in wait([handle.pipe for handle in self._handles], timeout=0.1):
            handle = handles[pipe]
            try:
                message = self._receive(handle.pipe)
            except (EOFError, OSError):
                self._replace(handle, "died")
                continue
            if message[0] == "trouble":
                # Where failures are skipped, what comes here is what skipping did not help.
                self._trouble(handle, message[1], stop=self._config.on_trouble != "restart")
                continue
            _, slot, number, bare, places = message
            blocks.append(handle.slots.take(slot, number, bare, places))
            handle.free(slot)
            self._deaths[handle.order.number] = 0
        for handle in list(self._handles):
            self._look_at(handle)
        return blocks

    @staticmethod
    def _receive(pipe: Connection) -> Any:
        return pipe.recv()

    def _look_at(self, handle: _Handle) -> None:
        """Find actors that do not move, whether stopped or stuck in an environment."""
        beats = int(handle.slots.beats[0])
        now = time.monotonic()
        handle.still += min(now - handle.looked_at, 1.0)
        handle.looked_at = now
        if beats != handle.beats:
            handle.beats, handle.still = beats, 0.0
        elif handle.still > (self._config.patience if beats else START_SECONDS):
            lanes = self._config.lanes // self._config.actors
            first = handle.order.number * lanes
            seed = handle.order.seed
            self._trouble(
                handle,
                f"lanes {first} to {first + lanes - 1} (seeds {seed} to {seed + lanes - 1}) have not moved "
                f"for {handle.still:.0f} seconds, after step {handle.steps}",
                stop=self._config.on_trouble == "stop",
            )

    def _trouble(self, handle: _Handle, text: str, *, stop: bool) -> None:
        if stop:
            raise EnvironmentTroubleError(text)
        self.counts.tell(text)
        self._replace(handle, text)

    def _replace(self, handle: _Handle, reason: str) -> None:
        number = handle.order.number
        handle.process.kill()  # stopped processes do not heed anything else
        handle.end()
        self._deaths[number] += 1
        if self._deaths[number] >= MOST_DEATHS:
            raise AgentsError(f"actor {number} failed {MOST_DEATHS} times in a row; the last time: {reason}")
        self.counts.replaced += 1
        self._incarnations[number] += 1
        self._beginnings[number] += 1
        self._handles[number] = self._start(number)
        if handle.asked is not None:
            self._handles[number].ask(handle.asked)

    def close(self) -> None:
        """End the actors and free the shared memory."""
        for handle in self._handles:
            handle.end()
        for slots in self._slots:
            slots.close(unlink=True)
        if self._weights is not None:
            self._weights.close(unlink=True)
        self._handles, self._slots, self._weights = [], [], None


def _cut(block: Block, steps: int) -> list[Block]:
    if block.steps == steps:
        return [block]
    return [block.part(first, first + steps) for first in range(0, block.steps, steps)]


def _bytes_of(space: spaces.Space[Any]) -> int:
    if isinstance(space, spaces.Dict):
        return sum(_bytes_of(part) for part in space.spaces.values())
    shape = space.shape or ()
    return int(np.prod(shape)) * np.dtype(space.dtype or np.int64).itemsize
