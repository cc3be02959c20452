"""The backward curriculum: starts near the end of a solution, moved back as the agent succeeds."""

from __future__ import annotations

from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mario_agents.errors import AgentsError
from mario_agents.movies.shipped import shipped_movies


class Backward(BaseModel):
    """What a backward curriculum is made of (Salimans and Chen 2018, arXiv 1812.03381).

    Where an episode starts is drawn anew each time, as there. Florensa et al. (2017, arXiv 1707.05300) move
    starts back from a goal without a solution.

    Example:
        >>> Backward(movie="1-4", levels=10).success
        0.2
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    movie: str = Field(description="path of a movie of the run's stage, or the stage of one that comes along")
    levels: int = Field(default=20, gt=0, description="starts, evenly over the movie")
    window: int | None = Field(
        default=None,
        gt=0,
        description="frames of the movie, from a level's start on, among which its episodes begin; None is "
        "up to the start of the level before",
    )
    noops: int | None = Field(
        default=None, ge=0, description="max_noops of the levels' environments; None is the run's own"
    )
    success: float = Field(
        default=0.2, gt=0, le=1, description="share of clears at which a level is over (a fifth in the paper)"
    )
    episodes: int = Field(default=100, gt=0, description="latest episodes of a level that the share is of")
    until: float | None = Field(
        default=None, gt=0, lt=1, description="share of the run's budget at which all levels are over"
    )


def starts_of(backward: Backward) -> list[dict[str, Any]]:
    """Return the environment options of each level, the one nearest to the clear first.

    Raises:
        AgentsError: the movie cannot be read, clears nothing, or is too short; or mario-envs is missing.

    Example:
        >>> [start["start"]["first"] for start in starts_of(Backward(movie="1-4", levels=4))]
        [772, 579, 386, 193]
    """
    path = shipped_movies().get(backward.movie, Path(backward.movie))
    if find_spec("mario_envs") is None:
        raise AgentsError(f'{path} needs mario-envs: pip install "mario-agents[mario]"')
    from mario_envs.movies.file import read_movie
    from mario_envs.movies.movie import MovieError

    try:
        outcome = read_movie(path).outcome
    except MovieError as error:
        raise AgentsError(str(error)) from None
    if not outcome.clear:
        raise AgentsError(f"{path} does not clear its stage: there is no end of it to begin from")
    frames, parts = outcome.frames, backward.levels + 1
    if frames < parts:
        raise AgentsError(f"{path} has {frames} frames, which is too short for {backward.levels} levels")
    ends = [frames * part // parts for part in range(parts, 0, -1)]
    noops = {} if backward.noops is None else {"max_noops": backward.noops}
    return [
        {
            "start": {
                "movie": str(path),
                "first": first,
                "last": min(end if backward.window is None else first + backward.window, frames) - 1,
            },
            **noops,
        }
        for end, first in pairwise(ends)
    ]
