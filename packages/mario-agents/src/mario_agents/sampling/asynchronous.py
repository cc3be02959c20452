"""Actors elsewhere and one learner (the manual's T1 and T3)."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from mario_agents.algorithms.registry import find_algorithm
from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError
from mario_agents.sampling.actor import Clock, first_step_of
from mario_agents.sampling.block import Block
from mario_agents.sampling.fitting import is_off_policy
from mario_agents.sampling.protocol import Order, SamplerCounts
from mario_agents.sampling.remote import Play, RemoteActor, RemoteActors
from mario_agents.sampling.trouble import EnvironmentTroubleError

#: An actor that runs freely plays at least so many steps at a time; what is asked for is cut from them.
LEAST_STEPS = 32
#: Seconds that an actor may take to start: importing torch is slow on a busy machine, and is not being stuck.
START_SECONDS = 300.0
#: An actor replaced so often in a row without having handed over a block will not get better.
MOST_DEATHS = 5


@dataclass
class _Watch:
    """What the learner saw of whether an actor moves.

    Attributes:
        beats: the actor's, when it was last looked at.
        still: seconds without a beat while the learner was looking; one stopped itself (Ctrl-Z) is not.
        looked_at: when that was, on the monotonic clock.
    """

    beats: int = 0
    still: float = 0.0
    looked_at: float = field(default_factory=time.monotonic)


class AsyncSampler:
    """Lets actors elsewhere play while the learner learns.

    With a strict order, the learner waits for one block of each actor by the weights that it published last,
    and the actors wait for the learner: the numbers are those of
    :class:`~mario_agents.sampling.sync.SyncSampler`. Otherwise actors go on with the newest weights they
    find, at most :data:`~mario_agents.sampling.remote.AHEAD` blocks ahead of what the learner has taken.

    An actor that dies is replaced by a new one, with new seeds and new episodes; so is one that does not move
    for ``config.patience`` seconds.

    Args:
        config: the run's settings.
        seed: of the first lane.
        actors: where they run.
    """

    def __init__(self, config: TrainConfig, seed: int, actors: RemoteActors) -> None:
        self.counts = SamplerCounts()
        self._config, self._seed, self._actors = config, seed, actors
        self._strict = Order.parse(config.order).kind == "strict"
        self._divisible = is_off_policy(find_algorithm(config.algorithm))
        self._version = -1
        self._handles: list[RemoteActor] = []
        self._pieces: deque[Block] = deque()
        self._deaths = [0] * config.actors
        self._incarnations = [0] * config.actors
        self._beginnings = [0] * config.actors
        self._watches = [_Watch() for _ in range(config.actors)]

    def publish(self, version: int, weights: Mapping[str, torch.Tensor]) -> None:
        """Give actors new weights; see :meth:`Sampler.publish`."""
        self._actors.publish(version, weights)
        self._version = version

    def collect(
        self, length: TrainFreq, clock: Clock, keep_going: Callable[[], bool], count: int
    ) -> list[Block] | None:
        """Wait for blocks; see :meth:`Sampler.collect`."""
        self._actors.tell_time(clock.steps)
        if not self._handles:
            self._block_steps = max(length.frequency, LEAST_STEPS)
            self._handles = [self._start(number) for number in range(self._config.actors)]
        if self._strict:
            assert count == len(self._handles)
            return self._collect_strictly(length, clock, keep_going)
        play = Play(self._longer(length), clock, None)
        for handle in self._handles:
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
        play = Play(length, clock, self._version)
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

    def begin_anew(self, seed: int) -> None:
        """Let every actor begin anew where it is; see :meth:`Sampler.begin_anew`."""
        self._seed = seed
        self._incarnations = [0] * self._config.actors
        for number, handle in enumerate(self._handles):
            self._beginnings[number] += 1
            handle.begin_anew(self._seed_of(number), first_step_of(self._beginnings[number]))

    def _start(self, number: int) -> RemoteActor:
        self._watches[number] = _Watch()
        first_step = first_step_of(self._beginnings[number])
        return self._actors.begin(number, self._seed_of(number), first_step, self._block_steps)

    def _seed_of(self, number: int) -> int:
        again = self._incarnations[number]
        seed = self._seed + number * (self._config.lanes // self._config.actors)
        if again:
            # The same seed would play the same episodes once more.
            seed = int(np.random.SeedSequence((seed, again)).generate_state(1)[0] >> 1)
        return seed

    def _arrivals(self) -> list[Block]:
        """Wait a moment, and return the blocks that have come; replace who died."""
        blocks = []
        for handle, arrival in self._actors.arrivals(seconds=0.1):
            if isinstance(arrival, Block):
                blocks.append(arrival)
                self._deaths[handle.number] = 0
            elif arrival.died:
                self._replace(handle, arrival.reason)
            else:
                # Where failures are skipped, what comes here is what skipping did not help.
                self._trouble(handle, arrival.reason, stop=self._config.on_trouble != "restart")
        for handle in list(self._handles):
            self._look_at(handle)
        return blocks

    def _look_at(self, handle: RemoteActor) -> None:
        """Find actors that do not move, whether stopped or stuck in an environment."""
        watch, now = self._watches[handle.number], time.monotonic()
        watch.still += min(now - watch.looked_at, 1.0)
        watch.looked_at = now
        if handle.beats != watch.beats:
            watch.beats, watch.still = handle.beats, 0.0
        elif watch.still > (self._config.patience if watch.beats else START_SECONDS):
            lanes = self._config.lanes // self._config.actors
            first, seed = handle.number * lanes, handle.seed
            self._trouble(
                handle,
                f"lanes {first} to {first + lanes - 1} (seeds {seed} to {seed + lanes - 1}) have not moved "
                f"for {watch.still:.0f} seconds, after step {handle.steps}",
                stop=self._config.on_trouble == "stop",
            )

    def _trouble(self, handle: RemoteActor, text: str, *, stop: bool) -> None:
        if stop:
            raise EnvironmentTroubleError(text)
        self.counts.tell(text)
        self._replace(handle, text)

    def _replace(self, handle: RemoteActor, reason: str) -> None:
        number = handle.number
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
        """End the actors and free what they shared."""
        for handle in self._handles:
            handle.end()
        self._actors.close()
        self._handles = []


def _cut(block: Block, steps: int) -> list[Block]:
    if block.steps == steps:
        return [block]
    return [block.part(first, first + steps) for first in range(0, block.steps, steps)]
