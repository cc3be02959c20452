"""What mario-envs promises to someone who installs nothing else of ours."""

import importlib.util

for sibling in ("mario_agents", "mario_eval", "torch", "stable_baselines3"):
    assert importlib.util.find_spec(sibling) is None, f"{sibling} is installed, so this proves nothing"

import gymnasium  # noqa: E402

env = gymnasium.make("mario_envs:MarioScore-1-1-ContinuousFrames-v0")
observation, info = env.reset(seed=0)
assert observation.shape == (4, 84, 84), observation.shape
assert info["stage"] == "1-1", info
for _ in range(5):
    observation, reward, _, _, info = env.step([-1, -1, -1, 1, -1, 1])
assert info["distance"] > 100, info
assert abs(reward - sum(info["reward_terms"].values())) < 1e-9
env.close()
print(f"mario-envs alone: five holds of right and B went {info['distance']} px")
