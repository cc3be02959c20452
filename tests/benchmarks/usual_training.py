"""The usual stack in training: Stable-Baselines3's PPO over SubprocVecEnv; in an environment of its own.

Prints JSON.

    python tests/benchmarks/usual_training.py '{"lanes": 32, "threads": 1, "steps": 4096, "net_arch": [64],
    "ppo": {"n_steps": 128}}'
"""

import json
import sys
import time

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv
from usual_env import Usual

if __name__ == "__main__":
    settings = json.loads(sys.argv[1])
    # Forked before torch has threads: a start of each from anew would take longer than what is measured.
    lanes = SubprocVecEnv([Usual] * settings["lanes"], start_method="fork")
    torch.set_num_threads(settings["threads"])
    policy = {"net_arch": settings["net_arch"], "activation_fn": torch.nn.ReLU}
    model = PPO("MlpPolicy", lanes, policy_kwargs=policy, device="cpu", **settings["ppo"])
    began = time.perf_counter()
    model.learn(settings["steps"])
    elapsed = time.perf_counter() - began
    lanes.close()
    parameters = sum(weights.numel() for weights in model.policy.parameters())
    print(json.dumps({"steps_per_second": model.num_timesteps / elapsed, "parameters": parameters}))
