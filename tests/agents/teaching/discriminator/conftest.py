from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(autouse=True, scope="package")
def _importable_env(importable: Callable[[Path], AbstractContextManager[None]]) -> Iterator[None]:
    with importable(Path(__file__).with_name("exits_env.py")):
        yield


@pytest.fixture(scope="package")
def exits_env(_importable_env: None) -> ModuleType:
    """The module of the environment; imported by its name, or it would be registered twice."""
    return import_module("exits_env")
