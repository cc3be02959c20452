"""An environment's whole state as bytes, to go back to and to keep: nothing in it is ever unpickled."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

_VERSION = 4

Arrays = dict[str, NDArray[Any]]


class SavedStateError(ValueError):
    """A saved state that cannot be restored; the message says why."""


def pack(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]) -> bytes:
    """Return arrays and JSON-able facts as bytes: an ``npz`` archive, whose parts have checksums."""
    buffer = io.BytesIO()
    header = json.dumps({"version": _VERSION, **facts})
    parts: dict[str, Any] = {"": np.frombuffer(header.encode(), np.uint8), **arrays}
    np.savez(buffer, **parts)
    return buffer.getvalue()


def unpack(state: bytes, **expected: Any) -> tuple[Arrays, dict[str, Any]]:
    """Return what :func:`pack` was given.

    Args:
        state: the bytes.
        **expected: facts that must be as given, for the state to fit.

    Raises:
        SavedStateError: the bytes are damaged, of another version, or do not fit.
    """
    try:
        with np.load(io.BytesIO(state), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        facts = json.loads(arrays.pop("").tobytes())
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise SavedStateError(f"the saved state is damaged: {error}") from None
    for name, value in {"version": _VERSION, **expected}.items():
        if facts.get(name) != value:
            raise SavedStateError(
                f"the saved state's {name} is {facts.get(name)}, this environment's is {value}"
            )
    return arrays, facts


def name_parts(observation: Any, name: str = "observation") -> Arrays:
    """Return an observation's arrays by name, those of a dict below its own."""
    if not isinstance(observation, dict):
        return {name: np.asarray(observation)}
    return {
        below: part
        for key, value in observation.items()
        for below, part in name_parts(value, f"{name}.{key}").items()
    }


def from_parts(space: spaces.Space[Any], parts: Arrays, name: str = "observation") -> Any:
    """Undo :func:`name_parts`."""
    if isinstance(space, spaces.Dict):
        return {key: from_parts(part, parts, f"{name}.{key}") for key, part in space.spaces.items()}
    return parts[name]
