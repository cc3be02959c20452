"""Recorders of episodes and steps: Parquet, streaming, whole up to the last flush."""

from mario_eval.recorders.folder import RecordingFolder
from mario_eval.recorders.recorder import Recorder
from mario_eval.recorders.session import RecordingSession
from mario_eval.recorders.wrappers import RecordEnv, RecordVectorEnv
from mario_eval.schema import SCHEMA_VERSION, STEP_INFOS

__all__ = [
    "SCHEMA_VERSION",
    "STEP_INFOS",
    "RecordEnv",
    "RecordVectorEnv",
    "Recorder",
    "RecordingFolder",
    "RecordingSession",
]
