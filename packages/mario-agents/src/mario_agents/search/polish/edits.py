"""Small changes to a movie's buttons, drawn at random: what polishing tries."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from mario_envs.buttons import DOWN, LEFT, PLAYED_BITS, RIGHT, UP
from numpy.typing import NDArray

from mario_agents.search.button_runs import draw_runs
from mario_agents.search.polish.hand import holds_of

Buttons = NDArray[np.uint8]

# Frames that an edge of a hold is moved by, and that are cut or put in, at most.
_MOST_MOVED = 16
# Neighbouring runs of equal buttons that are made one, at most.
_MOST_LEVELLED = 4
# The D-pad cannot press opposite directions.
_OPPOSITE = {UP: DOWN, DOWN: UP, LEFT: RIGHT, RIGHT: LEFT}


@dataclass(frozen=True)
class Edit:
    """Other buttons for a stretch of a movie.

    Attributes:
        begin: the stretch's first frame.
        end: the first frame after it.
        buttons: what comes in its place, a byte for each frame; not always as many.
    """

    begin: int
    end: int
    buttons: bytes

    @property
    def keeps_length(self) -> bool:
        """Whether what follows stays in its frames."""
        return len(self.buttons) == self.end - self.begin

    def apply(self, movie: bytes) -> bytes:
        """Return a movie with the edit.

        >>> Edit(1, 3, b"-").apply(b"abcd")
        b'a-d'
        """
        return movie[: self.begin] + self.buttons + movie[self.end :]

    def after(self, other: Edit) -> Edit | None:
        """Return the same edit of a movie that has had another meanwhile; None where they overlap.

        >>> Edit(7, 8, b"x").after(Edit(1, 3, b"-"))
        Edit(begin=6, end=7, buttons=b'x')
        """
        if self.end <= other.begin:
            return self
        if self.begin < other.end:
            return None
        shift = len(other.buttons) - (other.end - other.begin)
        return Edit(self.begin + shift, self.end + shift, self.buttons)


def difference(old: bytes, new: bytes) -> Edit:
    """Return the shortest edit that makes one movie another.

    >>> difference(b"abcd", b"abxcd")
    Edit(begin=2, end=2, buttons=b'x')
    """
    shorter = min(len(old), len(new))
    begin = 0
    while begin < shorter and old[begin] == new[begin]:
        begin += 1
    same = 0
    while same < shorter - begin and old[-1 - same] == new[-1 - same]:
        same += 1
    return Edit(begin, len(old) - same, new[begin : len(new) - same])


def draw_edit(movie: bytes, random: np.random.Generator) -> Edit:
    """Draw an edit that changes something.

    The first frame, which an environment's reset waits, is left as it is. Where no opposite directions are
    pressed, none are afterwards.

    Args:
        movie: a byte for each frame, at least 2; buttons of :data:`~mario_envs.buttons.PLAYED` only.
        random: to draw with.
    """
    first, frames = movie[:1], np.frombuffer(movie[1:], np.uint8)
    while True:
        kind = _KINDS[random.choice(len(_KINDS), p=_WEIGHTS)]
        edited = first + kind(frames.copy(), random).tobytes()
        if edited != movie:
            return difference(movie, edited)


def _set(frames: Buttons, button: int, begin: int, end: int, down: bool) -> None:
    """Press a button in a stretch, in place of the opposite direction, or do not press it there."""
    stretch = frames[max(begin, 0) : max(end, 0)]
    stretch &= ~PLAYED_BITS[button]
    if down:
        stretch |= PLAYED_BITS[button]
        if button in _OPPOSITE:
            stretch &= ~PLAYED_BITS[_OPPOSITE[button]]


def _draw_hold(frames: Buttons, random: np.random.Generator) -> tuple[int, int, int] | None:
    holds = holds_of(frames)
    if not len(holds):
        return None
    button, begin, end = holds[random.integers(len(holds))].tolist()
    return button, begin, end


def _boundaries(frames: Buttons) -> NDArray[np.intp]:
    """Return where runs of equal buttons begin, and the end of the last."""
    return np.concatenate([[0], np.flatnonzero(np.diff(frames)) + 1, [len(frames)]])


def _drop(frames: Buttons, random: np.random.Generator) -> Buttons:
    """Leave out a hold."""
    if (hold := _draw_hold(frames, random)) is not None:
        _set(frames, *hold, down=False)
    return frames


def _join(frames: Buttons, random: np.random.Generator) -> Buttons:
    """Hold a button on until it is pressed again."""
    if (hold := _draw_hold(frames, random)) is not None:
        button, _, end = hold
        again = np.flatnonzero(frames[end:] & PLAYED_BITS[button])
        if len(again):
            _set(frames, button, end, end + int(again[0]), down=True)
    return frames


def _move(frames: Buttons, random: np.random.Generator) -> Buttons:
    """Begin or end a hold earlier or later: by some frames, or when other buttons change."""
    if (hold := _draw_hold(frames, random)) is None:
        return frames
    button, begin, end = hold
    at_end = bool(random.integers(2))
    edge = end if at_end else begin
    if random.integers(2):
        to = edge + int(random.integers(1, _MOST_MOVED + 1)) * int(random.choice([-1, 1]))
    else:
        boundaries = _boundaries(frames)
        here = int(np.searchsorted(boundaries, edge))
        to = int(boundaries[np.clip(here + random.choice([-1, 1]), 0, len(boundaries) - 1)])
    _set(frames, button, min(edge, to), max(edge, to), down=(to > edge) == at_end)
    return frames


def _level(frames: Buttons, random: np.random.Generator) -> Buttons:
    """Give neighbouring runs the buttons of one of them, or of the run before or after them."""
    boundaries = _boundaries(frames)
    runs = len(boundaries) - 1
    first = int(random.integers(runs))
    last = min(first + int(random.integers(_MOST_LEVELLED)), runs - 1)
    like = int(np.clip(random.integers(first - 1, last + 2), 0, runs - 1))
    frames[boundaries[first] : boundaries[last + 1]] = frames[boundaries[like]]
    return frames


def _cut(frames: Buttons, random: np.random.Generator) -> Buttons:
    """Leave out some frames: what follows comes sooner."""
    begin = int(random.integers(len(frames)))
    rest = frames[begin + int(random.integers(1, _MOST_MOVED + 1)) :]
    return np.concatenate([frames[:begin], rest]) if begin + len(rest) else frames


def _wait(frames: Buttons, random: np.random.Generator) -> Buttons:
    """Go on with the buttons of a frame for some more: what follows comes later."""
    begin = int(random.integers(len(frames)))
    more = np.repeat(frames[begin : begin + 1], random.integers(1, _MOST_MOVED + 1))
    return np.concatenate([frames[:begin], more, frames[begin:]])


def _press(frames: Buttons, random: np.random.Generator) -> Buttons:
    """Press what a search would try, for as long."""
    run = draw_runs(1, random)
    begin = int(random.integers(len(frames)))
    frames[begin : begin + int(run.frames[0])] = run.down[0] @ PLAYED_BITS
    return frames


_KINDS: tuple[Callable[[Buttons, np.random.Generator], Buttons], ...]
_KINDS = (_drop, _join, _move, _level, _cut, _wait, _press)
_WEIGHTS = (0.15, 0.15, 0.25, 0.2, 0.1, 0.05, 0.1)
