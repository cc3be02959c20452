"""The charts of the page: each a plotly figure, a sentence, and the same numbers as a table.

Colours are names of the page's style sheet, such as ``@accent``; the page's script puts the colour in, so
that charts follow light, dark and print.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_eval.report.wording import label, measured, number, percent
from mario_eval.statistics.actions import Actions
from mario_eval.statistics.aggregates import performance_profile
from mario_eval.statistics.groups import group_profile
from mario_eval.statistics.intervals import wilson
from mario_eval.training import PROGRESS, Curve, Training, rolling
from mario_eval.training_holds import ButtonHolds

#: What a learning curve is drawn of, where the training files have it; the first that exist, four at most.
CURVES = ("clear", "distance", "score", "return", "steps")

_BINS = 30
_PROFILE_POINTS = 121
_TABLE_ROWS = 12
_MOST_LINES = 6


@dataclass(frozen=True)
class Figure:
    """One chart.

    Attributes:
        title: its heading.
        caption: what it shows, in a sentence with the main numbers: the alternative to looking at it.
        data: plotly traces.
        layout: plotly layout, added to the page's own.
        head: column names of the table.
        rows: the table.
        units: for each unit that the x axis can be switched to, the x values of every trace.
    """

    title: str
    caption: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    head: list[str]
    rows: list[list[str]]
    units: dict[str, list[list[float]]] = field(default_factory=dict)


def series_colour(index: int) -> str:
    """Return the colour of one of several runs; the first is the accent."""
    return f"@series{index % 6}"


def learning_curves(runs: Sequence[tuple[str, Training]]) -> list[Figure]:
    """Draw the learning curves of one run or several, one figure per measure."""
    shared = [unit for unit in PROGRESS if all(unit in training.progress for _, training in runs)]
    figures: list[Figure] = []
    for measure in CURVES:
        curves = [
            (name, curve) for name, training in runs if (curve := rolling(training, measure)) is not None
        ]
        if curves and len(figures) < 4:
            figures.append(_learning_curve(measure, curves, shared))
    return figures


def _learning_curve(measure: str, curves: list[tuple[str, Curve]], units: list[str]) -> Figure:
    data: list[dict[str, Any]] = []
    by_unit: dict[str, list[list[float]]] = {unit: [] for unit in units}
    for index, (name, curve) in enumerate(curves):
        steps = _round(curve.progress["steps"])
        data += [_band(index, 0.18, steps, curve.low, curve.high), _line(index, name, steps, curve.mean)]
        for unit in units:
            points = _round(curve.progress[unit])
            by_unit[unit] += [[*points, *points[::-1]], points]
    first = curves[0][1]
    best = int(np.argmax(first.mean))
    caption = (
        f"{label(measure)} in training, rolling mean over {first.window} episodes with its 95 % interval: "
        f"{measured(measure, first.mean[0])} at first, {measured(measure, first.mean[-1])} at the end, "
        f"at best {measured(measure, first.mean[best])} after {number(first.progress['steps'][best])} steps."
    )
    rows = []
    for name, curve in curves:
        for at in _spread(len(curve.mean)):
            interval = f"{measured(measure, curve.low[at])} to {measured(measure, curve.high[at])}"
            rows.append(
                [name, number(curve.progress["steps"][at]), measured(measure, curve.mean[at]), interval]
            )
    layout = {"xaxis": {"title": {"text": "steps"}, "rangemode": "tozero"}, "showlegend": len(curves) > 1}
    layout["yaxis"] = (
        {"tickformat": ".0%", "range": [0, 1.02]} if measure == "clear" else {"rangemode": "tozero"}
    )
    return Figure(
        label(measure), caption, data, layout, ["Run", "Steps", "Mean", "95 % interval"], rows, by_unit
    )


def histogram(title: str, unit: str, runs: Sequence[tuple[str, NDArray[np.float64]]]) -> Figure:
    """Draw how a number is distributed over the episodes of one run or several."""
    everything = np.concatenate([values for _, values in runs])
    edges = _edges(everything)
    centres, width = (edges[:-1] + edges[1:]) / 2, float(edges[1] - edges[0])
    data: list[dict[str, Any]] = []
    rows, sentences = [], []
    for index, (name, values) in enumerate(runs):
        counts, _ = np.histogram(values, edges)
        shares = counts / max(1, len(values))
        trace: dict[str, Any] = {
            "name": name,
            "x": _round(centres),
            "y": _round(shares),
            "customdata": counts.tolist(),
        }
        trace["hovertemplate"] = "%{x:,.4~g}: %{customdata} episodes (%{y:.1%})<extra></extra>"
        if len(runs) == 1:
            trace |= {"type": "bar", "width": width * 0.92, "marker": {"color": series_colour(index)}}
        else:
            trace |= {
                "type": "scatter",
                "mode": "lines",
                "line": {"color": series_colour(index), "shape": "hvh"},
            }
        data.append(trace)
        low, middle, high = np.quantile(values, (0.05, 0.5, 0.95))
        prefix = f"{name}: " if len(runs) > 1 else ""
        sentences.append(f"{prefix}half of {len(values)} episodes are at {number(middle)} or below")
        sentences.append(f"nine in ten between {number(low)} and {number(high)}")
        rows += [
            [name, f"{number(left)} to {number(right)}", str(count), percent(share)]
            for left, right, count, share in zip(edges[:-1], edges[1:], counts, shares, strict=True)
            if count
        ]
    layout = {
        "xaxis": {"title": {"text": unit}},
        "yaxis": {"tickformat": ".0%", "title": {"text": "episodes"}, "rangemode": "tozero"},
        "showlegend": len(runs) > 1,
    }
    caption = f"{title}: {', '.join(sentences)}."
    return Figure(title, caption, data, layout, ["Run", unit.capitalize(), "Episodes", "Share"], rows)


def profile(title: str, unit: str, runs: Sequence[tuple[str, NDArray[np.float64]]]) -> Figure:
    """Draw the share of episodes that got beyond each value, with its interval: the performance profile."""
    thresholds = _thresholds(np.concatenate([values for _, values in runs]))
    lines = []
    for name, values in runs:
        shares = performance_profile(values, thresholds)
        ends = np.array([wilson(round(share * values.size), values.size) for share in shares])
        lines.append((name, float(np.median(values)), shares, ends[:, 0], ends[:, 1]))
    return _profile(title, unit, "episodes", thresholds, lines)


def run_profile(title: str, unit: str, groups: Sequence[tuple[str, Mapping[str, Any]]]) -> Figure:
    """Draw the share of each algorithm's runs that got beyond each value, over all environments.

    Args:
        title: of the figure.
        unit: of the values.
        groups: name of each algorithm, and by environment one value per run.
    """
    pooled = [np.concatenate(list(tasks.values())) for _, tasks in groups]
    thresholds = _thresholds(np.concatenate(pooled))
    lines = [
        (name, float(np.median(values)), *group_profile(tasks, thresholds))
        for (name, tasks), values in zip(groups, pooled, strict=True)
    ]
    return _profile(title, unit, "runs", thresholds, lines)


def _thresholds(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.linspace(min(0.0, float(values.min())), float(values.max()), _PROFILE_POINTS)


def _profile(
    title: str,
    unit: str,
    what: str,
    thresholds: NDArray[np.float64],
    lines: Sequence[tuple[str, float, NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]],
) -> Figure:
    """Draw profiles, each a name, the median of its values, and for each threshold a share with its ends."""
    data: list[dict[str, Any]] = []
    rows, sentences = [], []
    for index, (name, median, shares, low, high) in enumerate(lines):
        line = _line(index, name, _round(thresholds), shares)
        line["line"]["shape"] = "hv"
        data += [_band(index, 0.18, _round(thresholds), low, high), line]
        prefix = f"{name}: " if len(lines) > 1 else ""
        sentences.append(f"{prefix}half of the {what} get to {number(median)} or beyond")
        for at in _spread(_PROFILE_POINTS):
            interval = f"{percent(low[at])} to {percent(high[at])}"
            rows.append([name, number(thresholds[at]), percent(shares[at]), interval])
    layout = {
        "xaxis": {"title": {"text": unit}},
        "yaxis": {"tickformat": ".0%", "range": [0, 1.02], "title": {"text": f"{what} beyond"}},
        "showlegend": len(lines) > 1,
    }
    caption = f"{title}: {'; '.join(sentences)}."
    return Figure(
        title, caption, data, layout, ["Run", unit.capitalize(), "Share beyond", "95 % interval"], rows
    )


def estimates(title: str, share: bool, runs: Sequence[tuple[str, dict[str, float]]]) -> Figure:
    """Draw one estimate per run with its interval, below each other."""
    write = percent if share else number
    data = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [estimate["value"]],
            "y": [name],
            "marker": {"color": series_colour(index), "size": 10},
            "error_x": {
                "type": "data",
                "symmetric": False,
                "array": [estimate["high"] - estimate["value"]],
                "arrayminus": [estimate["value"] - estimate["low"]],
                "color": series_colour(index),
                "thickness": 3,
                "width": 0,
            },
        }
        for index, (name, estimate) in enumerate(runs)
    ]
    rows = [
        [name, write(estimate["value"]), f"{write(estimate['low'])} to {write(estimate['high'])}"]
        for name, estimate in runs
    ]
    caption = f"{title}: {'; '.join(f'{name} {value} ({interval})' for name, value, interval in rows)}."
    layout: dict[str, Any] = {"showlegend": False, "xaxis": {"tickformat": ".0%"} if share else {}}
    layout["yaxis"] = {"autorange": "reversed", "type": "category", "showgrid": False}
    return Figure(title, caption, data, layout, ["Run", "Value", "95 % interval"], rows)


def action_curves(actions: Actions) -> Figure:
    """Draw how actions changed from the first episodes of a recording to the last, as in training."""
    ends = actions.episodes
    along = _round(ends)
    data: list[dict[str, Any]] = []
    for index, name in enumerate(actions.names[:_MOST_LINES]):
        mean, std = actions.mean[:, index], actions.std[:, index]
        if not actions.discrete:
            data.append(_band(index, 0.1, along, mean - std, mean + std))
        data.append(_line(index, name, along, mean))
    write = percent if actions.discrete else number
    rows = [
        [name, number(ends[at]), write(actions.mean[at, index]), number(actions.std[at, index])]
        for index, name in enumerate(actions.names)
        for at in range(len(ends))
    ]
    what = (
        "Share of steps with each action"
        if actions.discrete
        else "Mean of each number, and a standard deviation"
    )
    changes = ", ".join(
        f"{name} {write(actions.mean[0, index])} at first and {write(actions.mean[-1, index])} at the end"
        for index, name in enumerate(actions.names[:_MOST_LINES])
    )
    layout: dict[str, Any] = {"xaxis": {"title": {"text": "episode"}}, "showlegend": True}
    layout["yaxis"] = {"tickformat": ".0%", "rangemode": "tozero"} if actions.discrete else {}
    head = ["Action", "Up to episode", "Share" if actions.discrete else "Mean", "Standard deviation"]
    return Figure("Actions over time", f"{what}: {changes}.", data, layout, head, rows)


def hold_curves(holds: Mapping[str, ButtonHolds]) -> list[Figure]:
    """Draw mean and standard deviation of each button's holds over training, and how often it was pressed.

    Args:
        holds: button → its holds; at least one.
    """
    lengths: list[dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    for index, (name, button) in enumerate(holds.items()):
        mean, std = np.array(button.mean), np.array(button.std)
        lengths.append(_band(index, 0.1, button.steps, np.maximum(mean - std, 0.0), mean + std))
        lengths.append(_line(index, name, button.steps, mean))
        shares.append(_line(index, name, button.steps, button.share))
    head = ["Button", "Steps", "Mean hold (frames)", "Standard deviation", "Pressed in"]
    rows = []
    for name, button in holds.items():
        for at in _spread(len(button.steps)):
            held = [number(column[at]) for column in (button.steps, button.mean, button.std)]
            rows.append([name, *held, percent(button.share[at])])
    changes = ", ".join(
        f"{name} {number(button.mean[0])} at first and {number(button.mean[-1])} at the end"
        for name, button in holds.items()
    )
    pressed = ", ".join(
        f"{name} {percent(button.share[0])} at first and {percent(button.share[-1])} at the end"
        for name, button in holds.items()
    )
    layout: dict[str, Any] = {"xaxis": {"title": {"text": "steps"}}, "showlegend": True}
    return [
        Figure(
            "Holds over training",
            f"Mean length of each button's holds in frames, and a standard deviation: {changes}.",
            lengths,
            layout | {"yaxis": {"rangemode": "tozero"}},
            head,
            rows,
        ),
        Figure(
            "Presses over training",
            f"Share of steps in which each button was pressed: {pressed}.",
            shares,
            layout | {"yaxis": {"tickformat": ".0%", "rangemode": "tozero"}},
            head,
            rows,
        ),
    ]


def scalar_curves(rows: Sequence[dict[str, Any]]) -> list[Figure]:
    """Draw what the logger of a training run held, one figure per name.

    Args:
        rows: dicts with ``steps``, ``name`` and ``value``.
    """
    by_name: dict[str, list[tuple[int, float]]] = {}
    for row in rows:
        if np.isfinite(row["value"]):
            by_name.setdefault(row["name"], []).append((row["steps"], row["value"]))
    figures = []
    for name, points in sorted(by_name.items()):
        steps, values = [point[0] for point in points], [point[1] for point in points]
        line = _line(0, name, steps, values)
        caption = f"{name}: {number(values[0])} at first, {number(values[-1])} at the end."
        table = [[name, number(steps[at]), number(values[at])] for at in _spread(len(points))]
        layout: dict[str, Any] = {"xaxis": {"title": {"text": "steps"}}, "yaxis": {}, "showlegend": False}
        figures.append(Figure(name, caption, [line], layout, ["Name", "Steps", "Value"], table))
    return figures


def _line(index: int, name: str, x: Sequence[float], y: Any) -> dict[str, Any]:
    """Return the trace of one of several lines; x is taken as it is."""
    trace: dict[str, Any] = {"type": "scatter", "mode": "lines", "name": name, "x": x, "y": _round(y)}
    return trace | {"line": {"color": series_colour(index), "width": 2}}


def _band(index: int, opacity: float, x: Sequence[float], low: Any, high: Any) -> dict[str, Any]:
    """Return the trace of the band around a line, there along its upper end and back along its lower."""
    trace: dict[str, Any] = {"type": "scatter", "fill": "toself", "fillcolor": series_colour(index)}
    trace |= {"x": [*x, *x[::-1]], "y": _round([*high, *low[::-1]])}
    return trace | {"opacity": opacity, "mode": "none", "hoverinfo": "skip", "showlegend": False}


def _spread(count: int) -> list[int]:
    """Return as many places as a table shows, evenly spread over ``count``."""
    return [int(place) for place in np.unique(np.linspace(0, count - 1, _TABLE_ROWS).astype(int))]


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return bin edges; whole numbers get bins of whole width, so that none falls between two."""
    low, high = float(values.min()), float(values.max())
    if low == high:
        return np.array([low - 0.5, low + 0.5])
    if np.all(values == np.round(values)):
        width = max(1.0, np.ceil((high - low + 1) / _BINS))
        return np.arange(low - 0.5, high + width, width)
    return np.linspace(low, high, min(_BINS, max(5, int(np.sqrt(values.size) * 2))) + 1)


def _round(values: Any) -> list[float]:
    """Keep five digits: more cannot be seen and would make the page larger."""
    return [float(f"{value:.5g}") for value in np.asarray(values, np.float64)]
