"""What a recorder costs beside a 32-lane native batch: ``nox -s benchmarks``. Prints a table and writes JSON.

The same batch plays the same actions from the same seed with and without a recorder around it, in turn, and
the median of the pairs' differences is told, so that a machine that slows down in between slows both. Each
time pays for writing what it recorded to the disk.
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
from mario_eval.recorders import RecordVectorEnv

SECONDS, PAIRS, LANES, ALLOWED = 4.0, 9, 32, 0.05
ID = "MarioScore-1-1-DiscreteFrames-v0"


def play(envs, actions, seed: int, write=lambda: None) -> float:
    """Return the seconds that a step takes, with ``write`` at the end shared among all."""
    envs.reset(seed=seed)
    began = time.perf_counter()
    for row in actions:
        envs.step(row)
    write()
    return (time.perf_counter() - began) / len(actions)


def overhead(observation: str, folder: Path) -> dict[str, float]:
    """Measure one kind of observation; times are per step of the whole batch."""
    envs = gymnasium.make_vec(ID, num_envs=LANES, observation=observation, emulator="builtin/native")
    recorded = RecordVectorEnv(envs, folder / observation)
    write = recorded._session.folder.flush
    random = np.random.default_rng(0)

    def draw(steps: int):
        return random.integers(envs.single_action_space.n, size=(steps, LANES))

    play(recorded, draw(50), 0, write)  # warms up
    steps = int(SECONDS / play(envs, draw(200), 0))
    bare, extra = [], []
    for seed in range(PAIRS):
        actions = draw(steps)
        # Who goes first changes, should the second find warmer caches.
        first = play(recorded, actions, seed, write) if seed % 2 else None
        bare.append(play(envs, actions, seed))
        extra.append((first or play(recorded, actions, seed, write)) - bare[-1])
    recorded.close()
    step, more = statistics.median(bare), statistics.median(extra)
    return {
        "step_microseconds": 1e6 * step,
        "recorder_microseconds": 1e6 * more,
        "share": more / step,
        "steps_per_second_bare": LANES / step,
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
        "pairs": PAIRS,
        "seconds_each": SECONDS,
        "allowed": ALLOWED,
        "rows": rows,
    }
    partial = out.with_name(out.name + ".part")
    partial.write_text(json.dumps(result, indent=2), encoding="utf-8")
    partial.replace(out)
    print(f"written to {out}")
