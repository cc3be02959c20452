"""Sample Factory's APPO on the usual stack's environment; in an environment of its own. Prints JSON.

Two workers of 16 environments, rollouts of 128, batches of 512, 4 epochs, a network of 256 x 256 for policy
and value together, no normalisation of observations: PPO's settings in samplers.py as far as APPO has them.

    python tests/benchmarks/usual_appo.py '{"steps": 8192}'
"""

import json
import re
import subprocess
import sys
import tempfile

from usual_env import Usual

SETTINGS = """--env=usual --experiment=run --device=cpu --num_workers=2 --num_envs_per_worker=16 --rollout=128
--batch_size=512 --num_batches_per_epoch=8 --num_epochs=4 --use_rnn=False --encoder_mlp_layers 256 256
--nonlinearity=relu --normalize_input=False --worker_num_splits=2 --restart_behavior=overwrite
--env_frameskip=1 --serial_mode=False --async_rl=True --decorrelate_experience_max_seconds=0
--decorrelate_envs_on_one_worker=False"""


def make(name, config, env_config, render_mode=None):
    return Usual()


def run(arguments):
    from sample_factory.cfg.arguments import parse_full_cfg, parse_sf_args
    from sample_factory.envs.env_utils import register_env
    from sample_factory.train import run_rl

    register_env("usual", make)
    parser, _ = parse_sf_args(arguments)
    return run_rl(parse_full_cfg(parser, arguments))


if __name__ == "__main__":
    if sys.argv[1].startswith("--"):
        sys.exit(run(sys.argv[1:]))
    steps = json.loads(sys.argv[1])["steps"]
    with tempfile.TemporaryDirectory() as folder:
        command = [*SETTINGS.split(), f"--train_dir={folder}", f"--train_for_env_steps={steps}"]
        told = subprocess.run(
            [sys.executable, __file__, *command], capture_output=True, text=True, check=True
        )
    # Its own last line: Collected {0: 8192}, FPS: 350.1
    (collected, rate) = re.findall(r"Collected \{0: (\d+)\}, FPS: ([\d.]+)", told.stdout + told.stderr)[-1]
    print(json.dumps({"steps_per_second": float(rate), "steps": int(collected)}))
