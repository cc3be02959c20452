"""Movies as demonstrations: their decisions, and what the run's environment makes of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from mario_agents.env_ids import find_env
from mario_agents.errors import AgentsError
from mario_agents.storage.segment import Segment, to_leaves
from mario_agents.teaching.demonstrations import Demonstrations, as_rows

if TYPE_CHECKING:
    from mario_envs.movies.movie import Movie


@dataclass(frozen=True)
class Decision:
    """One step of a movie.

    Attributes:
        before: what was seen before it, or was told with the reset if it is the first.
        action: as the environment takes it.
        reward: the environment's.
        terminated: whether the episode ended with it.
        truncated: whether a limit cut the episode there.
        after: what was seen after it.
        info: what the environment told of it.
        info_before: what it had told before.
    """

    before: Any
    action: NDArray[Any]
    reward: float
    terminated: bool
    truncated: bool
    after: Any
    info: dict[str, Any]
    info_before: dict[str, Any]


def play_movie(path: Path, env_id: str, env_kwargs: Mapping[str, Any], seed: int) -> Demonstrations:
    """Play a movie by the environment's own actions, and note what is seen before each.

    Args, and what it raises, as of :func:`decisions_of`.
    """
    episode = play_episode(path, env_id, env_kwargs, seed)
    before = {key: moments[episode.now] for key, moments in episode.observations.items()}
    return Demonstrations(before, episode.actions)


def play_episode(path: Path, env_id: str, env_kwargs: Mapping[str, Any], seed: int) -> Segment:
    """Play a movie by the environment's own actions, and note what came of each.

    Args, and what it raises, as of :func:`decisions_of`.

    Returns:
        A whole episode with its rewards and frames; actions are as the environment takes them.
    """
    steps = list(decisions_of(path, env_id, env_kwargs, seed))
    end = steps[-1]
    return Segment.from_steps(
        lane=0,
        policy_version=0,
        observations=as_rows([*(one.before for one in steps), end.after]),
        finals={len(steps) - 1: to_leaves(end.after)} if end.terminated or end.truncated else {},
        actions=np.array([one.action for one in steps]),
        rewards=np.array([one.reward for one in steps]),
        terminated=np.array([one.terminated for one in steps]),
        truncated=np.array([one.truncated for one in steps]),
        frames=np.array([one.info["frames"] for one in steps]),
    )


def decisions_of(path: Path, env_id: str, env_kwargs: Mapping[str, Any], seed: int) -> Iterator[Decision]:
    """Play a movie by the environment's own actions.

    The environment is the run's, but for where it begins: at the movie's stage, without no-ops.

    Args:
        path: the movie.
        env_id: of mario-envs, with ContinuousFrames.
        env_kwargs: of the run.
        seed: of what the environment draws.

    Raises:
        AgentsError: the movie cannot be read, or the environment cannot play it; says why.
    """
    spec, movie = read_movie_for(env_id, path)
    from mario_envs.actions.continuous_frames import ContinuousFrames
    from mario_envs.movies.holds import holds_of

    try:
        env = gymnasium.make(spec, **{**env_kwargs, "stages": (movie.start,), "max_noops": 0, "start": None})
    except ValueError as error:
        raise AgentsError(with_path(path, error)) from None
    try:
        game: Any = env.unwrapped
        if not isinstance(game.action, ContinuousFrames):
            raise AgentsError(f"{path} is a movie: it demonstrates to ContinuousFrames, not {env_id}")
        if game.provenance["rom"]["sha256"] != movie.rom_sha256:
            raise AgentsError(f"{path} was recorded with another ROM than {env_id} has here")
        try:
            decisions = holds_of(movie, game.action, str(path))
        except ValueError as error:
            raise AgentsError(with_path(path, error)) from None
        before, info = env.reset(seed=seed)
        over = played = False
        for action in decisions.actions:
            if over:
                break
            info_before = info
            after, reward, terminated, truncated, info = env.step(action)
            yield Decision(before, action, float(reward), terminated, truncated, after, info, info_before)
            before, over = after, terminated or truncated
        else:
            played = True
        outcome = movie.outcome
        if not played or (info["clear"], info["dead"]) != (outcome.clear, outcome.dead):
            raise AgentsError(f"{path} does not end here as it says: it was recorded on {movie.emulator}")
    finally:
        env.close()


def read_movie_for(env_id: str, path: Path) -> tuple[EnvSpec, Movie]:
    """Read a movie, and find the environment that it shall be played in.

    Args:
        env_id: of mario-envs.
        path: the movie.

    Raises:
        AgentsError: the movie cannot be read, or the environment plays no movies.
    """
    if find_spec("mario_envs") is None:
        raise AgentsError(f'{path} needs mario-envs: pip install "mario-agents[mario]"')
    from mario_envs.movies.file import read_movie

    spec = find_env(env_id)
    if spec.entry_point != "mario_envs.env:MarioEnv":
        raise AgentsError(
            f"{path} is a movie: it demonstrates in environments of mario-envs, not in {env_id}"
        )
    try:
        return spec, read_movie(path)
    except ValueError as error:
        raise AgentsError(with_path(path, error)) from None


def with_path(path: Path, error: Exception) -> str:
    """Name the movie, unless the message does."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"
