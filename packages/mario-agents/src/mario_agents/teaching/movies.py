"""Movies as demonstrations: their decisions, and what the run's environment makes of each."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from mario_agents.env_ids import find_env
from mario_agents.errors import AgentsError
from mario_agents.storage.segment import Segment, to_leaves
from mario_agents.teaching.demonstrations import Demonstrations, as_row


def play_movie(path: Path, env_id: str, env_kwargs: Mapping[str, Any], seed: int) -> Demonstrations:
    """Play a movie by the environment's own actions, and note what is seen before each.

    See :func:`play_episode`, of which this is a part.
    """
    episode = play_episode(path, env_id, env_kwargs, seed)
    before = {key: moments[episode.now] for key, moments in episode.observations.items()}
    return Demonstrations(before, episode.actions)


def play_episode(path: Path, env_id: str, env_kwargs: Mapping[str, Any], seed: int) -> Segment:
    """Play a movie by the environment's own actions, and note what came of each.

    The environment is the run's, but for where it begins: at the movie's stage, without no-ops.

    Args:
        path: the movie.
        env_id: of mario-envs, with ContinuousFrames.
        env_kwargs: of the run.
        seed: of what the environment draws.

    Returns:
        A whole episode with its rewards and frames; actions are as the environment takes them.

    Raises:
        AgentsError: the movie cannot be read, or the environment cannot play it; says why.
    """
    if find_spec("mario_envs") is None:
        raise AgentsError(f'{path} needs mario-envs: pip install "mario-agents[mario]"')
    from mario_envs.actions.continuous_frames import ContinuousFrames
    from mario_envs.movies.file import read_movie
    from mario_envs.movies.holds import holds_of

    spec = find_env(env_id)
    if spec.entry_point != "mario_envs.env:MarioEnv":
        raise AgentsError(
            f"{path} is a movie: it demonstrates in environments of mario-envs, not in {env_id}"
        )
    try:
        movie = read_movie(path)
        env = gymnasium.make(spec, **{**env_kwargs, "stages": (movie.start,), "max_noops": 0, "start": None})
    except ValueError as error:
        raise AgentsError(_with(path, error)) from None
    try:
        game: Any = env.unwrapped
        if not isinstance(game.action, ContinuousFrames):
            raise AgentsError(f"{path} is a movie: it demonstrates to ContinuousFrames, not {env_id}")
        if game.provenance["rom"]["sha256"] != movie.rom_sha256:
            raise AgentsError(f"{path} was recorded with another ROM than {env_id} has here")
        try:
            decisions = holds_of(movie, game.action, str(path))
        except ValueError as error:
            raise AgentsError(_with(path, error)) from None
        observation, info = env.reset(seed=seed)
        seen, steps = [as_row(observation)], []
        for action in decisions.actions:
            observation, reward, terminated, truncated, info = env.step(action)
            seen.append(as_row(observation))
            steps.append((float(reward), terminated, truncated, info["frames"]))
            if terminated or truncated:
                break
        outcome = movie.outcome
        if len(steps) < len(decisions.actions) or (info["clear"], info["dead"]) != (
            outcome.clear,
            outcome.dead,
        ):
            raise AgentsError(f"{path} does not end here as it says: it was recorded on {movie.emulator}")
    finally:
        env.close()
    rewards, terminals, cuts, frames = map(np.array, zip(*steps, strict=True))
    return Segment.from_steps(
        lane=0,
        policy_version=0,
        observations={key: np.concatenate([row[key] for row in seen]) for key in seen[0]},
        finals={len(steps) - 1: to_leaves(observation)} if terminals[-1] or cuts[-1] else {},
        actions=decisions.actions,
        rewards=rewards,
        terminated=terminals,
        truncated=cuts,
        frames=frames,
    )


def _with(path: Path, error: Exception) -> str:
    """Name the movie, unless the message does."""
    return str(error) if str(path) in str(error) else f"{path}: {error}"
