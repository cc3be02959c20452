"""A movie as a video that any browser plays."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from mario_envs.buttons import Button
from mario_envs.emulators.protocol import SCREEN_HEIGHT, SCREEN_WIDTH, Emulator
from mario_envs.game.roms import Rom
from mario_envs.movies.atomic import write_atomically
from mario_envs.movies.movie import Movie, MovieError, Outcome
from mario_envs.movies.replay import replay

# NTSC: 39375000 / 655171 frames a second (https://www.nesdev.org/wiki/Cycle_reference_chart).
_FRAMES_PER_SECOND = Fraction(39375000, 655171)
# At its own size the picture would lose its colours, which H.264 keeps at half the resolution.
_SCALE = 2


def write_video(movie: Movie, path: Path, *, rom: Rom | None = None, emulator: str | None = None) -> Outcome:
    """Play a movie and write every frame as H.264.

    Args:
        movie: which.
        path: ends with ".mp4"; the file is whole or absent.
        rom: a checked ROM; None takes the bundled one.
        emulator: an emulator's key; None takes the default.

    Returns:
        What came of the movie.

    Raises:
        MovieError: PyAV is missing, the name has another ending, or the movie is for another ROM.
        OSError: the file cannot be written.
    """
    if path.suffix.lower() != ".mp4":
        raise MovieError(f"videos are written as .mp4, not {path.suffix or 'without a suffix'}: {path}")
    try:
        import av
    except ImportError:
        raise MovieError('video files need PyAV: pip install "mario-envs[video]"') from None
    # Not into a file: libav's MP4 writer ends the process with a segmentation fault when the disk is full.
    content = io.BytesIO()
    with av.open(content, "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=_FRAMES_PER_SECOND)
        stream.height, stream.width = SCREEN_HEIGHT * _SCALE, SCREEN_WIDTH * _SCALE
        stream.pix_fmt = "yuv420p"

        def film(console: Emulator, buttons: Button) -> None:
            picture = console.screen(0).repeat(_SCALE, 0).repeat(_SCALE, 1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "rgb24")))

        outcome = replay(movie, rom=rom, emulator=emulator, watch=film)
        container.mux(stream.encode(None))
    write_atomically(path, content.getvalue())
    return outcome
