"""One comparison on several stages → a table: what each arm reached, and how much more than the first arm.

The sampling unit is the stage: what a way of learning is worth on stages that it was not tried on is told by
how much that differs between those on which it was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from mario_eval.report.wording import label, measured
from mario_eval.statistics.intervals import Estimate, bootstrap

from experiments.curves import MEASURES
from experiments.protocol import Comparison
from experiments.report import Floats, shown, table
from experiments.results import Results


def stages_table(group: str, members: Sequence[tuple[Comparison, Results]]) -> str:
    """Return a table for each measure.

    Args:
        group: what the comparisons are called together.
        members: comparisons of one stage each, with the same arms, and at least one result of each.
    """
    stages = {comparison.stages[0]: found for comparison, found in members}
    arms = list(members[0][0].arms)
    lines = [line for found in stages.values() for line in found.lines.values()]
    parts = [f"### {group}, over {len(stages)} stages", f"```console\nnox -s experiments -- {group}\n```"]
    for measure in MEASURES:
        if all(line.tells(measure) for line in lines):
            reached = np.array([[_mean(found, arm, measure) for arm in arms] for found in stages.values()])
            parts += [
                f"{label(measure)} of evaluated runs; means over stages, of those that all arms have played,"
                " and their 95 % intervals:",
                table(["stage", *arms], _rows(list(stages), measure, reached)),
            ]
    return "\n\n".join(parts) + "\n"


def _mean(results: Results, arm: str, measure: str) -> float:
    """Return the mean over an arm's runs; NaN where there is none."""
    values = [line.value(measure) for (name, _), line in results.lines.items() if name == arm]
    return float(np.mean(values)) if values else np.nan


def _rows(stages: list[str], measure: str, reached: Floats) -> list[list[str]]:
    rows = [
        [stage, *("–" if np.isnan(value) else measured(measure, value) for value in values)]
        for stage, values in zip(stages, reached, strict=True)
    ]
    whole = reached[~np.isnan(reached).any(axis=1)]
    if len(whole):
        more = (whole - whole[:, :1])[:, 1:]
        rows += [
            ["mean", *(shown(measure, _over_stages(values)) for values in whole.T)],
            ["over the first arm", "", *(shown(measure, _over_stages(values)) for values in more.T)],
        ]
    return rows


def _over_stages(values: Floats) -> Estimate:
    return bootstrap([values], lambda strata: strata[0].mean(axis=-1))
