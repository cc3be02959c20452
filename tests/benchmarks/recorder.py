"""What a recorder costs beside a 32-lane native batch: ``nox -s benchmarks``. Prints a table and writes JSON.

The same batch plays in short turns with and without a recorder around it; parts that became due are on the
disk before a turn with it ends. A machine's speed drifts by more than a recorder costs, and within seconds,
which is why turns take some 30 ms and are many: what is told is the ratio of all time with to all time
without, and a bootstrap interval over pairs of turns.
"""

import sys
import tempfile
import time
from pathlib import Path

import gymnasium
import mario_envs  # noqa: F401 - registers the environments
import numpy as np
from gymnasium.vector import VectorEnv
from mario_eval.recorders import RecordVectorEnv
from results import machine, write

# A part is due every 3,125 steps of 32 lanes: in one of 125 turns with a recorder.
STEPS, PAIRS, LANES, ALLOWED = 25, 1300, 32, 0.05
ID = "MarioScore-1-1-DiscreteFrames-v0"


def overhead(observation: str, folder: Path) -> dict[str, float]:
    """Measure one kind of observation; times are per step of the whole batch."""
    plain = gymnasium.make_vec(ID, num_envs=LANES, observation=observation, emulator="builtin/native")
    recorded = RecordVectorEnv(plain, folder / observation)
    random = np.random.default_rng(0)

    def play(envs: VectorEnv, steps: int = STEPS) -> float:
        actions = random.integers(envs.single_action_space.n, size=(steps, LANES))
        began = time.perf_counter()
        for row in actions:
            envs.step(row)
        return (time.perf_counter() - began) / steps

    recorded.reset(seed=0)
    play(recorded, 250)  # warms up
    pairs = []
    for number in range(PAIRS):
        first, second = (plain, recorded) if number % 2 else (recorded, plain)
        turns = {first: play(first), second: play(second)}
        pairs.append((turns[plain], turns[recorded]))
    recorded.close()
    times = np.array(pairs)
    drawn = times[random.integers(PAIRS, size=(10_000, PAIRS))].sum(axis=1)
    low, high = np.quantile(drawn[:, 1] / drawn[:, 0] - 1, (0.025, 0.975))
    without, with_it = times.mean(axis=0)
    return {
        "step_microseconds": 1e6 * without,
        "recorded_step_microseconds": 1e6 * with_it,
        "share": with_it / without - 1,
        "share_interval": [low, high],
    }


if __name__ == "__main__":
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as place:
        rows = {observation: overhead(observation, Path(place)) for observation in ("frames", "tiles")}
    print(f"| {LANES} lanes | a step of all | with RecordVectorEnv | more | 95 % interval | allowed |")
    print(f"|{'---|' * 6}")
    for name, row in rows.items():
        without, with_it = (f"{row[f'{what}_microseconds']:,.0f} µs" for what in ("step", "recorded_step"))
        share, spread = f"{row['share']:.1%}", " to ".join(f"{q:.1%}" for q in row["share_interval"])
        print(f"| {name} | {without} | {with_it} | {share} | {spread} | {ALLOWED:.0%} |")
    result = {
        **machine(),
        "pairs": PAIRS,
        "steps_each": STEPS,
        "allowed": ALLOWED,
        "rows": rows,
    }
    write(out, result)
    print(f"written to {out}")
