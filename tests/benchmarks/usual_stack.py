"""The stack that most tutorials run, as a peer: runs in an environment of its own with numpy < 2.

gym-super-mario-bros 7.4.0, JoypadSpace, a skip of four frames, OpenCV gray and 84 × 84, a stack of four; one
process. Prints steps per second as JSON.
"""

import collections
import json
import sys
import time

import cv2
import gym_super_mario_bros
import numpy as np
from gym_super_mario_bros.actions import SIMPLE_MOVEMENT
from nes_py.wrappers import JoypadSpace

seconds = float(sys.argv[1])
game = gym_super_mario_bros.make(
    "SuperMarioBros-1-1-v0", apply_api_compatibility=True, disable_env_checker=True
)
env = JoypadSpace(game.unwrapped, SIMPLE_MOVEMENT)
random = np.random.default_rng(0)
frames = collections.deque(maxlen=4)


def observe(picture):
    gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    frames.append(cv2.resize(gray, (84, 84), interpolation=cv2.INTER_AREA))


def reset():
    picture, _ = env.reset()
    for _ in range(4):
        observe(picture)


def step(action):
    for _ in range(4):
        picture, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            break
    observe(picture)
    if terminated or truncated:
        reset()
    return np.stack(frames)


reset()
for _ in range(20):
    step(int(random.integers(len(SIMPLE_MOVEMENT))))
done, started = 0, time.perf_counter()
while (elapsed := time.perf_counter() - started) < seconds:
    step(int(random.integers(len(SIMPLE_MOVEMENT))))
    done += 1
print(json.dumps({"steps_per_second": done / elapsed}))
