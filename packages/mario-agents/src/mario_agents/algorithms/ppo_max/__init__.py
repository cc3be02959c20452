"""PPO-max; README.md in this folder has its mathematics."""

from mario_agents.algorithms.ppo_max.ppo_max import PPOMax

__all__ = ["PPOMax"]
