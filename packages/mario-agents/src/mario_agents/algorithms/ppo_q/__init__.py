"""PPO-Q; README.md in this folder has its mathematics."""

from mario_agents.algorithms.ppo_q.ppo_q import PPOQ

__all__ = ["PPOQ"]
