"""A search as a file, to go on with: whole or absent, and nothing in it is ever unpickled."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mario_agents.atomic import open_atomically
from mario_agents.errors import AgentsError
from mario_agents.search.archive import Arrays

_VERSION = 1


def save(path: Path, arrays: Arrays, facts: dict[str, Any]) -> None:
    """Write arrays and facts that JSON can hold.

    Raises:
        OSError: it cannot be written; what had the name is as it was.
    """
    header = json.dumps({"version": _VERSION, **facts}).encode()
    parts: dict[str, Any] = {"header": np.frombuffer(header, np.uint8), **arrays}
    with open_atomically(path) as file:
        np.savez(file, **parts)


def load(path: Path, **expected: Any) -> tuple[Arrays, dict[str, Any]]:
    """Read what :func:`save` wrote.

    Args:
        path: of the file.
        **expected: facts that must be as given, for a search to go on.

    Raises:
        AgentsError: the file is damaged, of another version, or of another search.
    """
    try:
        # From memory: of a damaged file NumPy would leave the descriptor open.
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        facts = json.loads(arrays.pop("header").tobytes())
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise AgentsError(f"{path} is damaged ({error}); delete it, or give another folder") from None
    for name, value in {"version": _VERSION, **expected}.items():
        if facts.get(name) != value:
            raise AgentsError(
                f"{path} was searched with {name} {facts.get(name)!r}, not {value!r}; give another --out"
            )
    return arrays, facts
