"""What mario-eval promises to someone who installs nothing else of ours."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

for sibling in ("mario_envs", "mario_agents", "torch", "stable_baselines3"):
    assert importlib.util.find_spec(sibling) is None, f"{sibling} is installed, so this proves nothing"

os.chdir(tempfile.mkdtemp())
command = [str(Path(sys.executable).with_name("mario-eval"))]
run = ["run", "random", "--env", "CartPole-v1", "--episodes", "20", "--out", "d"]
subprocess.run([*command, *run], check=True)
subprocess.run([*command, "report", "d", "-o", "r.html"], check=True)
page = Path("r.html").read_text(encoding="utf-8")
assert "CartPole-v1" in page
print(f"mario-eval alone: evaluated CartPole and wrote a report of {len(page):,} characters")
