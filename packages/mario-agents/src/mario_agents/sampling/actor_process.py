"""What an actor process does: play, hand over, and end when nobody is there to hand over to."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from multiprocessing.connection import Connection

import torch

from mario_agents.sampling.actor import Actor
from mario_agents.sampling.remote import Play
from mario_agents.sampling.slots import Slots
from mario_agents.sampling.spawned import ActorOrder
from mario_agents.sampling.trouble import told_of_actor
from mario_agents.sampling.weights import SharedWeights


class _LearnerIsGone(Exception):  # noqa: N818 -- the way out, not an error
    pass


def run_actor(order: ActorOrder, learner: Connection) -> None:
    """Run an actor in this process until the learner says stop, or is gone.

    Messages to the learner: ``("block", slot, number, block, places)``, or ``("trouble", text)`` and the end.
    From it: a :class:`Play`, ``("free", slot)``, an order to begin anew with, or ``("stop",)``.

    Args:
        order: what to play.
        learner: the pipe to it.
    """
    # Ctrl-C in a terminal reaches every process of the group; the learner decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)
    try:
        actor = _begin(order)
        weights = SharedWeights(actor.model.policy.state_dict(), order.weights)
        slots = Slots(order.slot_count, order.slot_size, order.slots)
        _Playing(order, actor, weights, slots, learner).run()
    except (_LearnerIsGone, BrokenPipeError, ConnectionResetError, EOFError):
        return
    except Exception as error:  # whatever it is
        learner.send(("trouble", told_of_actor(error, order.number)))


def _begin(order: ActorOrder) -> Actor:
    return Actor(order.config, order.number, order.seed, first_step=order.first_step)


class _Playing:
    def __init__(
        self, order: ActorOrder, actor: Actor, weights: SharedWeights, slots: Slots, learner: Connection
    ) -> None:
        self._order, self._actor, self._weights, self._slots = order, actor, weights, slots
        self._learner = learner
        self._free = list(range(slots.count))
        self._number = 0
        self._play: Play | None = None
        self._waited, self._began = 0.0, time.monotonic()
        self._beats = slots.beats
        self._parent = os.getppid()

    def run(self) -> None:
        """Play until there is no more to play."""
        while True:
            while self._play is None or not self._free:
                self._listen(0.5)
            self._listen(0.0)
            play = self._play
            self._load(play.version)
            steps = self._weights.steps if play.version is None else play.clock.steps
            block = self._actor.collect(play.length, replace(play.clock, steps=steps), self._is_wanted)
            if block is None:
                raise _LearnerIsGone
            if play.version is not None:
                self._play = None
            slot = self._free.pop(0)
            idle = self._waited / max(time.monotonic() - self._began, 1e-9)
            self._waited, self._began = 0.0, time.monotonic()
            bare, places = self._slots.put(slot, self._number, replace(block, idle=idle))
            self._learner.send(("block", slot, self._number, bare, places))
            self._number += 1

    def _is_wanted(self) -> bool:
        """Beat, so that the learner sees that this process is alive, and see whether the learner is."""
        self._beats[0] += 1
        self._beats[1] = self._actor.steps
        # An orphan gets another parent: whoever started it, the learner or a process that ends with it, is
        # gone. A pipe would tell only when something is sent.
        return os.getppid() == self._parent

    def _listen(self, seconds: float) -> None:
        began = time.monotonic()
        if not self._is_wanted():
            raise _LearnerIsGone
        ready = self._learner.poll(seconds)
        self._waited += time.monotonic() - began
        while ready:
            message = self._learner.recv()
            if isinstance(message, Play):
                self._play = message
            elif isinstance(message, ActorOrder):
                self._actor.close()
                self._actor = _begin(message)
            elif message[0] == "free":
                self._free.append(message[1])
            else:
                raise _LearnerIsGone
            ready = self._learner.poll(0)

    def _load(self, version: int | None) -> None:
        """Act with a version, or with the newest one there is."""
        if version is None and self._weights.newest == self._actor.version != 0:
            return
        if version is not None and version == self._actor.version != 0:
            return
        while True:
            found = self._weights.read()
            if found is not None and version in (None, found[0]):
                self._actor.load(*found)
                return
            self._listen(0.01)
