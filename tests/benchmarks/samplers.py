"""How fast agents train, and what samplers cost: ``nox -s benchmarks``. Prints tables and writes JSON.

    python tests/benchmarks/samplers.py OUT.json --usual PYTHON --appo PYTHON [--only training|async|…]

``--usual`` is the Python of an environment with gym-super-mario-bros 7.4.0 and Stable-Baselines3, ``--appo``
that of one with gym-super-mario-bros and Sample Factory. Each part adds its rows to OUT.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # what runs beside others has one core; set_threads says more

import torch
from mario_agents import experiment
from mario_agents.configure import configure_run
from mario_agents.sampling.actor import Actor, Clock
from results import machine, write
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

FIXED, HOLDS = "MarioScore-1-1-DiscreteFrames-v0", "MarioScore-1-1-ContinuousFrames-v0"
TILES = {"observation": {"tiles": {"count": 1}}}
HERE = Path(__file__).parent
PPO = {"n_steps": 128, "batch_size": 512, "n_epochs": 4}
LANES, ROLLOUT = 32, 32 * 128


def train(name: str, env_id: str, steps: int, **settings) -> dict[str, float]:
    """Train, and tell steps and frames per second, the start of actors included, and shares of time."""
    with tempfile.TemporaryDirectory() as place:
        config = configure_run(name, env_id, steps=steps, seed=1, env_kwargs=TILES, checkpoints=1, **settings)
        outcome = experiment.train(config, Path(place) / "run")
        manifest = json.loads((Path(place) / "run" / "manifest.json").read_text())
    sampling = manifest["calls"][-1]["sampling"]
    return {
        "steps_per_second": outcome.steps / outcome.seconds,
        "frames_per_second": outcome.frames / outcome.seconds,
        "learner_waits": sampling["learner_idle"],
        "actors_wait": statistics.mean(sampling["actor_idle"].values()),
    }


def peer(python: str, script: str, **settings) -> dict[str, float]:
    command = [python, "-W", "ignore", HERE / script, json.dumps(settings)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(answer.stdout.splitlines()[-1])


def training(python: str, net: list[int]) -> list[dict]:
    """PPO on 1-1, steps/s with updates, against the usual stack with the better number of torch threads."""
    both = [
        peer(python, "usual_training.py", lanes=LANES, threads=threads, steps=ROLLOUT, net_arch=net, ppo=PPO)[
            "steps_per_second"
        ]
        for threads in (1, 2)
    ]
    overrides = {**PPO, "policy_kwargs": {"net_arch": net, "activation_fn": "relu"}}
    ways = {
        "sync, 1 torch thread": {"threads": 1},
        "sync, 2 torch threads": {"threads": 2},
        "async, 1 actor, bounded:1": {"threads": 1, "sampler": "async", "order": "bounded:1"},
    }
    rows = []
    for way, settings in ways.items():
        ours = train("ppo", FIXED, 8 * ROLLOUT, lanes=LANES, overrides=overrides, **settings)
        rows.append(
            {
                "network": "x".join(map(str, net)),
                "ours": way,
                "steps/s": ours["steps_per_second"],
                "the usual stack": max(both),
                "ratio": ours["steps_per_second"] / max(both),
                "learner waits": ours["learner_waits"],
            }
        )
    return rows


def off_policy() -> list[dict]:
    """Async against sync in time to the same number of frames, with each algorithm's own hyper-parameters."""
    rows = []
    for name, env_id, steps in (("dqn", FIXED, 40_000), ("sac", HOLDS, 9_000)):
        ways = {"sync": {}, "async": {"sampler": "async", "order": "free"}}
        found = {way: train(name, env_id, steps, threads=1, **more) for way, more in ways.items()}
        sync, free = found["sync"], found["async"]
        rows.append(
            {
                "algorithm": name,
                "sync frames/s": sync["frames_per_second"],
                "async frames/s": free["frames_per_second"],
                "ratio": free["frames_per_second"] / sync["frames_per_second"],
                "sync: actor's share": sync["learner_waits"],
                "async: learner waits": free["learner_waits"],
                "async: actor waits": free["actors_wait"],
            }
        )
    return rows


class Watched:
    """Adds up the seconds spent in some functions."""

    def __init__(self):
        self.seconds = 0.0

    def watch(self, owner, name):
        function = getattr(owner, name)

        def timed(*arguments, **named):
            began = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self.seconds += time.perf_counter() - began

        setattr(owner, name, timed)


def actor_of(name: str, env_id: str, threads: int = 1, **settings) -> Actor:
    emulator = {"emulator": {"builtin/native": {"num_threads": threads}}}
    config = configure_run(
        name, env_id, steps=10**6, seed=1, lanes=LANES, env_kwargs={**TILES, **emulator}, **settings
    )
    return Actor(config, 0, 1)


def play(actor: Actor, steps: int) -> int:
    # Half of the exploration is over, and so is the warm-up.
    block = actor.collect(TrainFreq(steps, TrainFrequencyUnit.STEP), Clock(100_000, 10**6), lambda: True)
    return block.rewards.size


def overhead() -> list[dict]:
    """What of an actor's time is neither the environment's nor spent in choosing actions; 32 lanes."""
    torch.set_num_threads(1)
    rows = []
    for name, env_id in (("ppo", FIXED), ("ppo", HOLDS), ("dqn", FIXED), ("sac", HOLDS)):
        actor = actor_of(name, env_id)
        game, network = Watched(), Watched()
        game.watch(actor._envs.batch, "step")
        if name == "ppo":
            network.watch(actor.model.policy, "forward")
            network.watch(actor.model.policy, "predict_values")
        else:
            network.watch(actor.model, "_sample_action")
        play(actor, 32)
        shares = []
        for _ in range(5):
            game.seconds = network.seconds = 0.0
            began = time.perf_counter()
            steps = sum(play(actor, 128) for _ in range(3))
            whole = time.perf_counter() - began
            left = whole - game.seconds - network.seconds
            shares.append((left / whole, game.seconds / whole, network.seconds / whole, steps / whole))
        actor.close()
        rest, inside, acting, rate = sorted(shares)[2]
        rows.append(
            {
                "algorithm": f"{name}, {env_id.split('-')[3]}",
                "environment": inside,
                "actions": acting,
                "sampler": rest,
                "steps/s": rate,
            }
        )
    return rows


def pace() -> list[dict]:
    """Lanes at their own pace against lanes together: one actor, nothing beside it."""
    torch.set_num_threads(1)
    rows = []
    for name in ("ppo", "sac"):
        for threads in (1, 2):
            ways = {way: {"pace": way, "sampler": "async", "order": "free"} for way in ("together", "own")}
            actors = {way: actor_of(name, HOLDS, threads, **settings) for way, settings in ways.items()}
            rates = {way: [] for way in ways}
            for actor in actors.values():
                play(actor, 32)
            for _ in range(5):
                for way, actor in actors.items():
                    began = time.perf_counter()
                    steps = sum(play(actor, 32) for _ in range(4))
                    rates[way].append(steps / (time.perf_counter() - began))
            together, own = (statistics.median(rates[way]) for way in ways)
            for actor in actors.values():
                actor.close()
            rows.append(
                {
                    "algorithm": name,
                    "emulator threads": threads,
                    "together": together,
                    "own": own,
                    "ratio": own / together,
                }
            )
    for pace_ in ("together", "own"):
        whole = train(
            "ppo", HOLDS, 6 * ROLLOUT, lanes=LANES, overrides=PPO, threads=1, sampler="async",
            order="bounded:1", pace=pace_,
        )  # fmt: skip
        rows.append({"algorithm": f"ppo, training, {pace_}", pace_: whole["steps_per_second"]})
    return rows


def appo(python: str) -> list[dict]:
    """Sample Factory's APPO on the usual stack's environment, with PPO's settings above."""
    found = peer(python, "usual_appo.py", steps=2 * ROLLOUT)
    return [{"measure": "APPO, steps/s", **found}]


def show(rows: list[dict]) -> None:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    print("| " + " | ".join(columns) + " |\n" + "|---" * len(columns) + "|")
    for row in rows:
        cells = [row.get(key, "") for key in columns]
        texts = [f"{cell:,.0f}" if isinstance(cell, float) and cell >= 100 else cell for cell in cells]
        print("| " + " | ".join(f"{t:.3g}" if isinstance(t, float) else str(t) for t in texts) + " |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--usual", help="Python of the usual stack; without it that part is left out")
    parser.add_argument("--appo", help="Python of Sample Factory; without it that part is left out")
    parser.add_argument("--only", action="append", help="these parts only")
    arguments = parser.parse_args()
    parts = {"async": off_policy, "overhead": overhead, "pace": pace}
    if arguments.usual:
        parts["training"] = lambda: training(arguments.usual, [256, 256])
        parts["training, small"] = lambda: training(arguments.usual, [64, 64])
    if arguments.appo:
        parts["appo"] = lambda: appo(arguments.appo)
    result = json.loads(arguments.out.read_text(encoding="utf-8")) if arguments.out.exists() else {}
    result |= {**machine(), "torch": torch.__version__}
    for name in arguments.only or parts:
        result[name] = parts[name]()
        print(f"\n{name}")
        show(result[name])
        write(arguments.out, result)
