"""Settings that users write in YAML files: read, and checked against what they may be."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import TypeAdapter, ValidationError

from mario_agents.errors import AgentsError

T = TypeVar("T")


def read_yaml(path: Path) -> Any:
    """Read a file; an empty one is None.

    Raises:
        AgentsError: it cannot be read, or is not YAML in UTF-8.
    """
    try:
        return yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise AgentsError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise AgentsError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8 text") from error
    except yaml.YAMLError as error:
        raise AgentsError(f"{path} is not YAML: {' '.join(str(error).split())}") from error


def checked(path: Path, document: Any, kind: TypeAdapter[T], example: str) -> T:
    """Return what a file says as what it must be.

    Args:
        path: of the file, for messages.
        document: its content.
        kind: what it must be.
        example: what to write, after "write".

    Raises:
        AgentsError: it is something else; names the first place.

    >>> checked(Path("levels.yml"), [0.5], TypeAdapter(list[float]), "a list such as [0.1, 0.9]")
    [0.5]
    """
    try:
        return kind.validate_python(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise AgentsError(f"{path}: {place}: {first['msg']}; write {example}") from None
