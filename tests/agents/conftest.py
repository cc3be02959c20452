from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import pytest
from mario_agents.quiet_import import import_sb3_quietly

from ..forked import run_forked

import_sb3_quietly()

Importable = Callable[[Path], AbstractContextManager[None]]
Cli = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = [str(Path(sys.executable).with_name("mario-agents"))]


@pytest.fixture(scope="session")
def importable() -> Importable:
    """Let this process, and those it starts, import a file of environments by its name."""

    @contextmanager
    def importing(file: Path) -> Iterator[None]:
        folder = str(file.parent)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(folder)
            patch.setenv("PYTHONPATH", folder, prepend=os.pathsep)
            yield
        sys.modules.pop(file.stem, None)

    return importing


@pytest.fixture(scope="session")
def cli() -> Cli:
    """Run the command line in a process of its own."""
    return partial(run_forked, "mario-agents")


@pytest.fixture(scope="session")
def pole_run(cli: Cli, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of PPO on CartPole; read it, or copy it before changing it."""
    run = tmp_path_factory.mktemp("runs") / "pole"
    cli("train", "ppo", "--env", "CartPole-v1", "--steps", 1024, "--seed", 5, "--out", run)
    return run
