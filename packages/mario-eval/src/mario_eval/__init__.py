"""Evaluate any policy on any Gymnasium environment: recordings, statistics, one-file reports."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mario_eval.errors import EvaluationError, RecordingError
    from mario_eval.policy import Policy
    from mario_eval.protocols import Chance
    from mario_eval.report import write_comparison, write_report
    from mario_eval.runner import EvaluationResult, evaluate

__all__ = [
    "Chance",
    "EvaluationError",
    "EvaluationResult",
    "Policy",
    "RecordingError",
    "evaluate",
    "write_comparison",
    "write_report",
]

_HOMES = {
    "Chance": "protocols",
    "EvaluationError": "errors",
    "EvaluationResult": "runner",
    "Policy": "policy",
    "RecordingError": "errors",
    "evaluate": "runner",
    "write_comparison": "report",
    "write_report": "report",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``--help`` need not wait for scipy and pyarrow."""
    if name not in _HOMES:
        raise AttributeError(f"module 'mario_eval' has no attribute {name!r}")
    return getattr(import_module(f"mario_eval.{_HOMES[name]}"), name)
