"""Opens evaluation folders for reading, also while they grow; damaged or foreign parts are named."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mario_eval.errors import RecordingError
from mario_eval.schema import EPISODE_COLUMNS, SCHEMA_VERSION, TABLE_KEY, VERSION_KEY

#: How pyarrow says that a file is not what it should be.
_DAMAGE = (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, pa.ArrowKeyError, pa.ArrowTypeError)


class Recording:
    """One evaluation folder.

    Args:
        path: the folder.

    Attributes:
        path: the folder.
        manifest: what ``manifest.json`` says; empty if it cannot be read.
        problems: one line for each part or file that was skipped, with the reason; grows while steps are
            read.
        episodes: the table of episodes, in order of episode number.

    Raises:
        RecordingError: there is no recording, or nothing in it can be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problems: list[str] = []
        if not path.is_dir():
            raise RecordingError(f"{path} is not a folder; give the folder that `mario-eval run --out` made")
        if not (path / "episodes").is_dir():
            raise RecordingError(f"{path} holds no recording: it has no folder episodes/")
        self.manifest = self._read_manifest()
        self.episodes = self._read_episodes()

    @property
    def name(self) -> str:
        """A short name for tables and legends."""
        policy = self.manifest.get("policy")
        known = policy.get("name") if isinstance(policy, dict) else None
        # A policy that is named by its path is known by the path's end.
        return f"{self.path.name}: {Path(str(known)).name}" if known else self.path.name

    @property
    def targets(self) -> dict[str, float]:
        """What counts as full success: the return from which on the environment counts as solved, if any."""
        env = self.manifest.get("env")
        threshold = env.get("reward_threshold") if isinstance(env, dict) else None
        return {"return": float(threshold)} if isinstance(threshold, int | float) else {}

    @property
    def has_steps(self) -> bool:
        """Whether any step was recorded."""
        return any((self.path / "steps").glob("part-*.parquet"))

    def steps(self, columns: Sequence[str], *, episode: int | None = None) -> Iterator[pa.Table]:
        """Yield the steps part by part, so that any number of them fits into memory.

        Steps of one lane's episode are in order, and interleaved with those of other lanes. A part that is
        damaged is left out whole and named in :attr:`problems`.

        Args:
            columns: the columns wanted; those that a part does not have are missing from its table.
            episode: only the steps of this one.
        """
        for part in sorted((self.path / "steps").glob("part-*.parquet")):
            table = self._read_part(part, "steps", columns, episode)
            if table is not None and table.num_rows:
                yield table

    def scalars(self) -> list[dict[str, Any]]:
        """Return the training scalars that were recorded: rows with ``steps``, ``name``, ``value``."""
        parts = sorted((self.path / "scalars").glob("part-*.parquet"))
        tables = [self._read_part(part, "scalars", None, None) for part in parts]
        return [row for table in tables if table is not None for row in table.to_pylist()]

    def step_columns(self) -> set[str]:
        """Return the names of the columns of the first readable part of the steps."""
        for part in sorted((self.path / "steps").glob("part-*.parquet")):
            try:
                return set(pq.read_schema(part).names)
            except _DAMAGE:
                continue
        return set()

    def _read_manifest(self) -> dict[str, Any]:
        path = self.path / "manifest.json"
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            self._skip(path, "missing")
            return {}
        except (OSError, ValueError) as error:
            self._skip(path, f"not readable as JSON: {error}")
            return {}
        if not isinstance(document, dict):
            self._skip(path, "not a JSON object")
            return {}
        version = document.get("schema")
        if version != SCHEMA_VERSION:
            raise RecordingError(
                f"{path}: schema version {version!r}, this mario-eval reads {SCHEMA_VERSION}; "
                "use the version of mario-eval that wrote it"
            )
        return document

    def _read_episodes(self) -> pa.Table:
        parts = sorted((self.path / "episodes").glob("part-*.parquet"))
        tables = [
            table for part in parts if (table := self._read_part(part, "episodes", None, None)) is not None
        ]
        if not tables:
            why = "; ".join(self.problems) if parts else "no episode was finished"
            raise RecordingError(f"{self.path}: nothing to read: {why}")
        try:
            table = pa.concat_tables(tables, promote_options="permissive")
        except _DAMAGE as error:
            raise RecordingError(f"{self.path}: its parts do not fit together: {error}") from error
        return table.sort_by("episode")

    def _read_part(
        self, part: Path, kind: str, columns: Sequence[str] | None, episode: int | None
    ) -> pa.Table | None:
        try:
            file = pq.ParquetFile(part)
            schema, metadata = file.schema_arrow, file.schema_arrow.metadata or {}
            file.close()
            if metadata.get(TABLE_KEY) != kind.encode():
                self._skip(part, "not written by mario-eval")
                return None
            version = metadata.get(VERSION_KEY, b"?").decode(errors="replace")
            if version != str(SCHEMA_VERSION):
                self._skip(part, f"schema version {version}, this mario-eval reads {SCHEMA_VERSION}")
                return None
            if kind == "episodes" and not {"episode", "return", "steps"} <= set(schema.names):
                self._skip(part, f"lacks columns of {EPISODE_COLUMNS}")
                return None
            wanted = None if columns is None else [name for name in columns if name in schema.names]
            only = None if episode is None else pc.field("episode") == episode
            return pq.read_table(part, columns=wanted, filters=only, page_checksum_verification=True)
        except _DAMAGE as error:
            size = part.stat().st_size if part.exists() else 0
            reason = "empty" if size == 0 else f"damaged: {str(error).splitlines()[0][:120]}"
            self._skip(part, reason)
            return None

    def _skip(self, path: Path, why: str) -> None:
        line = f"{path.relative_to(self.path)} skipped: {why}"
        if line not in self.problems:
            self.problems.append(line)
