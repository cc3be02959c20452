from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="package")
def _importable_env() -> Iterator[None]:
    """Let this process, and those it spawns, import ``timed_env``."""
    folder = str(Path(__file__).parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        others = os.environ.get("PYTHONPATH")
        patch.setenv("PYTHONPATH", os.pathsep.join([folder, others]) if others else folder)
        yield
    sys.modules.pop("timed_env", None)
