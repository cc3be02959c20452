"""Movies as decisions: which buttons, and for how long, as ContinuousFrames is told."""

from __future__ import annotations

import numpy as np

from mario_envs.actions.base import ActionError
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.actions.decisions import Decisions, decide
from mario_envs.buttons import PLAYED_BITS, Button
from mario_envs.movies.movie import POWER_ON, Movie, MovieError


def holds_of(movie: Movie, action: ContinuousFrames, name: str = "the movie") -> Decisions:
    """Return the actions that play a movie in an environment, frame for frame.

    The environment begins at the movie's stage, without no-ops. Its reset waits the movie's first frame.

    Args:
        movie: of a stage.
        action: with the options that the environment has.
        name: what messages call the movie.

    Returns:
        Decisions with the movie's own frame numbers; the first begins at frame 1.

    Raises:
        MovieError: no actions can; says which frame is in the way, and which option to change.

    Example:
        >>> from mario_envs.movies.replay import record
        >>> movie = record("1-1", bytes([0] + [Button.RIGHT] * 10 + [Button.RIGHT | Button.A] * 14))
        >>> found = holds_of(movie, ContinuousFrames(min_frames=1, frames_per_unit=120))
        >>> found.first_frames, found.frames  # and the value of right is 10 / 120, then 14 / 120
        (array([ 1, 11]), array([10, 14], dtype=int32))
    """
    check_playable(movie, name)
    pressed = np.frombuffer(movie.buttons, np.uint8)
    try:
        return decide((pressed[1:, None] & PLAYED_BITS) > 0, action, first_frame=1)
    except ActionError as error:
        raise MovieError(f"{name}: {error}") from None


def check_of_a_stage(movie: Movie, name: str) -> None:
    """Refuse a movie that begins where no environment does.

    Raises:
        MovieError: it begins at power-on.
    """
    if movie.start == POWER_ON:
        raise MovieError(f"{name} starts at power-on, and no environment does; one of a stage is needed")


def check_playable(movie: Movie, name: str = "the movie") -> None:
    """Refuse a movie that is not of an episode of any environment.

    Args:
        movie: which.
        name: what messages call it.

    Raises:
        MovieError: it begins at power-on, presses Start or Select, or presses what a reset waits.
    """
    check_of_a_stage(movie, name)
    pressed = np.frombuffer(movie.buttons, np.uint8)
    menu = np.flatnonzero(pressed & (Button.START | Button.SELECT))
    if len(menu):
        raise MovieError(f"{name} presses Start or Select in frame {menu[0]}, which no action does")
    if pressed[0]:
        raise MovieError(f"{name} presses a button in frame 0, which an environment's reset waits")
