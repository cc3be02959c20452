"""What several actors of PPO-Q cost, stacked into one product and as networks one by one.

    python tests/benchmarks/ensemble.py [OUT.json]

Processor time on one thread, so that other programs count little; stacked and one by one are measured in
turn, and medians printed. "act": 32 lanes choose actions, each network in its own. "actors' step": all
networks take one step of the actor's loss on 512 transitions. "minibatch": one of PPO-Q's, the critics' step
included, which there is of stacked actors only. Prints the table of docs/samplers.md.
"""

import statistics
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from mario_agents import PPOQ
from mario_agents.algorithms.ppo_q import losses
from mario_agents.storage.segment import Segment
from results import machine, write
from stable_baselines3.common.logger import configure

LANES, BATCH, BUTTONS, ROUNDS, TIMES = 32, 512, 6, 9, 10
NETWORKS = {"16 numbers, 64×64": (16, [64, 64]), "1,470 numbers, 256×256": (1470, [256, 256])}


class Empty(gymnasium.Env):
    """Spaces, and nothing to play."""

    def __init__(self, inputs: int) -> None:
        self.observation_space = spaces.Box(-1, 1, (inputs,), np.float32)
        self.action_space = spaces.Box(-1, 1, (BUTTONS,), np.float32)


def make(inputs: int, net_arch: list[int], actors: int) -> PPOQ:
    kwargs = {"net_arch": net_arch, "n_actors": actors}
    model = PPOQ("MlpPolicy", Empty(inputs), data="on-policy", buffer_size=4096, policy_kwargs=kwargs, seed=1)
    model.set_logger(configure(None, []))
    return model


def act(models: list[PPOQ]):
    """All lanes, dealt out evenly to the models."""
    share = LANES // len(models)
    for model in models:
        model._last_obs = np.zeros((share, *model.observation_space.shape), np.float32)

    def once() -> None:
        for model in models:
            model._sample_action(0, None, share)

    return once


def actors_step(models: list[PPOQ]):
    """Actor, anchor, Q of what is drawn, backwards, Adam; critics are the first model's."""
    observations = torch.randn(BATCH, *models[0].observation_space.shape)
    critic = models[0].critic.requires_grad_(False)  # PPO-Q's own step has no gradient of its weights either

    def once() -> None:
        for model in models:
            policy = model.actor.gaussian(observations)
            with torch.no_grad():
                old = model.anchor.gaussian(observations)
            actions, log_probs = policy.act(torch.randn_like(policy.mean))
            value = losses.pool(critic(observations, actions), "min")
            loss = losses.actor_loss(value, log_probs.sum(dim=1), torch.tensor(0.1))
            loss = loss + losses.kl_divergence(old, policy).mean()
            model.actor.optimizer.zero_grad()
            loss.backward()
            model.actor.optimizer.step()

    return once


def minibatch(model: PPOQ):
    steps, inputs = 64, model.observation_space.shape
    draw = np.random.default_rng(0)

    def once() -> None:
        model.train(1, BATCH)

    def rollout() -> None:
        for lane in range(LANES):
            model._replay.add_segment(
                Segment.from_steps(
                    lane=lane, policy_version=0, finals={},
                    observations={"": draw.standard_normal((steps + 1, *inputs), np.float32)},
                    actions=draw.uniform(-1, 1, (steps, BUTTONS)).astype(np.float32),
                    rewards=draw.normal(size=steps), terminated=np.zeros(steps, bool),
                    truncated=np.zeros(steps, bool), frames=np.ones(steps),
                )
            )  # fmt: skip

    rollout()
    # It serves all minibatches: their cost is measured, not that of a rollout's targets.
    taken = model._take_rollout(BATCH)
    model._take_rollout = lambda _: taken
    return once


def milliseconds(run) -> float:
    began = time.process_time()
    for _ in range(TIMES):
        run()
    return (time.process_time() - began) / TIMES * 1e3


torch.set_num_threads(1)
table = []
print("| network | actors | act, stacked | one by one | actors' step, stacked | one by one | minibatch |")
print(f"|{'---|' * 7}")
for name, (inputs, net_arch) in NETWORKS.items():
    for actors in (1, 2, 4):
        stacked = make(inputs, net_arch, actors)
        alone = [make(inputs, net_arch, 1) for _ in range(actors)]
        measures = (
            act([stacked]), act(alone), actors_step([stacked]), actors_step(alone),
            minibatch(make(inputs, net_arch, actors)),
        )  # fmt: skip
        for measure in measures:
            measure()
        rounds = [[milliseconds(measure) for measure in measures] for _ in range(ROUNDS)]
        row = [statistics.median(column) for column in zip(*rounds, strict=True)]
        table.append({"network": name, "actors": actors, "milliseconds": row})
        print(f"| {name} | {actors} | " + " | ".join(f"{figure:.2f}" for figure in row) + " |", flush=True)
if len(sys.argv) > 1:
    write(Path(sys.argv[1]), {**machine(), "table": table})
