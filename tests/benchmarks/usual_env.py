"""The usual stack's environment with Gymnasium's interface: for environments of their own, with numpy < 2.

gym-super-mario-bros 7.4.0 on nes-py, JoypadSpace, a skip of four frames. What the network sees is the picture
in gray and 42 x 35, 1,470 numbers: as many as our tiles and their vector.
"""

import cv2
import gym_super_mario_bros
import gymnasium
import numpy as np
from gym_super_mario_bros.actions import SIMPLE_MOVEMENT
from nes_py.wrappers import JoypadSpace


class Usual(gymnasium.Env):
    """The old interface in the new one's clothes; episodes end with the first life, as ours do."""

    observation_space = gymnasium.spaces.Box(0, 1, (42 * 35,), np.float32)
    action_space = gymnasium.spaces.Discrete(len(SIMPLE_MOVEMENT))

    def __init__(self):
        game = gym_super_mario_bros.make(
            "SuperMarioBros-1-1-v0", apply_api_compatibility=True, disable_env_checker=True
        )
        self.game = JoypadSpace(game.unwrapped, SIMPLE_MOVEMENT)

    def observe(self, picture):
        gray = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(gray, (42, 35), interpolation=cv2.INTER_AREA)
        return small.reshape(-1).astype(np.float32) / 255

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        picture, _ = self.game.reset()
        return self.observe(picture), {}

    def step(self, action):
        total = 0.0
        for _ in range(4):
            picture, reward, terminated, truncated, info = self.game.step(int(action))
            total += reward
            terminated = terminated or info["life"] < 2
            if terminated or truncated:
                break
        return self.observe(picture), total / 10, bool(terminated), bool(truncated), {}
