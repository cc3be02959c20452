"""Looks at a checkpoint's header alone: quick and without torch, but the rest may be damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

#: Key of the JSON document in the metadata of the safetensors file.
DOCUMENT_KEY = "mario_agents"

#: No header of ours comes near this many bytes; a foreign file may claim any length.
_LONGEST = 1 << 24


def is_checkpoint(path: Path) -> bool:
    """Tell whether a file claims to be a checkpoint of mario-agents."""
    return DOCUMENT_KEY in _metadata(path)


def read_document(path: Path) -> dict[str, Any] | None:
    """Return the JSON document of a checkpoint, or None if the file has none.

    See :class:`mario_agents.checkpoints.CheckpointInfo` for what it holds.
    """
    try:
        document = json.loads(_metadata(path)[DOCUMENT_KEY])
    except (ValueError, KeyError, TypeError):
        return None
    return document if isinstance(document, dict) else None


def _metadata(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            metadata = json.loads(file.read(min(length, _LONGEST)))["__metadata__"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return metadata if isinstance(metadata, dict) else {}
