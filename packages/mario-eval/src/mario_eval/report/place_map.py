"""Where episodes ended in death and where points were scored, drawn on the map of the stage."""

from __future__ import annotations

import base64
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from mario_eval.report.media import StageMap
from mario_eval.schema import END_PREFIX
from mario_eval.statistics.places import PLACE

#: A stage is cut into rows this long, px, so that it can be read on a screen and on paper.
ROW_WIDTH = 1024

#: Width of the bars that count deaths, px; points are counted by the same places.
BIN = PLACE

#: The most deaths drawn as dots; all are counted in the bars.
DOTS = 2000

_DEATH_COLUMNS = ("dead", "terminated", "clear", END_PREFIX + "x", END_PREFIX + "y", END_PREFIX + "area")

#: Height of the strip of bars under the map, px.
BARS = 64


@dataclass(frozen=True)
class Bar:
    """Deaths in one stretch of a row.

    Attributes:
        x: left edge in the row, px.
        height: of the bar, px; the fullest stretch of the stage has :data:`BARS`.
        count: deaths.
        span: which stretch of the level, as text.
    """

    x: int
    height: float
    count: int
    span: str


@dataclass(frozen=True)
class Heat:
    """Points scored in one stretch of a row, over all episodes.

    Attributes:
        x: left edge in the row, px.
        strength: 0 to 1, the logarithm of its points as a share of that of the richest stretch: the end of a
            stage brings a hundred times what all else does.
        text: points and place.
    """

    x: int
    strength: float
    text: str


@dataclass(frozen=True)
class MapRow:
    """One stretch of an area.

    Attributes:
        left: level x of its left edge, px.
        width: px.
        height: px of the picture; 0 if there is none.
        image_left: x of the whole area's picture in the row (0 or negative), px.
        dots: where deaths happened in the row, px.
        bars: how many happened where.
        heat: points scored along the row.
    """

    left: int
    width: int
    height: int
    image_left: int
    dots: list[tuple[int, int]]
    bars: list[Bar]
    heat: list[Heat]

    @property
    def below(self) -> int:
        """Height of what is drawn under the picture, px: points, and bars if there are any."""
        return 13 + (BARS if self.bars else 0)


@dataclass(frozen=True)
class AreaMapped:
    """One area with its deaths.

    Attributes:
        area: its name.
        image: the map as a data address; empty if the area was never replayed.
        image_width: px.
        image_height: px.
        rows: stretches from left to right.
        deaths: how many in this area.
        places: the five worst stretches as text: the alternative to looking at the map.
    """

    area: str
    image: str
    image_width: int
    image_height: int
    rows: list[MapRow]
    deaths: int
    places: list[str]


def deaths_of(episodes: pa.Table) -> list[tuple[str, int, int]]:
    """Return area, x and y (px; y is 0 where unknown) of every death.

    An episode that the environment marks ``dead`` counts, or, without such a mark, one that terminated
    without ``clear``.
    """
    if END_PREFIX + "x" not in episodes.column_names:
        return []
    names = [name for name in _DEATH_COLUMNS if name in episodes.column_names]
    places = []
    for row in episodes.select(names).to_pylist():
        dead = row["dead"] if row.get("dead") is not None else row.get("terminated") and not row.get("clear")
        x = row.get(END_PREFIX + "x")
        if dead and x is not None:
            places.append(
                (str(row.get(END_PREFIX + "area") or ""), int(x), int(row.get(END_PREFIX + "y") or 0))
            )
    return places


def place_maps(
    episodes: pa.Table, maps: Sequence[StageMap], points: Mapping[tuple[str, int], int]
) -> list[AreaMapped]:
    """Put deaths and points on the maps; areas with neither deaths nor a map are left out.

    Args:
        episodes: the table of episodes.
        maps: stitched maps.
        points: all points scored at each (area, place), see
            :func:`~mario_eval.statistics.places.points_by_place`.
    """
    deaths = deaths_of(episodes)
    by_area = {stage_map.area: stage_map for stage_map in maps}
    fullest = max(Counter((area, x // BIN) for area, x, _ in deaths).values(), default=1)
    return [
        _area(area, by_area.get(area), [(x, y) for where, x, y in deaths if where == area], fullest, points)
        for area in sorted({*by_area, *(area for area, _, _ in deaths)})
    ]


def _area(
    area: str,
    stage_map: StageMap | None,
    deaths: list[tuple[int, int]],
    fullest: int,
    points: Mapping[tuple[str, int], int],
) -> AreaMapped:
    left = min([stage_map.left if stage_map else 1 << 30, *((x // BIN) * BIN for x, _ in deaths)])
    left = left // BIN * BIN  # so that no place is cut by the map's edge
    right = max([stage_map.left + stage_map.width if stage_map else 0, *(x + BIN for x, _ in deaths)])
    height = stage_map.height if stage_map else 0
    counts = Counter(x // BIN for x, _ in deaths)
    richest = max(points.values(), default=1)
    rows = []
    for start in range(left, right, ROW_WIDTH):
        width = min(ROW_WIDTH, right - start)
        bars = [
            Bar(
                place * BIN - start, BARS * count / fullest, count, f"{place * BIN} to {(place + 1) * BIN} px"
            )
            for place, count in sorted(counts.items())
            if start <= place * BIN < start + width
        ]
        dots = [
            (x - start, min(max(y, 6), max(height - 6, 6)))
            for x, y in deaths[:DOTS]
            if start <= x < start + width
        ]
        heat = [
            Heat(
                place * BIN - start,
                math.log1p(here) / math.log1p(richest),
                f"{here:,} points, {place * BIN} to {(place + 1) * BIN} px",
            )
            for (where, place), here in sorted(points.items())
            if where == area and start <= place * BIN < start + width
        ]
        looked_at = stage_map is not None and any(a < start + width and b > start for a, b in stage_map.seen)
        if not (looked_at or dots or heat):
            continue
        image_left = (stage_map.left if stage_map else 0) - start
        rows.append(MapRow(start, width, height, image_left, dots, bars, heat))
    worst = [
        f"{count} of {len(deaths)} at {place * BIN} to {(place + 1) * BIN} px"
        for place, count in counts.most_common(5)
    ]
    image = "" if stage_map is None else data_address(stage_map.path.read_bytes(), "image/png")
    size = (stage_map.width, stage_map.height) if stage_map else (0, 0)
    return AreaMapped(area, image, *size, rows, len(deaths), worst)


def data_address(content: bytes, kind: str) -> str:
    """Return a ``data:`` address, so that the page needs no other file."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
