"""Writes H.264 videos that any browser plays, with the buttons that were down drawn under the picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from mario_eval.statistics.hand import BUTTONS

#: 5 × 7 dots, one string per row.
_GLYPHS = {
    "up": ("  #  ", " ### ", "# # #", "  #  ", "  #  ", "  #  ", "  #  "),
    "down": ("  #  ", "  #  ", "  #  ", "  #  ", "# # #", " ### ", "  #  "),
    "left": ("     ", "  #  ", " #   ", "#####", " #   ", "  #  ", "     "),
    "right": ("     ", "  #  ", "   # ", "#####", "   # ", "  #  ", "     "),
    "A": (" ### ", "#   #", "#   #", "#####", "#   #", "#   #", "#   #"),
    "B": ("#### ", "#   #", "#   #", "#### ", "#   #", "#   #", "#### "),
}
_UP_COLOUR, _DOWN_COLOUR, _INK, _BACK = (58, 58, 60), (214, 92, 61), (240, 238, 232), (24, 24, 26)

#: Shortest side below which pictures are doubled, so that 240 lines do not become a blur.
_SMALL = 400


class VideoWriter:
    """Encodes pictures one by one into memory; call :meth:`close` at the end for the file's content.

    Not into a file: libav's MP4 writer ends the process with a segmentation fault when the disk is full.

    Args:
        fps: pictures per second.
    """

    def __init__(self, fps: float) -> None:
        self._content = io.BytesIO()
        self._fps = Fraction(fps).limit_denominator(1001)
        self._container: Any = None
        self._stream: Any = None

    def add(self, picture: NDArray[np.uint8], down: Sequence[bool] | None = None) -> NDArray[np.uint8]:
        """Append one RGB picture, uint8 ``[height, width, 3]``, and return it with the buttons below.

        Args:
            picture: all pictures of a video have the same size.
            down: which of :data:`BUTTONS` are down, drawn as a strip below; given for all pictures of a video
                or for none.
        """
        canvas = picture
        if down is not None:
            canvas = np.concatenate([canvas, button_strip(canvas.shape[1], BUTTONS, down)])
        # H.264 with 4:2:0 colour needs even sides, and small pictures would lose their colours in it.
        scale = 2 if min(picture.shape[:2]) < _SMALL else 1
        height, width = (side * scale // 2 * 2 for side in canvas.shape[:2])
        if self._container is None:
            self._container = av.open(self._content, "w", format="mp4")
            self._stream = self._container.add_stream("libx264", rate=self._fps)
            self._stream.height, self._stream.width = height, width
            self._stream.pix_fmt = "yuv420p"
            self._stream.options = {"crf": "26", "preset": "veryfast"}
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(canvas), format="rgb24")
        scaled = frame.reformat(width=width, height=height, format="yuv420p", interpolation="POINT")
        self._container.mux(self._stream.encode(scaled))
        return canvas

    def close(self) -> bytes:
        """Finish and return the MP4 file's content, empty if no picture was added."""
        if self._container is not None:
            self._container.mux(self._stream.encode(None))
            self._container.close()
        return self._content.getvalue()


def button_strip(width: int, labels: Sequence[str], down: Sequence[bool]) -> NDArray[np.uint8]:
    """Draw one box per button, lit while it is down.

    Returns:
        RGB uint8 ``[height, width, 3]``; the height depends on ``width`` and the number of buttons.
    """
    cell = width // len(labels)
    dot = max(1, min(cell // 12, 4))
    height = dot * 12
    strip = np.empty((height, width, 3), np.uint8)
    strip[:] = _BACK
    for index, label in enumerate(labels):
        left, right = index * cell + dot, (index + 1) * cell - dot
        lit = index < len(down) and bool(down[index])
        strip[dot : height - dot, left:right] = _DOWN_COLOUR if lit else _UP_COLOUR
        glyph = np.array([[char == "#" for char in row] for row in _GLYPHS.get(label, _GLYPHS["A"])])
        glyph = glyph.repeat(dot, axis=0).repeat(dot, axis=1)
        top, start = (height - glyph.shape[0]) // 2, (left + right - glyph.shape[1]) // 2
        strip[top : top + glyph.shape[0], start : start + glyph.shape[1]][glyph] = _INK
    return strip
