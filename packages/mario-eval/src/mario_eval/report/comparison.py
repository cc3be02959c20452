"""Several runs side by side: intervals, performance profiles, who beats whom, learning curves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_eval.report.figures import Figure, estimates, learning_curves, profile, run_profile
from mario_eval.report.subjects import Subject
from mario_eval.report.wording import label, number, percent
from mario_eval.statistics.comparison import improvement
from mario_eval.statistics.groups import GroupStatistics, group_improvement, group_statistics
from mario_eval.statistics.places import score_events
from mario_eval.statistics.summary import numbers

#: What episodes are compared by, where every run has it; the first is what decides who beats whom.
COMPARED = ("score", "distance", "return")


@dataclass(frozen=True)
class Comparison:
    """What the page shows about several runs together.

    Attributes:
        estimates: one chart per measure with every run's interval.
        profiles: performance profiles.
        curves: learning curves of all runs that have them.
        measure: what decides who beats whom; empty if nothing is comparable.
        beats: row, column, probability and its interval, as text, for each ordered pair of runs.
        unique: for each run, how many score events no other run had, with the places of the most frequent.
        group_measure: what runs are valued by in ``groups``; empty if there are no groups.
        groups: for each algorithm its name and its statistics over runs.
        group_beats: as ``beats``, for each ordered pair of algorithms.
        group_profiles: performance profile over the runs of each algorithm.
        notes: what makes the comparison doubtful.
    """

    estimates: list[Figure]
    profiles: list[Figure]
    curves: list[Figure]
    measure: str
    beats: list[tuple[str, str, str, str]]
    unique: list[tuple[str, int, str]]
    group_measure: str
    groups: list[tuple[str, GroupStatistics]]
    group_beats: list[tuple[str, str, str, str]]
    group_profiles: list[Figure]
    notes: list[str]


def compare(subjects: Sequence[Subject]) -> Comparison:
    """Compare runs, at least two.

    Runs without a recording take part in the learning curves only.
    """
    trained = [(subject.name, subject.training) for subject in subjects if subject.training is not None]
    played = [(subject.name, subject.recording) for subject in subjects if subject.recording is not None]
    tables = [(name, recording.episodes) for name, recording in played]
    shared = [m for m in COMPARED if tables and all(numbers(table, m).size for _, table in tables)]
    values = {measure: [(name, numbers(table, measure)) for name, table in tables] for measure in shared}
    summaries = [(subject.name, subject.summary) for subject in subjects if subject.summary]

    charts = []
    if summaries and all("clear_rate" in summary for _, summary in summaries):
        charts.append(
            estimates("Clear rate", True, [(name, summary["clear_rate"]) for name, summary in summaries])
        )
    charts += [
        estimates(
            f"{label(measure)}, IQM", False, [(name, summary[measure]["iqm"]) for name, summary in summaries]
        )
        for measure in shared
    ]
    charts += [
        estimates(
            f"{label(measure)}, optimality gap to {number(next(iter(targets)))}",
            False,
            [(name, summary[measure]["optimality_gap"]) for name, summary in summaries],
        )
        for measure in shared
        if len(targets := {s[measure].get("optimality_gap", {}).get("target") for _, s in summaries}) == 1
        and None not in targets
    ]
    beats = []
    if shared:
        for (name, ours), (other, theirs) in permutations(values[shared[0]], 2):
            chance = improvement(ours, theirs)
            beats.append(
                (name, other, percent(chance.value), f"{percent(chance.low)} to {percent(chance.high)}")
            )
    group_measure, groups = _groups(subjects)
    return Comparison(
        estimates=charts,
        profiles=[profile(label(measure), measure, values[measure]) for measure in shared],
        curves=learning_curves(trained) if len(trained) > 1 else [],
        measure=shared[0] if shared else "",
        beats=beats,
        unique=_unique_events(played),
        group_measure=label(group_measure) if groups else "",
        groups=[(name, group_statistics(values)) for name, values in groups.items()],
        group_beats=_group_beats(groups),
        group_profiles=[run_profile(f"{label(group_measure)} over runs", group_measure, list(groups.items()))]
        if groups
        else [],
        notes=_doubts([(name, recording.manifest) for name, recording in played]),
    )


def _groups(subjects: Sequence[Subject]) -> tuple[str, dict[str, dict[str, NDArray[np.float64]]]]:
    """Return what runs are valued by, and by group and environment the mean of each run's episodes."""
    grouped = [(s.group, s.recording) for s in subjects if s.group and s.recording is not None]
    if not grouped:
        return "", {}
    shared = [
        m
        for m in ("clear", *COMPARED)
        if all(numbers(recording.episodes, m).size for _, recording in grouped)
    ]
    if not shared:
        return "", {}
    values: dict[str, dict[str, list[float]]] = {}
    for group, recording in grouped:
        env = recording.manifest.get("env")
        task = str(env.get("id")) if isinstance(env, dict) else ""
        values.setdefault(group, {}).setdefault(task, []).append(
            float(numbers(recording.episodes, shared[0]).mean())
        )
    return shared[0], {
        group: {task: np.array(runs) for task, runs in tasks.items()} for group, tasks in values.items()
    }


def _group_beats(groups: dict[str, dict[str, NDArray[np.float64]]]) -> list[tuple[str, str, str, str]]:
    beats = []
    for ours, theirs in permutations(groups, 2):
        chance = group_improvement(groups[ours], groups[theirs])
        if chance is not None:
            beats.append(
                (ours, theirs, percent(chance.value), f"{percent(chance.low)} to {percent(chance.high)}")
            )
    return beats


def _unique_events(played: Sequence[tuple[str, Any]]) -> list[tuple[str, int, str]]:
    counted = [(name, score_events(recording)) for name, recording in played]
    if not any(events for _, events in counted):
        return []
    lines = []
    for index, (name, events) in enumerate(counted):
        others = set().union(*(other for at, (_, other) in enumerate(counted) if at != index))
        own = Counter({event: count for event, count in events.items() if event not in others})
        places = "; ".join(f"{event.points} points at {event.span}" for event, _ in own.most_common(3))
        lines.append((name, len(own), places))
    return lines


def _doubts(manifests: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    """Name the differences that make a comparison unfair."""
    doubts = []
    for what, key in (("environments", "env"), ("random starts or sticky actions", "chance")):
        found = {repr(manifest.get(key)) for _, manifest in manifests}
        if len(found) > 1:
            told = "; ".join(f"{name}: {_short(manifest.get(key))}" for name, manifest in manifests)
            doubts.append(f"These runs were evaluated with different {what}: {told}.")
    return doubts


def _short(value: Any) -> str:
    if not isinstance(value, dict):
        return "unknown"
    return ", ".join(f"{key} {inner}" for key, inner in value.items() if inner not in ({}, True))
