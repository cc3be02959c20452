"""A search as a file, to go on with: whole or absent, and nothing in it is ever unpickled."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mario_agents.atomic import open_atomically
from mario_agents.errors import AgentsError
from mario_agents.search.archive import Arrays
from mario_agents.storage.saved import SavedArrays, write_arrays

_VERSION = 2


def save(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    """Write arrays and facts that JSON can hold.

    Raises:
        OSError: it cannot be written; what had the name is as it was.
    """
    header = json.dumps({"version": _VERSION, **facts}).encode()
    with open_atomically(path) as file:
        write_arrays(file, [("header", np.frombuffer(header, np.uint8)), *arrays.items()])


def load(path: Path, **expected: Any) -> tuple[Arrays, dict[str, Any]]:
    """Read what :func:`save` wrote.

    Args:
        path: of the file.
        **expected: facts that must be as given, for a search to go on.

    Raises:
        AgentsError: the file is damaged, of another version, or of another search.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            saved = SavedArrays(archive)
            arrays = {name: saved[name] for name in saved.names("")}
        facts = json.loads(arrays.pop("header").tobytes())
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise AgentsError(f"{path} is damaged ({error}); delete it, or give another folder") from None
    check_same(path, facts, {"version": _VERSION, **expected})
    return arrays, facts


def check_same(path: Path, found: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """Check that a file is of the search that is asked for.

    Args:
        path: of the file.
        found: facts in it.
        expected: those that must be as given.

    Raises:
        AgentsError: one is another.
    """
    for name, value in expected.items():
        if found.get(name) != value:
            raise AgentsError(
                f"{path} was searched with {name} {found.get(name)!r}, not {value!r}; give another --out"
            )
