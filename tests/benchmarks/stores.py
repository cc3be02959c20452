"""What each store costs: bytes per transition, adding, sampling; and the manual's example, measured.

    python tests/benchmarks/stores.py [OUT.json] [--segments 200]

The pictures are the game's, of a random player in 1-1, a stack of four that moves on by one; the example is
200 segments of 2,400 steps of 4 x 84 x 84, each measured as the resident memory of a process of its own.
Prints the tables of docs/storage.md.
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Segment
from mario_agents.storage.segments import SegmentStore
from mario_agents.storage.transitions import TransitionStore
from results import write

STORES = {"segments": SegmentStore, "transitions": TransitionStore}
STEPS, LANES, BATCH = 2400, 25, 256
NAIVE = 200 * 2400 * 4 * 84 * 84


def play_game(segments: int):
    """Yield segments of a random player, pictures stacked as with the usual frame skip."""
    import gymnasium
    import mario_envs  # noqa: F401 -- registers the IDs

    envs = gymnasium.make_vec(
        "MarioScore-1-1-DiscreteFrames-v0",
        num_envs=LANES,
        observation={"frames": {"count": 1, "steps": 4}},
        autoreset_mode=gymnasium.vector.AutoresetMode.SAME_STEP,
    )
    envs.action_space.seed(0)
    observations, _ = envs.reset(seed=0)
    for first in range(0, segments, LANES):
        seen = np.empty((LANES, STEPS + 1, *observations.shape[1:]), np.uint8)
        seen[:, 0] = observations
        columns = {name: np.zeros((LANES, STEPS)) for name in ("actions", "rewards", "frames")}
        ends = {name: np.zeros((LANES, STEPS), bool) for name in ("terminated", "truncated")}
        finals = [{} for _ in range(LANES)]
        for step in range(STEPS):
            actions = envs.action_space.sample()
            observations, rewards, terminated, truncated, infos = envs.step(actions)
            seen[:, step + 1] = observations
            columns["actions"][:, step], columns["rewards"][:, step] = actions, rewards
            columns["frames"][:, step] = infos.get("frames", 4)
            ends["terminated"][:, step], ends["truncated"][:, step] = terminated, truncated
            for lane in np.flatnonzero(terminated | truncated):
                finals[lane][step] = {"": infos["final_obs"][lane]}
        for lane in range(min(LANES, segments - first)):
            yield Segment.from_steps(
                lane=lane, policy_version=0, observations={"": seen[lane]}, finals=finals[lane],
                **{name: column[lane] for name, column in (columns | ends).items()},
            )  # fmt: skip


def play_noise(segments: int):
    random = np.random.default_rng(0)
    no, ones = np.zeros(STEPS, bool), np.ones(STEPS)
    for lane in range(segments):
        film = random.integers(0, 255, (STEPS + 4, 84, 84), np.uint8)
        yield Segment.from_steps(
            lane=lane, policy_version=0,
            observations={"": np.lib.stride_tricks.sliding_window_view(film, 4, 0).transpose(0, 3, 1, 2)},
            finals={}, actions=ones, rewards=ones, terminated=no, truncated=no, frames=ones,
        )  # fmt: skip


def vectors(segments: int, length: int):
    random = np.random.default_rng(0)
    no, ones = np.zeros(length, bool), np.ones(length)
    for number in range(segments):
        yield Segment.from_steps(
            lane=number % 8, policy_version=0,
            observations={"": random.random((length + 1, 208), np.float32)},
            finals={}, actions=ones, rewards=ones, terminated=no, truncated=no, frames=ones,
        )  # fmt: skip


def cost(store, segments) -> dict[str, float]:
    count, adding = 0, 0.0
    for segment in segments:
        began = time.perf_counter()
        store.add(segment)
        adding += time.perf_counter() - began
        count += len(segment)
    random, times = np.random.default_rng(0), []
    for _ in range(20):
        began = time.perf_counter()
        store.sample(BATCH, Discount(0.99), random)
        times.append(time.perf_counter() - began)
    return {
        "bytes": store.nbytes / len(store),
        "add_us": 1e6 * adding / count,
        "sample_ms": 1e3 * float(np.median(times)),
    }


def resident(field: str = "VmRSS") -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return 1024 * int(line.split()[1])
    raise SystemExit(f"{field} is not in /proc/self/status: this measure needs Linux")


def example(kind: str, played: str, segments: int) -> dict[str, float]:
    store = STORES[kind](segments * STEPS, frozenset({""}))
    result = cost(store, {"game": play_game, "noise": play_noise}[played](segments))
    assert len(store) == segments * STEPS
    # What the recording of the last segments took is given back before the store is judged.
    return {**result, "resident": resident(), "peak": resident("VmHWM")}


def measure(kind: str, played: str, segments: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--example", kind, played, "--segments", str(segments)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def figures(found: dict[str, float]) -> str:
    return f"{found['bytes']:,.0f} | {found['add_us']:.1f} | {found['sample_ms']:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("out", nargs="?", type=Path)
    parser.add_argument("--segments", type=int, default=200)
    parser.add_argument("--example", nargs=2)
    options = parser.parse_args()
    if options.example:
        print(json.dumps(example(*options.example, options.segments)))
        return
    rows = []
    print(f"| observations | store | bytes per transition | add, µs | sample {BATCH}, ms |\n|{'---|' * 5}")
    for name, length in (("208 float32, segments of 128", 128), ("208 float32, segments of 1", 1)):
        for kind, make in STORES.items():
            found = cost(make(100_000), vectors(100_000 // length, length))
            rows.append({"observations": name, "store": kind, **found})
            print(f"| {name} | {kind} | {figures(found)} |")
    naive = NAIVE * options.segments / 200
    pictures = []
    for played in ("game", "noise"):
        for kind in STORES:
            found = measure(kind, played, options.segments)
            pictures.append({"observations": played, "store": kind, "naive": naive, **found})
            print(f"| 4 × 84 × 84, {played}, segments of {STEPS:,} | {kind} | {figures(found)} |")
    print(f"\n| {options.segments} × {STEPS:,} steps of 4 × 84 × 84 | resident, GiB | of the naive |")
    print("|---|---|---|")
    print(f"| naive: each stack by itself (computed) | {naive / 2**30:.2f} | 1 |")
    for row in pictures:
        print(
            f"| {row['store']}, {row['observations']} | {row['resident'] / 2**30:.2f} | "
            f"{row['resident'] / naive:.3f} |"
        )
    if options.out is not None:
        write(options.out, {"rows": rows, "example": pictures})


main()
