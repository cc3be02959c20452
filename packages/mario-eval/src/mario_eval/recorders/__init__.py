"""Recorders of episodes and steps: Parquet, streaming, whole up to the last flush."""

from mario_eval.recorders.folder import RecordingFolder
from mario_eval.recorders.recorder import Recorder
from mario_eval.recorders.schema import SCHEMA_VERSION, STEP_INFOS

__all__ = ["SCHEMA_VERSION", "STEP_INFOS", "Recorder", "RecordingFolder"]
