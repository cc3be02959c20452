"""Evaluate any policy on any Gymnasium environment: recordings, statistics, one-file reports."""

from mario_eval.errors import EvaluationError, RecordingError
from mario_eval.policy import Policy
from mario_eval.protocols import Chance
from mario_eval.report import write_report
from mario_eval.runner import EvaluationResult, evaluate

__all__ = [
    "Chance",
    "EvaluationError",
    "EvaluationResult",
    "Policy",
    "RecordingError",
    "evaluate",
    "write_report",
]
