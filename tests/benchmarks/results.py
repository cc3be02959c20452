"""What every benchmark does with its figures."""

import json
import platform
from pathlib import Path
from typing import Any


def machine() -> dict[str, str]:
    """Return what the figures were measured on."""
    return {"machine": platform.processor() or platform.machine(), "python": platform.python_version()}


def write(out: Path, result: dict[str, Any]) -> None:
    """Write the result as JSON, whole or not at all."""
    partial = out.with_name(out.name + ".part")
    partial.write_text(json.dumps(result, indent=2), encoding="utf-8")
    partial.replace(out)
