"""Puts a page together."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from mario_eval.manifest import now
from mario_eval.recordings import Recording
from mario_eval.report import wording
from mario_eval.report.comparison import compare
from mario_eval.report.figures import (
    CURVES,
    Figure,
    action_curves,
    histogram,
    hold_curves,
    learning_curves,
    profile,
    scalar_curves,
)
from mario_eval.report.media import Media, media_of
from mario_eval.report.place_map import AreaMapped, data_address, place_maps
from mario_eval.report.subjects import Subject
from mario_eval.schema import TERM_PREFIX
from mario_eval.statistics.actions import Actions, actions_of
from mario_eval.statistics.hand import HUMAN_CHANGES_PER_SECOND, HUMAN_HOLDS, Hand, hand_of
from mario_eval.statistics.places import ScoreEvent, found_beyond, points_by_place, score_events
from mario_eval.statistics.retention import retention
from mario_eval.statistics.summary import MEASURES, numbers

#: Score events listed on the page.
_EVENTS = 12
#: Amounts scored at one place that are listed one by one.
_AMOUNTS = 4


@dataclass(frozen=True)
class Film:
    """A video in the page.

    Attributes:
        title: such as "Best episode".
        facts: one line about the episode.
        address: the video as a ``data:`` address.
        poster: a picture of it, likewise.
        cut: whether only the end is shown.
    """

    title: str
    facts: str
    address: str
    poster: str
    cut: bool


@dataclass(frozen=True)
class Section:
    """One subject, worked out.

    Attributes:
        subject: what it is about.
        summary: statistics of its evaluation; empty if there is none.
        retained: name of each training measure and how much of its best it had at the end.
        curves: learning curves.
        distributions: of score, distance, return.
        terms: distributions of the reward terms.
        films: videos.
        areas: deaths and points on the map.
        events: the most frequent score events, or those that no baseline had: points, place, episodes' share.
        hidden: whether ``events`` were held against baselines.
        hand: how the buttons were pressed.
        actions: how often each action was taken, or what numbers.
        training: how holds changed in a training run, and actions and logged numbers in a recording of one.
        notes: what could not be shown.
        facts: name and value, for the line under the heading.
    """

    subject: Subject
    summary: dict[str, Any]
    retained: list[tuple[str, str]]
    curves: list[Figure]
    distributions: list[Figure]
    terms: list[Figure]
    films: list[Film]
    areas: list[AreaMapped]
    events: list[tuple[str, str, str]]
    hidden: bool
    hand: Hand | None
    actions: Actions | None
    training: list[Figure]
    notes: list[str]
    facts: list[tuple[str, str]]


def render(
    subjects: Sequence[Subject],
    *,
    replays: bool = True,
    alone: bool = False,
    baselines: Sequence[Recording] = (),
    refresh_seconds: float | None = None,
) -> str:
    """Return the page about one or several subjects.

    Args:
        subjects: at least one.
        replays: whether to replay episodes for videos and maps.
        alone: leave out each run's own part and show the comparison only.
        baselines: recordings whose score events count as known; what else was found is hidden reward.
        refresh_seconds: the page asks its server for a newer one this often; None for a page in a file.
    """
    known = [score_events(baseline) for baseline in baselines]
    sections = [] if alone else [_section(subject, replays, known) for subject in subjects]
    title = subjects[0].name if len(subjects) == 1 else f"{len(subjects)} runs compared"
    page: str = (
        _templates()
        .get_template("page.html.j2")
        .render(
            title=title,
            sections=sections,
            comparison=compare(subjects) if len(subjects) > 1 else None,
            compared=subjects,
            made=wording.moment(now()),
            version=version("mario-eval"),
            refresh_seconds=refresh_seconds,
            plotly=Markup(get_plotlyjs().replace("</script", "<\\/script")),
        )
    )
    return page


def render_waiting(why: str, every: float) -> str:
    """Return the page that a live report shows while there is nothing to report on.

    Args:
        why: a sentence.
        every: seconds after which the page looks again.
    """
    return _templates().get_template("waiting.html.j2").render(why=why, every=f"{every:g}")


def _section(subject: Subject, replays: bool, known: Sequence[Counter[ScoreEvent]]) -> Section:
    training, recording = subject.training, subject.recording
    curves = learning_curves([(subject.name, training)]) if training is not None else []
    retained = []
    if training is not None:
        shares = ((measure, retention(training, measure)) for measure in CURVES if measure != "steps")
        retained = [(wording.label(m), wording.percent(share)) for m, share in shares if share is not None]
    notes = list(subject.problems)
    held = hold_curves(subject.holds) if subject.holds else []
    if recording is None:
        return Section(
            subject, {}, retained, curves, [], [], [], [], [], False, None, None, held, notes, _facts(subject)
        )
    episodes = recording.episodes
    media = media_of(recording) if replays else Media([], [], [])
    events, actions = score_events(recording), actions_of(recording)
    measured = {m: values for m in ("score", "distance", "return") if (values := numbers(episodes, m)).size}
    distributions = [
        histogram(wording.label(m), "points" if m == "score" else m, [(subject.name, values)])
        for m, values in measured.items()
    ]
    if "distance" in measured:
        distributions.append(
            profile("How far episodes get", "distance", [(subject.name, measured["distance"])])
        )
    terms = [
        histogram(name.removeprefix(TERM_PREFIX), "reward per episode", [(subject.name, values)])
        for name in episodes.column_names
        if name.startswith(TERM_PREFIX) and (values := numbers(episodes, name)).size
    ]
    return Section(
        subject=subject,
        summary=subject.summary,
        retained=retained,
        curves=curves,
        distributions=distributions,
        terms=terms,
        films=_films(media, episodes),
        areas=place_maps(episodes, media.maps, points_by_place(events)),
        events=listed_events(found_beyond(events, known)),
        hidden=bool(known),
        hand=hand_of(recording),
        actions=actions,
        training=[*held, *_of_training(recording, actions)],
        # Reading the steps may have found more damage than opening the folder did.
        notes=[*dict.fromkeys([*notes, *recording.problems]), *media.notes],
        facts=_facts(subject),
    )


def _of_training(recording: Recording, actions: Actions | None) -> list[Figure]:
    """Draw what changes while a policy learns; an evaluation, which has a seed, is of one that does not."""
    if "seed" in recording.manifest:
        return []
    figures = scalar_curves(recording.scalars())
    return figures if actions is None else [action_curves(actions), *figures]


def listed_events(events: Counter[ScoreEvent]) -> list[tuple[str, str, str]]:
    """Return points, place and count of the events that brought most points.

    Of a place where many amounts were scored, such as the end of a stage, which counts the seconds left, one
    line tells the range: it would fill the table otherwise.
    """
    several = len({event.area for event in events}) > 1
    by_place: dict[tuple[str, int], list[ScoreEvent]] = {}
    for event in sorted(events):
        by_place.setdefault((event.area, event.place), []).append(event)
    lines = []
    for found in by_place.values():
        for group in [found] if len(found) > _AMOUNTS else [[event] for event in found]:
            low, high = group[0].points, group[-1].points
            amount = f"{low:,}" if low == high else f"{low:,} to {high:,}"
            span = f"area {group[0].area}, {group[0].span}" if several else group[0].span
            worth = sum(event.points * events[event] for event in group)
            lines.append((worth, amount, span, f"{sum(events[event] for event in group):,}"))
    lines.sort(key=lambda line: -line[0])
    return [(amount, span, count) for _, amount, span, count in lines[:_EVENTS]]


def _films(media: Media, episodes: pa.Table) -> list[Film]:
    films = []
    for video in media.videos:
        row: dict[str, Any] = episodes.filter(pc.field("episode") == video.episode).to_pylist()[0]
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
        poster = data_address(video.poster.read_bytes(), "image/png")
        films.append(Film(video.title, ", ".join(facts), address, poster, video.cut))
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
        if isinstance(chance, dict) and chance.get("sticky"):
            facts.append(("Sticky actions", str(chance["sticky"])))
        if isinstance(chance, dict) and chance.get("noop_max"):
            facts.append(("No-op starts", f"up to {chance['noop_max']} steps"))
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
    environment.globals |= {
        "measures": MEASURES,
        "human_holds": HUMAN_HOLDS,
        "human_changes_per_second": HUMAN_CHANGES_PER_SECOND,
    }
    return environment
