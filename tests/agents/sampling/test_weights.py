"""Weights in shared memory are whole, whoever writes or reads when."""

from __future__ import annotations

import importlib
import multiprocessing as mp
import os
import signal
import time

import numpy as np
import pytest
from mario_agents.sampling.block import Block
from mario_agents.sampling.slots import Slots
from mario_agents.sampling.weights import SharedWeights

from .hammering import TEMPLATE, filled


def test_no_read_is_torn_while_another_process_writes() -> None:
    """A writer at full speed is killed amid its writing: every read before and after is of one version."""
    # Imported by the name under which the other process finds it.
    hammering = importlib.import_module("hammering")
    weights = SharedWeights(TEMPLATE)
    weights.write(0, filled(0))
    writer = mp.get_context("spawn").Process(target=hammering.hammer, args=(weights.name,))
    writer.start()
    seen = set()
    try:
        end = time.monotonic() + 60
        while len(seen) < 100 and time.monotonic() < end:
            found = weights.read()
            assert found is not None
            version, state = found
            for tensor in state.values():
                assert bool((tensor == version).all())
            seen.add(version)
        assert len(seen) == 100, "the writer hardly wrote"
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        last = weights.read()
        assert last is not None
        assert bool((last[1]["a"] == last[0]).all())
    finally:
        writer.kill()
        writer.join()
        weights.close(unlink=True)


def test_a_buffer_that_is_half_written_is_not_taken() -> None:
    weights = SharedWeights(TEMPLATE)
    try:
        assert weights.read() is None
        assert weights.newest == -1
        weights.write(1, filled(1))
        weights.write(2, filled(2))
        # What a writer that dies leaves: the next buffer begun, its contents half changed.
        weights._headers[3][weights._BEGUN] += 1
        weights._contents[3][:1000] = 77
        found = weights.read()
        assert found is not None
        assert found[0] == weights.newest == 2
        # A successor goes on in that buffer.
        weights.write(3, filled(3))
        found = weights.read()
        assert found is not None
        assert (found[0], float(found[1]["b"][0, 0])) == (3, 3.0)
        # Nor is a whole header with contents of another version, on a machine that reorders writes.
        weights._headers[3][weights._CHECKSUM] ^= 1
        weights._common[weights._ACTIVE] = 3
        with pytest.raises(TimeoutError, match="no whole weights"):
            weights.read(patience=0.2)
    finally:
        weights.close(unlink=True)


def block(steps: int, seed: int) -> Block:
    random = np.random.default_rng(seed)
    no = np.zeros((steps, 2), bool)
    truncated = no.copy()
    truncated[1, 1] = True
    return Block(
        actor=1, first_lane=2, first_step=10, policy_version=seed,
        observations={
            "x": random.normal(size=(steps + 1, 2, 3)), "y": random.integers(9, size=(steps + 1, 2)),
        },
        finals={"x": random.normal(size=(1, 3)), "y": random.integers(9, size=1)},
        final_values=random.normal(size=1), actions=random.integers(4, size=(steps, 2, 1)),
        rewards=random.normal(size=(steps, 2)), terminated=no, truncated=truncated,
        frames=np.ones((steps, 2), np.int32), last_values=random.normal(size=2).astype(np.float32),
        extras={"values": random.normal(size=(steps, 2))}, endings=((1, 1, {"score": 7}),),
    )  # fmt: skip


@pytest.mark.parametrize("size", [20_000, 600, 1])
def test_blocks_come_through_slots_as_they_were(size: int) -> None:
    """Whatever does not fit into a slot goes in the message."""
    slots = Slots(2, size)
    other = Slots(2, size, slots.name)
    try:
        sent = [block(20, seed) for seed in (0, 1)]
        messages = [other.put(slot, 5 + slot, one) for slot, one in enumerate(sent)]
        for slot, one in enumerate(sent):
            taken = slots.take(slot, 5 + slot, *messages[slot])
            assert (taken.actor, taken.policy_version, taken.endings) == (1, slot, one.endings)
            for name in ("actions", "rewards", "truncated", "final_values", "last_values"):
                np.testing.assert_array_equal(getattr(taken, name), getattr(one, name))
            for name in ("observations", "finals", "extras"):
                for key, part in getattr(one, name).items():
                    np.testing.assert_array_equal(getattr(taken, name)[key], part)
        with pytest.raises(RuntimeError, match="slot 0 holds block 5, not 6"):
            slots.take(0, 6, *messages[0])
    finally:
        other.close()
        slots.close(unlink=True)


def test_a_block_can_be_divided() -> None:
    whole = block(6, 3)
    first, second = whole.part(0, 1), whole.part(1, 6)
    assert (first.first_step, second.first_step) == (10, 11)
    assert (first.endings, second.endings) == ((), ((0, 1, {"score": 7}),))
    for lane in range(2):
        one, rest, all_ = (part.segments()[lane] for part in (first, second, whole))
        np.testing.assert_array_equal(
            np.concatenate([one.observations["x"][one.next], rest.observations["x"][rest.next]]),
            all_.observations["x"][all_.next],
        )
