"""What mario-agents promises to someone who installs nothing else of ours."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

for sibling in ("mario_envs", "mario_eval"):
    assert importlib.util.find_spec(sibling) is None, f"{sibling} is installed, so this proves nothing"

os.chdir(tempfile.mkdtemp())
command = [str(Path(sys.executable).with_name("mario-agents"))]
train = ["train", "ppo", "--env", "CartPole-v1", "--steps", "2048", "--out", "pole", "--seed", "0"]
subprocess.run([*command, *train], check=True)
assert list(Path("pole/checkpoints").glob("*.safetensors")), "no checkpoint was written"

evaluate = subprocess.run([*command, "evaluate", "pole", "--episodes", "1"], capture_output=True, text=True)
assert evaluate.returncode != 0, "evaluate cannot work without mario-eval"
assert "mario-agents[mario]" in evaluate.stderr, evaluate.stderr
assert "Traceback" not in evaluate.stderr, evaluate.stderr
search = subprocess.run([*command, "search", "1-1", "--out", "found"], capture_output=True, text=True)
assert search.returncode == 1, "search cannot work without mario-envs"
assert search.stderr.count("\n") == 1, search.stderr
assert "mario-agents[mario]" in search.stderr, search.stderr
print("mario-agents alone: trained on CartPole, and said what evaluate and search need")
