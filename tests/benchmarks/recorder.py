"""What a recorder costs beside a 32-lane native batch: ``nox -s benchmarks``. Prints a table and writes JSON.

The batch plays with a recorder around it, and the time inside the batch is taken off the time of the whole:
what is left is the recorder, writing to the disk included. Two runs, with and without, would differ by
more than that between themselves. The median of several rounds is told.
"""

import json
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path

import gymnasium
import mario_envs  # noqa: F401 - registers the environments
import numpy as np
from gymnasium.vector import VectorWrapper
from mario_eval.recorders import RecordVectorEnv

SECONDS, ROUNDS, LANES, ALLOWED = 4.0, 9, 32, 0.05
ID = "MarioScore-1-1-DiscreteFrames-v0"


class Timed(VectorWrapper):
    """Adds up the seconds spent in the steps of a batch."""

    seconds = 0.0

    def step(self, actions):
        began = time.perf_counter()
        result = self.env.step(actions)
        self.seconds += time.perf_counter() - began
        return result


def overhead(observation: str, folder: Path) -> dict[str, float]:
    """Measure one kind of observation; times are per step of the whole batch."""
    timed = Timed(gymnasium.make_vec(ID, num_envs=LANES, observation=observation, emulator="builtin/native"))
    recorded = RecordVectorEnv(timed, folder / observation)
    random = np.random.default_rng(0)

    def play(steps: int) -> tuple[float, float]:
        actions = random.integers(timed.single_action_space.n, size=(steps, LANES))
        timed.seconds, began = 0.0, time.perf_counter()
        for row in actions:
            recorded.step(row)
        recorded._session.folder.flush()
        whole = time.perf_counter() - began
        return timed.seconds / steps, (whole - timed.seconds) / steps

    recorded.reset(seed=0)
    play(50)  # warms up
    steps = int(SECONDS / sum(play(200)))
    rounds = [play(steps) for _ in range(ROUNDS)]
    recorded.close()
    step, more = (statistics.median(column) for column in zip(*rounds, strict=True))
    return {
        "step_microseconds": 1e6 * step,
        "recorder_microseconds": 1e6 * more,
        "share": statistics.median(extra / inside for inside, extra in rounds),
        "allowed_step_microseconds": 1e6 * more / ALLOWED,
    }


if __name__ == "__main__":
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        rows = {observation: overhead(observation, Path(place)) for observation in ("frames", "tiles")}
    print(f"| {LANES} lanes with RecordVectorEnv | a step of all | the recorder | share | allowed |")
    print(f"|{'---|' * 5}")
    for name, row in rows.items():
        step, more = (f"{row[f'{what}_microseconds']:,.0f} µs" for what in ("step", "recorder"))
        print(f"| {name} | {step} | {more} | {row['share']:.1%} | {ALLOWED:.0%} |")
    result = {
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "rounds": ROUNDS,
        "seconds_each": SECONDS,
        "allowed": ALLOWED,
        "rows": rows,
    }
    partial = out.with_name(out.name + ".part")
    partial.write_text(json.dumps(result, indent=2), encoding="utf-8")
    partial.replace(out)
    print(f"written to {out}")
