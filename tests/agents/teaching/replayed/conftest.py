from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="package")
def _importable_env(importable: Callable[[Path], AbstractContextManager[None]]) -> Iterator[None]:
    with importable(Path(__file__).with_name("reach_env.py")):
        yield
