"""What demonstrators were seen to bring about: observations in a row, and no actions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_agents.errors import AgentsError
from mario_agents.storage.segment import Leaves, Segment
from mario_agents.teaching.demonstrations import as_rows, is_movie, observation_columns, read_columns
from mario_agents.teaching.movies import read_movie_for, with_path

#: How often each movie is looked at: every time from another frame on, at other intervals.
_TAKES = 4
#: Words of a recording for how a row ends its episode: those of Gymnasium.
_ENDS = ("terminated", "truncated")


class Sights(Protocol):
    """A demonstration, to be looked at as an agent looks."""

    def look(self, lengths: NDArray[np.int32], rng: np.random.Generator) -> list[Segment]:
        """Return what is seen, episode by episode.

        Args:
            lengths: frames of decisions that the agent played, to draw intervals from; never empty.
            rng: where chance comes from.

        Returns:
            Segments whose actions and rewards are zeros: nobody knows them.
        """
        ...


def read_sights(path: Path, env_id: str, env_kwargs: Mapping[str, Any], space: spaces.Space[Any]) -> Sights:
    """Read a demonstration: a ``.movie``, or an ``.npz`` of observations.

    Args:
        path: the file.
        env_id: of the run.
        env_kwargs: of the run.
        space: observation space of one lane.

    Raises:
        AgentsError: it cannot be read or played, or is not of this environment; says why.
    """
    return MovieSights(path, env_id, env_kwargs) if is_movie(path) else RecordedSights(path, space)


class RecordedSights:
    """Observations in the order in which they were seen, at the agent's own decisions.

    ``np.savez(path, observations=…, terminated=…, truncated=…)`` writes them: a row for each observation, and
    of an episode's last row how it ended. Of a Dict space, each key has an array ``observations/KEY``.

    Args:
        path: the file.
        space: observation space of one lane.

    Raises:
        AgentsError: it cannot be read, lacks an array, holds what the space does not, or has an episode of
            one observation.
    """

    def __init__(self, path: Path, space: spaces.Space[Any]) -> None:
        wanted = observation_columns(space)
        columns = read_columns(path, {**wanted, **dict.fromkeys(_ENDS, spaces.Discrete(2))})
        terminated, truncated = (columns[name].astype(bool) for name in _ENDS)
        truncated[-1] |= not terminated[-1]  # nothing follows
        ends = np.flatnonzero(terminated | truncated)
        starts = np.concatenate([[0], ends[:-1] + 1])
        if (ends == starts).any():
            row = int(ends[ends == starts][0])
            raise AgentsError(f"{path}: row {row} is an episode of its own; one needs two observations")
        keys = list(space.spaces) if isinstance(space, spaces.Dict) else [""]
        rows = dict(zip(keys, (columns[name] for name in wanted), strict=True))
        self._episodes = [
            _episode(
                {key: part[start : end + 1] for key, part in rows.items()},
                np.ones(end - start),
                terminated[end],
            )
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

    def look(self, lengths: NDArray[np.int32], rng: np.random.Generator) -> list[Segment]:
        """Return the episodes as they were recorded."""
        return self._episodes


class MovieSights:
    """A movie, looked at in the run's environment at intervals as long as the agent's decisions.

    Args:
        path: the movie.
        env_id: of the run, with any action.
        env_kwargs: of the run.

    Raises:
        AgentsError: it cannot be read or played, or is of a stage that the run does not play.
    """

    def __init__(self, path: Path, env_id: str, env_kwargs: Mapping[str, Any]) -> None:
        spec, self._movie = read_movie_for(env_id, path)
        self._path, self._settings = path, {**spec.kwargs, **env_kwargs}
        stages = self._settings["stages"]
        if self._settings.get("task", "stage") == "stage" and self._movie.start not in stages:
            raise AgentsError(
                f"{path} is of stage {self._movie.start}, and {env_id} plays {', '.join(stages)}: take "
                "movies of stages that are played"
            )
        # Proves that it can be played before anything is written.
        self._take(np.array([60], np.int32), np.random.default_rng(0))

    def look(self, lengths: NDArray[np.int32], rng: np.random.Generator) -> list[Segment]:
        """Return what several takes of the movie show."""
        return [self._take(lengths, rng) for _ in range(_TAKES)]

    def _take(self, lengths: NDArray[np.int32], rng: np.random.Generator) -> Segment:
        from mario_envs.movies.observing import observe

        # An agent that begins after any number of no-ops decides in any frame of every so many.
        first = int(rng.integers(1, rng.choice(lengths) + 1))
        seed = int(rng.integers(2**31))
        try:
            sights = list(
                observe(self._movie, self._settings, _drawn(first, lengths, rng), seed, str(self._path))
            )
        except ValueError as error:
            raise AgentsError(with_path(self._path, error)) from None
        frames = np.array([sight.frames for sight in sights[1:]])
        return _episode(as_rows(sight.observation for sight in sights), frames, sights[-1].over)


def _drawn(first: int, lengths: NDArray[np.int32], rng: np.random.Generator) -> Iterator[int]:
    yield first
    while True:
        yield int(rng.choice(lengths))


def _episode(observations: Leaves, frames: NDArray[Any], over: bool) -> Segment:
    """Return T + 1 observations in a row as a segment that ends with the last."""
    steps = len(frames)
    at_end = np.arange(steps) == steps - 1
    return Segment.from_steps(
        lane=0,
        policy_version=0,
        observations=observations,
        finals={steps - 1: {key: part[-1] for key, part in observations.items()}},
        actions=np.zeros(steps, np.float32),
        rewards=np.zeros(steps, np.float32),
        terminated=at_end & over,
        truncated=at_end & ~np.bool_(over),
        frames=frames,
    )
