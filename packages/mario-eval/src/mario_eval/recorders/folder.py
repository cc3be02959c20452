"""An evaluation folder that is being written: its lock, its manifest and its two tables."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from mario_eval.errors import RecordingError
from mario_eval.files import replaced_whole
from mario_eval.manifest import now
from mario_eval.recorders.parts import Column, PartWriter

#: A part is written when this many rows wait …
ROWS_PER_PART = 100_000
#: … or this many seconds have passed, or 2 % of the recording's age if that is more, so that a day of
#: recording leaves hundreds of parts and not thousands.
SECONDS_PER_PART = 10.0
SHARE_OF_AGE_PER_PART = 0.02


class RecordingFolder:
    """The writing end of an evaluation folder; use it in a ``with`` block.

    Args:
        path: the folder; made if need be.
        manifest: the document for ``manifest.json``.

    Attributes:
        path: the folder.
        manifest: change it and call :meth:`write_manifest`.
        episodes: writes ``episodes/``.
        steps: writes ``steps/``.

    Raises:
        RecordingError: another recorder is at work there, a recording is there already, or it cannot be made.
    """

    def __init__(self, path: Path, manifest: dict[str, Any]) -> None:
        self.path = path
        self.manifest = manifest
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = FileLock(path / ".recorder.lock", timeout=0)
            self._lock.acquire()
        except Timeout as error:
            raise RecordingError(
                f"{path}: another recorder is writing there; choose another folder"
            ) from error
        except OSError as error:
            raise RecordingError(f"{path}: cannot be written: {_reason(error)}") from error
        if (path / "manifest.json").exists() or any(path.glob("*/part-*.parquet")):
            self._lock.release()
            raise RecordingError(f"{path} holds a recording already; choose another folder or remove it")
        self.episodes = PartWriter(path / "episodes", "episodes")
        self.steps = PartWriter(path / "steps", "steps")
        self._scalars = PartWriter(path / "scalars", "scalars")
        self._hand_over: list[Callable[[], None]] = []
        self._began = time.monotonic()
        self._set_due()
        self._broken = False
        try:
            # A folder of episodes, even an empty one, is what tells an evaluation folder from others.
            (path / "episodes").mkdir(exist_ok=True)
            self.write_manifest()
        except OSError as error:
            self._lock.release()
            raise RecordingError(f"{path}: cannot be written: {_reason(error)}") from error
        except RecordingError:
            self._lock.release()
            raise

    def write_manifest(self) -> None:
        """Write ``manifest.json`` anew, unless the recording has stopped for want of space.

        Raises:
            RecordingError: the disk refuses it; the manifest that was there stays.
        """
        if self._broken:
            return
        try:
            with replaced_whole(self.path / "manifest.json") as temporary:
                temporary.write_text(
                    json.dumps(self.manifest, indent=2, default=str) + "\n", encoding="utf-8"
                )
        except OSError as error:
            raise RecordingError(
                f"{self.path / 'manifest.json'} cannot be written: {_reason(error)}"
            ) from error

    def before_flush(self, hand_over: Callable[[], None]) -> None:
        """Call this at the beginning of each :meth:`flush`: it hands over rows that wait elsewhere."""
        self._hand_over.append(hand_over)

    def record_scalars(self, steps: int, scalars: Mapping[str, float]) -> None:
        """Record numbers of training, such as losses.

        Args:
            steps: how far training is.
            scalars: name and value of each.
        """
        columns: dict[str, Column] = {
            "steps": (np.full(len(scalars), steps, np.int64), None),
            "name": (np.array(list(scalars), object), None),
            "value": (np.array(list(scalars.values()), np.float64), None),
        }
        self._scalars.append(len(scalars), columns)

    def flush_if_due(self) -> None:
        """Write parts if enough rows or enough time has gathered."""
        if self.steps.rows >= ROWS_PER_PART or time.monotonic() >= self._due_at:
            self.flush()

    def flush(self) -> None:
        """Write what has gathered; steps first, so that every finished episode on disk has its steps.

        Raises:
            RecordingError: the disk refuses it, such as a full one. It is told once: from then on nothing is
                written any more, as steps would be missing between two parts.
        """
        self._set_due()
        if self._broken:
            return
        try:
            for hand_over in self._hand_over:
                hand_over()
            self.steps.flush()
            self.episodes.flush()
            self._scalars.flush()
        except OSError as error:
            self.manifest |= {"ended": now(), "end": f"stopped: {_reason(error)}"}
            with suppress(RecordingError):  # perhaps there is room for this little
                self.write_manifest()
            self._broken = True
            raise RecordingError(
                f"{self.path}: recording stopped: {_reason(error)}; the {self.steps.parts} parts of steps "
                "written before are whole and can be reported on; free some space and record anew elsewhere"
            ) from error

    def _set_due(self) -> None:
        now = time.monotonic()
        self._due_at = now + max(SECONDS_PER_PART, SHARE_OF_AGE_PER_PART * (now - self._began))

    def close(self) -> None:
        """Flush and let go of the folder."""
        try:
            self.flush()
        finally:
            self._lock.release()

    def __enter__(self) -> RecordingFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(error: OSError) -> str:
    """Return what the system says; pyarrow wraps that in words of its own."""
    return os.strerror(error.errno) if error.errno else str(error)
