"""Runs cells as processes of their own, some at once, and keeps what they leave."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from mario_agents.manifest import Manifest, read_manifest
from mario_eval.report.wording import label, measured

from experiments.curves import MEASURES, curve_of
from experiments.errors import ExperimentError
from experiments.protocol import VERSION, Cell
from experiments.results import Result, Results, differences

#: How a run ends that has used its budget.
_ENDS = ("steps", "frames")

#: Distributions, and the interpreter, whose versions a reader of figures may ask for.
_VERSIONS = (
    *("python", "os", "torch", "numpy", "gymnasium", "stable-baselines3", "sb3-contrib"),
    *("mario-agents", "mario-envs", "mario-eval"),
)


class _Stopped(Exception):  # noqa: N818 -- not an error: time is up, or someone asked
    """Ends a cell's thread; its run goes on another time."""


class Runner:
    """Runs cells.

    Args:
        runs: folder of the run folders.
        results: by comparison; each finished cell is added to its own.
        held: file descriptors that processes inherit.
        tell: takes one line about how it goes.
    """

    def __init__(
        self, runs: Path, results: dict[str, Results], held: Sequence[int], tell: Callable[[str], None]
    ) -> None:
        self._runs, self._results, self._held, self._tell = runs, results, held, tell
        self._processes: set[subprocess.Popen[str]] = set()
        self._stopping = False
        self._lock = threading.Lock()
        self._failed: list[str] = []

    def run(self, cells: Sequence[Cell], jobs: int, seconds: float | None) -> list[str]:
        """Run cells until all are done or the time is up.

        When it is up, or with Ctrl-C or SIGTERM, runs save a checkpoint and go on from it the next time.

        Args:
            cells: in order; none is finished.
            jobs: how many at once.
            seconds: how long; None is until all are done.

        Returns:
            Labels of cells that failed.

        Raises:
            KeyboardInterrupt: someone asked; everything has ended by then.
        """
        # SIGINT, too: a shell that starts us in the background has it ignored.
        previous = {
            number: signal.signal(number, signal.default_int_handler)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        pool = ThreadPoolExecutor(jobs)
        try:
            asked = [pool.submit(self._run, cell) for cell in cells]
            done, rest = wait(asked, timeout=seconds)
            if rest:
                self._tell("time is up: saving what runs")
            self._stop()
            pool.shutdown(cancel_futures=True)
            for one in (*done, *rest):
                if not one.cancelled():
                    one.result()
            return self._failed
        except KeyboardInterrupt:
            self._tell("saving what runs; again to leave without saving")
            self._stop()
            try:
                pool.shutdown(cancel_futures=True)
            except KeyboardInterrupt:
                self._stop()
                pool.shutdown()
            raise
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _stop(self) -> None:
        """Ask every process to save and end, which mario-agents does at SIGINT; a second one ends it."""
        with self._lock:
            self._stopping = True
            for process in self._processes:
                process.send_signal(signal.SIGINT)

    def _run(self, cell: Cell) -> None:
        try:
            self._train(cell)
            summary = self._evaluate(cell)
            result = self._collect(cell, summary)
        except _Stopped:
            return
        except ExperimentError as error:
            self._failed.append(cell.label)
            self._tell(f"{cell.label} failed: {error}")
            return
        first = next(measure for measure in MEASURES if result.tells(measure))
        self._tell(
            f"{cell.label}: {label(first)} {measured(first, result.value(first))}; "
            f"{result.frames:,} frames in {result.seconds / 60:.1f} minutes"
        )

    def _train(self, cell: Cell) -> None:
        """Bring a run to its end: go on with one that was stopped, begin anew where one was killed."""
        run = cell.folder(self._runs)
        manifest = _manifest_of(run, cell)
        if manifest is None:
            shutil.rmtree(run, ignore_errors=True)
            run.parent.mkdir(parents=True, exist_ok=True)
            cell.write_teaching(self._runs)
            self._call(cell, cell.train_command(self._runs))
        elif not _has_ended(manifest):
            self._call(cell, ["mario-agents", "resume", str(run)])

    def _evaluate(self, cell: Cell) -> dict[str, Any]:
        # A whole evaluation is a finished cell: what is there was broken off.
        shutil.rmtree(cell.folder(self._runs) / "evaluation", ignore_errors=True)
        summary: dict[str, Any] = json.loads(self._call(cell, cell.evaluate_command(self._runs)))
        return summary

    def _collect(self, cell: Cell, summary: dict[str, Any]) -> Result:
        run = cell.folder(self._runs)
        manifest = read_manifest(run)
        evaluation: dict[str, Any] = {"episodes": summary["episodes"]}
        if "clear_rate" in summary:
            evaluation["cleared"] = summary["clear_rate"]["cleared"]
        for measure in (*MEASURES, "frames", "steps"):
            if measure in summary:
                found = summary[measure]
                evaluation[measure] = {"mean": found["mean"]["value"], "iqm": found["iqm"]["value"]}
        seconds = _processor_seconds(manifest)
        result = Result(
            protocol=VERSION,
            arm=cell.arm_name,
            seed=cell.seed,
            steps=manifest.steps,
            frames=manifest.frames,
            seconds=round(seconds, 1),
            episodes=manifest.episodes,
            calls=len(manifest.calls),
            started=manifest.started,
            train=shlex.join(cell.train_command(self._runs)),
            evaluate=shlex.join(cell.evaluate_command(self._runs)),
            evaluation=evaluation,
            config=json.loads(manifest.config.model_dump_json()),
            versions={name: manifest.versions[name] for name in _VERSIONS if name in manifest.versions},
            git_commit=manifest.git_commit,
        )
        curve = curve_of(run, manifest.frames, seconds)
        with self._lock:
            self._results[cell.name].add(result, curve)
        return result

    def _call(self, cell: Cell, command: Sequence[str]) -> str:
        """Run one command to its end and return what it printed; its other output goes to ``RUN.log``."""
        program = str(Path(sys.executable).with_name(command[0]))
        run = cell.folder(self._runs)
        log = run.with_name(f"{run.name}.log")
        with log.open("a", encoding="utf-8") as errors:
            with self._lock:
                if self._stopping:
                    raise _Stopped
                self._tell(f"{cell.label}: {command[1]}")
                # In a group of its own: Ctrl-C in a terminal would reach it beside the signal that we send.
                process = subprocess.Popen(
                    [program, *command[1:]],
                    stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
                    env={**os.environ, "OMP_NUM_THREADS": "1"}, pass_fds=self._held, process_group=0,
                )  # fmt: skip
                self._processes.add(process)
            try:
                output: str = process.communicate()[0]
            finally:
                with self._lock:
                    self._processes.discard(process)
        if process.returncode == 0:
            return output
        if self._stopping:
            raise _Stopped
        last = next(reversed(log.read_text(encoding="utf-8").splitlines()), "it said nothing")
        raise ExperimentError(f"{last} (all it said is in {log})")


def _manifest_of(run: Path, cell: Cell) -> Manifest | None:
    """Return the manifest of a run that can be gone on with; None if it has to begin anew."""
    if not (run / "manifest.json").exists():
        return None
    manifest = read_manifest(run)
    was_stopped = (manifest.calls[-1].stopped_by or "").startswith("SIG")
    if not (was_stopped or _has_ended(manifest)):
        return None  # killed: the episodes after its last checkpoint are recorded, and would be so twice
    told = json.loads(manifest.config.model_dump_json())
    return None if differences(told, cell.config()) else manifest


def _processor_seconds(manifest: Manifest) -> float:
    """Return how long a run kept a processor busy: the clock tells of what runs beside it, too."""
    return sum(call.processor_seconds or 0.0 for call in manifest.calls)


def _has_ended(manifest: Manifest) -> bool:
    frames = manifest.config.frames
    used = manifest.steps >= manifest.config.steps or (frames is not None and manifest.frames >= frames)
    return used or manifest.calls[-1].stopped_by in _ENDS
