"""Commands in processes of their own, forked from one that has imported what they import.

Importing torch, Stable-Baselines3 and scipy takes seconds, and most tests ask for less than that of a
command. What the installed script itself does is left to tests that start it.
"""

from __future__ import annotations

import multiprocessing as mp
import os
import subprocess
import sys
import tempfile
import warnings
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
#: What is not installed is left out. The first optimiser of a process imports torch._dynamo.
IMPORTS = ["tests.forked", "mario_eval.cli", "mario_eval.report", "mario_eval.statistics.summary"]
IMPORTS += ["mario_agents.cli", "mario_agents.experiment", "mario_agents.playing", "mario_agents.evaluating"]
IMPORTS += ["torch._dynamo"]


def run_forked(
    program: str,
    *arguments: object,
    check: bool = True,
    cwd: Path | None = None,
    warnings_are_errors: bool = False,
    timeout: float = 300,
) -> subprocess.CompletedProcess[str]:
    """Run an installed command as :func:`subprocess.run` would, with its output captured as text.

    Args:
        program: name of its script, such as ``mario-eval``.
        arguments: to it.
        check: it must end well, with exit status 0.
        cwd: where to run it; else here.
        warnings_are_errors: as ``python -W error`` makes them.
        timeout: seconds after which it is killed.

    Raises:
        subprocess.TimeoutExpired: it was killed.
    """
    context = mp.get_context("forkserver")
    command = [program, *map(str, arguments)]
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        told = [str(Path(folder, name)) for name in ("stdout", "stderr")]
        environment = dict(os.environ)
        # The first command starts the process that all are forked from.
        patch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)
        context.set_forkserver_preload(IMPORTS)
        becomes = _Command(command, str(cwd or Path.cwd()), environment, told, warnings_are_errors)
        process = context.Process(target=becomes.run)
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        output, errors = (Path(path).read_text() for path in told)
    assert not check or process.exitcode == 0, errors
    return subprocess.CompletedProcess(command, process.exitcode, output, errors)


@dataclass(frozen=True)
class _Command:
    command: list[str]
    folder: str
    environment: dict[str, str]
    told: list[str]
    warnings_are_errors: bool

    def run(self) -> None:
        """Become the command, in the process that was forked."""
        os.chdir(self.folder)
        os.environ.clear()
        os.environ.update(self.environment)
        for stream, path in enumerate(self.told, start=1):
            with open(path, "wb") as file:
                os.dup2(file.fileno(), stream)
        if self.warnings_are_errors:
            warnings.simplefilter("error")
        sys.argv = self.command
        (script,) = entry_points(group="console_scripts", name=self.command[0])
        script.load()()
