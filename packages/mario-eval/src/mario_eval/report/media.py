"""Videos and stage maps of a recording, made by replaying it; kept in its folder for the next report."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from mario_eval.environments import make_single
from mario_eval.errors import EvaluationError
from mario_eval.files import replaced_whole
from mario_eval.recordings import Recording
from mario_eval.report.replay import Moment, recorded_actions, replay, same_return
from mario_eval.report.stage_map import AreaMap, png
from mario_eval.report.video import VideoWriter
from mario_eval.statistics.hand import BUTTONS

#: The longest video, in pictures: a minute at 60 a second. Of a longer episode the end is shown, where it is
#: decided.
MAX_PICTURES = 3600

_INDEX = "media.json"


@dataclass(frozen=True)
class Video:
    """One replayed episode.

    Attributes:
        path: the MP4 file.
        title: such as "Best episode".
        episode: its number.
        cut: whether only its end is shown.

    The picture from its middle lies beside it, see :attr:`poster`.
    """

    path: Path
    title: str
    episode: int
    cut: bool

    @property
    def poster(self) -> Path:
        """The picture to show before the video plays, and on paper: a PNG file."""
        return self.path.with_suffix(".png")


@dataclass(frozen=True)
class StageMap:
    """A stitched picture of one area.

    Attributes:
        path: the PNG file.
        area: which area, as the environment's info names it.
        left: level x of its left edge, px.
        width: px.
        height: px.
        seen: level x of the left and right end of each stretch that was looked at, px.
    """

    path: Path
    area: str
    left: int
    width: int
    height: int
    seen: list[tuple[int, int]]


@dataclass(frozen=True)
class Media:
    """What replaying gave.

    Attributes:
        videos: best, median and worst episode by return, as far as they differ.
        maps: one per area that was seen.
        notes: one sentence for each thing that could not be shown, with the reason.
    """

    videos: list[Video]
    maps: list[StageMap]
    notes: list[str]


def media_of(recording: Recording) -> Media:
    """Return the recording's videos and maps, replaying what was not replayed before."""
    chosen = chosen_episodes(recording)
    kept = _read_kept(recording, chosen)
    if kept is not None:
        return kept
    notes: list[str] = []
    videos: list[Video] = []
    areas: dict[str, AreaMap] = {}
    env_entry = recording.manifest.get("env")
    if not isinstance(env_entry, dict) or not isinstance(env_entry.get("id"), str):
        return Media([], [], ["No video: the manifest does not tell the environment."])
    if not env_entry.get("replayable", True):
        return Media(
            [], [], ["No video: the environment was made with arguments that a manifest cannot hold."]
        )
    if all(row.get("seed") is None for _, row in chosen):
        return Media(
            [], [], ["No video: the seeds of the episodes were not recorded, so they cannot be replayed."]
        )
    if not recording.has_steps:
        return Media([], [], ["No video: the steps were not recorded."])
    try:
        env = make_single(env_entry["id"], env_entry.get("kwargs", {}), "rgb_array_list")
    except EvaluationError as error:
        return Media([], [], [f"No video: {error}."])
    try:
        (recording.path / "videos").mkdir(exist_ok=True)
        for title, row in chosen:
            try:
                videos.append(_film(recording, env, title, row, areas))
            except EvaluationError as error:
                notes.append(f"{title}: no video: {error}.")
            except OSError:
                raise
            except Exception as error:  # an environment may fail in any way; the rest of the page must not
                why = " ".join(str(error).split())
                notes.append(f"{title}: no video: the environment failed: {type(error).__name__}: {why}")
        maps = [_keep_map(recording.path, area, areas[area]) for area in sorted(areas)]
        media = Media(videos, maps, notes)
        _keep(recording.path, media)
    except OSError as error:
        return Media([], [], [f"No video: {recording.path} cannot be written: {error}."])
    finally:
        env.close()
    return media


def chosen_episodes(recording: Recording) -> list[tuple[str, dict[str, Any]]]:
    """Return title and row of the best, the median and the worst episode by return, as far as they differ."""
    returns = recording.episodes["return"].to_numpy()
    order = np.argsort(-returns, kind="stable")
    places = {"Best episode": 0, "Median episode": len(order) // 2, "Worst episode": len(order) - 1}
    rows: dict[int, str] = {}
    shown: set[float] = set()
    for title, place in places.items():
        index = int(order[place])
        if returns[index] not in shown:
            rows[index] = title
            shown.add(returns[index])
    return [(title, recording.episodes.slice(index, 1).to_pylist()[0]) for index, title in rows.items()]


def _film(
    recording: Recording,
    env: gymnasium.Env[Any, Any],
    title: str,
    row: Mapping[str, Any],
    areas: dict[str, AreaMap],
) -> Video:
    if row.get("seed") is None:
        raise EvaluationError("its seed was not recorded")
    actions = recorded_actions(recording, row["episode"], row["steps"])
    path = recording.path / "videos" / f"episode-{row['episode']:06d}.mp4"
    skipped = max(0, int(row["frames"]) - MAX_PICTURES)
    fps = float(env.metadata.get("render_fps") or 30)
    shown = steps = 0
    total = 0.0
    writer, poster = VideoWriter(fps), None
    middle = (skipped + int(row["frames"])) // 2
    for moment in replay(env, row["seed"], actions):
        total, steps = moment.total, steps + 1
        # After the last step a game may show something else already, such as the next stage.
        if "screen_x" in moment.info and moment.pictures and not moment.last:
            area = areas.setdefault(str(moment.info.get("area", "")), AreaMap())
            area.look(moment.pictures[-1], int(moment.info["screen_x"]))
        for index, picture in enumerate(moment.pictures):
            shown += 1
            if shown > skipped:
                drawn = writer.add(picture, _down(moment, index))
                poster = drawn if poster is None or shown <= middle else poster
    content = writer.close()
    if steps != row["steps"] or not same_return(row["return"], total):
        raise EvaluationError(
            f"its replay gave a return of {total:g} in {steps} steps, but {row['return']:g} in "
            f"{row['steps']} was recorded, so the environment is not the same or not deterministic"
        )
    if poster is None:
        raise EvaluationError("the environment rendered no picture")
    video = Video(path, title, row["episode"], skipped > 0)
    for file, kept in ((video.path, content), (video.poster, png(poster))):
        with replaced_whole(file) as temporary:
            temporary.write_bytes(kept)
    return video


def _down(moment: Moment, picture: int) -> list[bool] | None:
    """Return which buttons were down in one picture of a step, where the environment tells."""
    pressed = moment.info.get("pressed")
    if pressed is None or len(pressed) != len(BUTTONS):
        return None
    return [picture < frames for frames in pressed]


def _keep_map(folder: Path, area: str, seen: AreaMap) -> StageMap:
    (folder / "map").mkdir(exist_ok=True)
    picture = seen.stitch()
    path = folder / "map" / f"area-{''.join(c if c.isalnum() else '-' for c in area) or 'all'}.png"
    with replaced_whole(path) as temporary:
        temporary.write_bytes(png(picture))
    return StageMap(path, area, seen.left, picture.shape[1], picture.shape[0], seen.stretches())


def _keep(folder: Path, media: Media) -> None:
    """Note what was made, so that the next report need not replay."""
    document = {
        "videos": [[v.path.name, v.title, v.episode, v.cut] for v in media.videos],
        "maps": [[m.path.name, m.area, m.left, m.width, m.height, m.seen] for m in media.maps],
        "notes": media.notes,
    }
    with replaced_whole(folder / "videos" / _INDEX) as temporary:
        temporary.write_text(json.dumps(document, indent=1), encoding="utf-8")


def _read_kept(recording: Recording, chosen: list[tuple[str, dict[str, Any]]]) -> Media | None:
    """Return what an earlier report made, if it is of the same episodes and whole."""
    folder = recording.path
    try:
        document = json.loads((folder / "videos" / _INDEX).read_text(encoding="utf-8"))
        # Only the last part of a name counts, so that a foreign index cannot point outside the folder.
        videos = [
            Video(folder / "videos" / Path(n).name, t, int(e), bool(c)) for n, t, e, c in document["videos"]
        ]
        maps = [
            StageMap(
                folder / "map" / Path(n).name,
                str(area),
                int(left),
                int(width),
                int(height),
                [(int(start), int(end)) for start, end in seen],
            )
            for n, area, left, width, height, seen in document["maps"]
        ]
        notes = [str(note) for note in document["notes"]]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    expected = [(title, row["episode"]) for title, row in chosen]
    same = not notes and [(video.title, video.episode) for video in videos] == expected
    files = [*(v.path for v in videos), *(v.poster for v in videos), *(m.path for m in maps)]
    whole = all(path.is_file() for path in files)
    return Media(videos, maps, notes) if same and whole else None
