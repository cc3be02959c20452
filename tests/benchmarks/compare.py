"""Our speed as ratios to named peers in one run: ``nox -s benchmarks``. Prints a table and writes JSON.

Ours and the peer are measured in turn, several times, and the medians are compared, so that a machine that
slows down in between slows both.
"""

import json
import statistics
import subprocess
import sys
from functools import partial
from pathlib import Path

from mario_envs.bench import OBSERVATIONS, raw_frames, restores, steps
from results import machine, write

usual_python, out = Path(sys.argv[1]), Path(sys.argv[2])
SECONDS, ROUNDS, LANES = 4.0, 5, 32
NATIVE = {"builtin/native": {"num_threads": 1}}
BATCH = {"emulator": "builtin/native"}


def usual_stack() -> float:
    script = Path(__file__).with_name("usual_stack.py")
    command = [usual_python, "-W", "ignore", script, str(SECONDS)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return float(json.loads(answer.splitlines()[-1])["steps_per_second"])


def medians(*measures) -> list[float]:
    rounds = [[measure() for measure in measures] for _ in range(ROUNDS)]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


raw, nes_py = medians(lambda: raw_frames(NATIVE, SECONDS), lambda: raw_frames("builtin/nes-py", SECONDS))
usual, *batches = medians(
    usual_stack,
    *(
        partial(steps, LANES, SECONDS, observation=observation, **BATCH)
        for observation in OBSERVATIONS.values()
    ),
)
(restore_rate,) = medians(lambda: restores(NATIVE, SECONDS / 4))

# What the usual stack sees is a picture of each of four steps; four pictures of each step are drawn besides.
GOALS = {"stack of 4 pictures": (90, 150), "4 pictures a step": (90, 150), "tiles": (180, 300)}
rows = [
    ("raw frames/s, one core, nothing drawn", raw, "nes-py 8.2.1 through ctypes", nes_py, 60, 120),
    *(
        (f"steps/s, {LANES} lanes, {name}", rate, "the usual stack, one process", usual, *GOALS[name])
        for name, rate in zip(OBSERVATIONS, batches, strict=True)
    ),
]
print(f"| measure | ours | peer | its figure | ratio | floor | aim |\n|{'---|' * 7}")
for measure, ours, peer, theirs, floor, aim in rows:
    print(
        f"| {measure} | {ours:,.0f} | {peer} | {theirs:,.1f} | {ours / theirs:.0f} × | {floor} × | {aim} × |"
    )
print(f"| restore of a saved state, µs | {1e6 / restore_rate:.1f} | | | | 5 | |")

result = {
    **machine(),
    "rounds": ROUNDS,
    "seconds_each": SECONDS,
    "rows": [
        {"measure": measure, "ours": ours, "peer": peer, "theirs": theirs, "ratio": ours / theirs}
        for measure, ours, peer, theirs, _, _ in rows
    ],
    "restore_microseconds": 1e6 / restore_rate,
}
write(out, result)
print(f"written to {out}")
