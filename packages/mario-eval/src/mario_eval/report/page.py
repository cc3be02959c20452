"""Puts a page together."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mario_eval.manifest import now
from mario_eval.recorders.schema import TERM_PREFIX
from mario_eval.report import wording
from mario_eval.report.death_map import AreaDeaths, data_address, death_maps
from mario_eval.report.figures import Figure, histogram, learning_curves
from mario_eval.report.media import Media, media_of
from mario_eval.report.subjects import Subject
from mario_eval.statistics.summary import MEASURES, numbers, summarise


@dataclass(frozen=True)
class Film:
    """A video in the page.

    Attributes:
        title: such as "Best episode".
        facts: one line about the episode.
        address: the video as a ``data:`` address.
        cut: whether only the end is shown.
    """

    title: str
    facts: str
    address: str
    cut: bool


@dataclass(frozen=True)
class Section:
    """One subject, worked out.

    Attributes:
        subject: what it is about.
        summary: statistics of its evaluation; empty if there is none.
        curves: learning curves.
        distributions: of score, distance, return.
        terms: distributions of the reward terms.
        films: videos.
        areas: deaths on the map.
        notes: what could not be shown.
        facts: name and value, for the line under the heading.
    """

    subject: Subject
    summary: dict[str, Any]
    curves: list[Figure]
    distributions: list[Figure]
    terms: list[Figure]
    films: list[Film]
    areas: list[AreaDeaths]
    notes: list[str]
    facts: list[tuple[str, str]]


def render(subjects: Sequence[Subject], *, replays: bool = True) -> str:
    """Return the page about one or several subjects.

    Args:
        subjects: at least one.
        replays: whether to replay episodes for videos and maps.
    """
    sections = [_section(subject, replays) for subject in subjects]
    title = sections[0].subject.name if len(sections) == 1 else f"{len(sections)} runs compared"
    return (
        _templates()
        .get_template("page.html.j2")
        .render(
            title=title,
            sections=sections,
            made=now(),
            version=version("mario-eval"),
            plotly=Markup(get_plotlyjs().replace("</script", "<\\/script")),
        )
    )


def _section(subject: Subject, replays: bool) -> Section:
    curves = learning_curves([(subject.name, subject.training)]) if subject.training is not None else []
    recording = subject.recording
    if recording is None:
        return Section(subject, {}, curves, [], [], [], [], list(subject.problems), _facts(subject))
    episodes = recording.episodes
    media = media_of(recording) if replays else Media([], [], [])
    distributions = [
        histogram(
            wording.label(measure), "points" if measure == "score" else measure, [(subject.name, values)]
        )
        for measure in ("score", "distance", "return")
        if (values := numbers(episodes, measure)).size
    ]
    terms = [
        histogram(name.removeprefix(TERM_PREFIX), "reward per episode", [(subject.name, values)])
        for name in episodes.column_names
        if name.startswith(TERM_PREFIX) and (values := numbers(episodes, name)).size
    ]
    return Section(
        subject,
        summarise(episodes),
        curves,
        distributions,
        terms,
        _films(media, episodes.to_pylist()),
        death_maps(episodes, media.maps),
        [*subject.problems, *media.notes],
        _facts(subject),
    )


def _films(media: Media, episodes: list[dict[str, Any]]) -> list[Film]:
    rows = {row["episode"]: row for row in episodes}
    films = []
    for video in media.videos:
        row = rows[video.episode]
        facts = [f"episode {video.episode}", f"return {wording.number(row['return'])}"]
        facts += [
            f"{name} {wording.number(row[name])}"
            for name in ("score", "distance")
            if row.get(name) is not None
        ]
        facts.append(f"{wording.number(row['steps'])} steps")
        if row.get("clear") is not None:
            facts.append("cleared" if row["clear"] else "not cleared")
        address = data_address(video.path.read_bytes(), "video/mp4")
        films.append(Film(video.title, ", ".join(facts), address, video.cut))
    return films


def _facts(subject: Subject) -> list[tuple[str, str]]:
    facts: list[tuple[str, str]] = []
    if subject.training is not None:
        run = subject.manifest
        facts += [
            (name, str(run[key]))
            for name, key in (("Algorithm", "algorithm"), ("Seed", "seed"))
            if key in run
        ]
        facts.append(("Training episodes", f"{subject.training.count:,}"))
        facts += [
            (f"Training {unit}", wording.number(points[-1]))
            for unit, points in subject.training.progress.items()
        ]
    if subject.recording is not None:
        manifest = subject.recording.manifest
        env, policy = manifest.get("env"), manifest.get("policy")
        if isinstance(env, dict):
            facts.append(("Environment", str(env.get("id"))))
        if isinstance(policy, dict):
            facts.append(
                ("Policy", f"{policy.get('name')}{', deterministic' if policy.get('deterministic') else ''}")
            )
        chance = manifest.get("chance")
        if isinstance(chance, dict) and (chance.get("sticky") or chance.get("noop_max")):
            facts.append(("Sticky actions", str(chance.get("sticky"))))
            facts.append(("No-op starts", f"up to {chance.get('noop_max')}"))
        facts.append(("Evaluation seed", str(manifest.get("seed", "unknown"))))
        facts.append(("Evaluation", str(manifest.get("end", "unknown"))))
    return facts


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("mario_eval.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "number": wording.number,
        "percent": wording.percent,
        "label": wording.label,
        "between": wording.between,
        "pretty": lambda document: json.dumps(document, indent=2, ensure_ascii=False),
    }
    environment.globals["measures"] = MEASURES
    return environment
