"""Results → Markdown tables: intervals over runs, who beats whom, curves over frames and over seconds.

The sampling unit is the run: of each run there is one number (the mean over its episodes), of an arm the
interquartile mean over its runs, with a stratified bootstrap interval of 95 % (one comparison is one task, so
there is one stratum).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from mario_eval.report.wording import between, label, measured, number, percent
from mario_eval.statistics.aggregates import iqm
from mario_eval.statistics.groups import group_improvement
from mario_eval.statistics.intervals import Estimate, bootstrap
from mario_eval.statistics.retention import retention_of_tenths
from numpy.typing import NDArray

from experiments.curves import MEASURES
from experiments.protocol import Comparison
from experiments.results import Curve, Result, Results

#: Arms that are all compared with each other; of more, tables would be as wide and hardly read.
_FEW = 6

#: Rows of a curve's table.
_POINTS = 10

#: Seconds of a row over those of the row before: arms differ so much in pace that equal steps would show one.
_PACE = 1.5

_SIZES = ("steps", "frames", "seconds")

Floats = NDArray[np.float64]
#: The finished runs of each arm.
Arms = dict[str, list[tuple[Result, Curve]]]


def tables(name: str, comparison: Comparison, results: Results, asked: Sequence[str] = ()) -> str:
    """Return the tables of one comparison, of what is finished of it.

    Args:
        name: of the comparison.
        comparison: says in which order arms are shown.
        results: at least one.
        asked: arms to show; none is all.
    """
    arms: Arms = {}
    for arm in asked or dict.fromkeys([*comparison.arms, *(arm for arm, _ in results.lines)]):
        runs = [(line, results.curves[key]) for key, line in results.lines.items() if key[0] == arm]
        if runs:
            arms[arm] = runs
    measures = [
        measure for measure in MEASURES if all(line.tells(measure) for line in results.lines.values())
    ]
    first = measures[0]
    columns = _compared_with(arms, comparison)
    ends = {arm: np.array([line.value(first) for line, _ in runs]) for arm, runs in arms.items()}
    parts = [
        f"### {name}: {comparison.about}",
        f"```console\nnox -s experiments -- {name}\n```",
        "What evaluated runs reached, interquartile means over runs and 95 % intervals:",
        _ends(arms, measures),
        f"Probability that a run of the row beats one of the column ({label(first)}), and its interval:",
        _improvements(ends, columns),
    ]
    if shared := comparison.shared_frames:
        at_shared = {measure: _reached_at(arms, measure, shared) for measure in measures}
        parts += [
            f"Training episodes after {shared:,} frames, which all have:",
            table(
                ["arm", *map(label, measures)],
                [
                    [arm, *(shown(measure, over_runs(at_shared[measure][arm])) for measure in measures)]
                    for arm in arms
                ],
            ),
            f"Probability that a run of the row beats one of the column there ({label(first)}):",
            _improvements(at_shared[first], columns),
        ]
    if kept := _retentions(arms, measures):
        parts += ["Retention, the mean of the last tenth of training over that of the best tenth:", kept]
    for unit in ("frames", "seconds"):
        for measure in measures:
            parts += [
                f"{label(measure)} of training episodes over {unit}:",
                _curves(arms, measure, unit, comparison.frames),
            ]
    return "\n\n".join(parts) + "\n"


def over_runs(values: Sequence[float] | Floats) -> Estimate:
    """Return the interquartile mean of one value per run with its interval.

    >>> over_runs([0.0, 1.0, 2.0, 3.0, 100.0]).value
    2.0
    """
    return bootstrap([np.asarray(values, np.float64)], lambda strata: iqm(strata[0]))


def _ends(arms: Arms, measures: Sequence[str]) -> str:
    rows = []
    for arm, runs in arms.items():
        lines = [line for line, _ in runs]
        sizes = [f"{np.median([getattr(line, size) for line in lines]):,.0f}" for size in _SIZES]
        reached = [shown(measure, over_runs([line.value(measure) for line in lines])) for measure in measures]
        rows.append([arm, str(len(lines)), *sizes, *reached])
    return table(["arm", "runs", *(f"{size}, median" for size in _SIZES), *map(label, measures)], rows)


def _compared_with(arms: Arms, comparison: Comparison) -> list[str]:
    """Return the arms that others are compared with: all, or of many the first of each algorithm."""
    if len(arms) <= _FEW:
        return list(arms)
    firsts: dict[str, str] = {}
    for name, arm in comparison.arms.items():
        if name in arms:
            firsts.setdefault(arm.algorithm, name)
    return list(firsts.values())


def _improvements(values: Mapping[str, Floats], columns: Sequence[str]) -> str:
    """Return a table of arms against those of the columns, of one value for each run."""
    rows = []
    for arm, ours in values.items():
        cells = []
        for other in columns:
            chance = None if other == arm else group_improvement({"": ours}, {"": values[other]})
            share = chance and f"{percent(chance.value)} ({between(chance, share=True)})"
            cells.append(share or "")
        rows.append([arm, *cells])
    return table(["", *columns], rows)


def _reached_at(arms: Arms, measure: str, frames: int) -> dict[str, Floats]:
    """Return one value for each run: that of its training episodes after so many frames."""
    points = np.array([float(frames)])
    return {
        arm: np.concatenate([_read(curve, measure, "frames", points) for _, curve in runs])
        for arm, runs in arms.items()
    }


def _retentions(arms: Arms, measures: Sequence[str]) -> str:
    """Return a table; empty where no measure allows ratios."""
    rows, told = [], False
    for arm, runs in arms.items():
        cells = []
        for measure in measures:
            shares = [retention_of_tenths(curve[measure], curve["episodes"]) for _, curve in runs]
            known = [share for share in shares if share is not None]
            told |= bool(known)
            cells.append(shown("", over_runs(known)) if known else "–")
        rows.append([arm, *cells])
    return table(["arm", *map(label, measures)], rows) if told else ""


def _curves(arms: Arms, measure: str, unit: str, frames: int | None) -> str:
    ends = [curve[unit][-1] for runs in arms.values() for _, curve in runs]
    if unit == "seconds":
        points = max(ends) * _PACE ** np.arange(1.0 - _POINTS, 1.0)
    else:
        points = np.linspace(0.0, frames or min(ends), _POINTS + 1)[1:]
    columns = []
    for runs in arms.values():
        read = np.array([_read(curve, measure, unit, points) for _, curve in runs])
        columns.append(
            ["" if np.isnan(values).any() else shown(measure, over_runs(values)) for values in read.T]
        )
    rows = [
        [number(point) if unit == "seconds" else f"{point:,.0f}", *cells]
        for point, *cells in zip(points, *columns, strict=True)
    ]
    return table([unit, *arms], rows)


def _read(curve: Curve, measure: str, unit: str, points: Floats) -> Floats:
    """Return a curve's values at points; NaN where the run had ended."""
    known = ~np.isnan(curve[measure])
    values = np.interp(points, curve[unit][known], curve[measure][known])
    values[points > curve[unit][-1]] = np.nan
    return values


def shown(measure: str, estimate: Estimate) -> str:
    """Write a value of a measure with its interval."""
    share = measure == "clear"
    return f"{measured(measure, estimate.value)} ({between(estimate, share=share)})"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
