"""A map of a scrolling stage, stitched from the pictures of replays."""

from __future__ import annotations

import io
from itertools import pairwise

import av
import numpy as np
from numpy.typing import NDArray

#: Looks at a level are kept by the place of the picture's left edge, in steps of this many px …
_STRIDE = 24
#: … so many for each place, at least this many pictures apart, so that whoever walks there has moved on. The
#: median of all looks at a point has no status line, player or enemy in it.
_PER_PLACE, _APART = 3, 30
#: The most looks that one point's median is taken of.
_LOOKS = 21
#: What keeps its place on the screen in this share of looks, taken from this many places at least, is no part
#: of the level: the status line.
_FIXED, _PLACES = 0.8, 8


class AreaMap:
    """Pictures of one area of a level, gathered by where their left edge was.

    >>> area = AreaMap()
    >>> area.look(np.zeros((2, 4, 3), np.uint8), screen_x=10)
    >>> area.left, area.stitch().shape
    (10, (2, 4, 3))
    """

    def __init__(self) -> None:
        self._looks: dict[int, list[tuple[int, NDArray[np.uint8]]]] = {}
        self._looked_at: dict[int, int] = {}
        self._count = 0

    def look(self, picture: NDArray[np.uint8], screen_x: int) -> None:
        """Offer an RGB picture, uint8 ``[height, width, 3]``, with its left edge at ``screen_x`` px."""
        place = screen_x // _STRIDE
        self._count += 1
        kept = self._looks.setdefault(place, [])
        if len(kept) < _PER_PLACE and (not kept or self._count - self._looked_at[place] >= _APART):
            kept.append((screen_x, picture.copy()))
            self._looked_at[place] = self._count

    @property
    def left(self) -> int:
        """Level x of the map's left edge, px."""
        return min(x for kept in self._looks.values() for x, _ in kept)

    def stretches(self) -> list[tuple[int, int]]:
        """Return level x of both ends of each stretch that was looked at, px, from left to right.

        >>> area = AreaMap()
        >>> for x in (0, 2, 500):
        ...     area.look(np.zeros((2, 4, 3), np.uint8), screen_x=x)
        >>> area.stretches()
        [(0, 4), (500, 504)]
        """
        joined: list[tuple[int, int]] = []
        for place in sorted(self._looks):
            for x, picture in self._looks[place]:
                end = x + picture.shape[1]
                if joined and x <= joined[-1][1]:
                    joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
                else:
                    joined.append((x, end))
        return joined

    def stitch(self) -> NDArray[np.uint8]:
        """Return the map, RGB uint8 ``[height, map width, 3]``; places never seen are gray."""
        looks = [look for place in sorted(self._looks) for look in self._looks[place]]
        if len(self._looks) >= _PLACES:
            looks = _without_status_line(looks)
        height, width = looks[0][1].shape[:2]
        left = self.left
        map_width = max(x for x, _ in looks) + width - left
        stitched = np.full((height, map_width, 3), 128, np.uint8)
        # Between two neighbouring left or right edges, the same looks cover every column.
        edges = sorted({edge for x, _ in looks for edge in (x - left, x - left + width)})
        for start, end in pairwise(edges):
            covering = [
                picture[:, start - x + left : end - x + left]
                for x, picture in looks
                if x - left <= start and end <= x - left + width
            ]
            if covering:
                chosen = covering[:: -(-len(covering) // _LOOKS)]
                # The lower of two middle looks, so that colours are never mixed into new ones.
                middle = (len(chosen) - 1) // 2
                stitched[:, start:end] = np.partition(np.stack(chosen), middle, axis=0)[middle]
        return stitched


def _without_status_line(looks: list[tuple[int, NDArray[np.uint8]]]) -> list[tuple[int, NDArray[np.uint8]]]:
    """Put each row's own colour where something is written over the level at a fixed place of the screen."""
    some = np.stack([picture for _, picture in looks[:: -(-len(looks) // 40)]])
    middle = np.partition(some, len(some) // 2, axis=0)[len(some) // 2]
    fixed = (some == middle).all(axis=-1).mean(axis=0) >= _FIXED
    packed = some.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    colours = np.empty((len(middle), 1, 3), np.uint8)
    for row in range(len(middle)):
        kinds, times = np.unique(packed[:, row], return_counts=True)
        most = int(kinds[times.argmax()])
        colours[row] = most >> 16, most >> 8 & 255, most & 255
    written = fixed & (middle != colours).any(axis=-1)
    return [(x, np.where(written[..., None], colours, picture)) for x, picture in looks]


def png(picture: NDArray[np.uint8]) -> bytes:
    """Encode an RGB picture, uint8 ``[height, width, 3]``, as PNG."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="image2pipe") as container:
        stream = container.add_stream("png", rate=1)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "rgb24"
        container.mux(
            stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
        )
        container.mux(stream.encode(None))
    return buffer.getvalue()
