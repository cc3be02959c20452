"""Movies as a dataset in Minari's format, which other libraries learn from (https://minari.farama.org)."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np

from mario_agents.errors import AgentsError
from mario_agents.storage.segment import from_leaves
from mario_agents.teaching.demonstrations import as_rows
from mario_agents.teaching.movies import decisions_of, read_movie_for

#: What is kept of an environment's infos beside its own ``metadata["episode_info"]``.
_FRAMES = "frames"


@dataclass(frozen=True)
class Written:
    """What was written.

    Attributes:
        path: the dataset's folder.
        episodes: one for each movie.
        steps: decisions.
    """

    path: Path
    episodes: int
    steps: int


def write_minari(
    name: str, movies: Sequence[Path], env_id: str, env_kwargs: Mapping[str, Any], seed: int = 0
) -> Written:
    """Play movies by ContinuousFrames, and write all that comes of it: an episode for each.

    Observations, actions, rewards and ends are the environment's own. Infos are frames of each decision (0 of
    the reset), and the numbers of its ``metadata["episode_info"]``. Pictures are kept as they are, not as
    JPEG.

    Args:
        name: of the dataset, ``namespace/name-v0``; it lies where Minari keeps its own.
        movies: each of a stage.
        env_id: of mario-envs, with ContinuousFrames.
        env_kwargs: of the environment.
        seed: of what the environment draws.

    Raises:
        AgentsError: Minari is not there, a movie cannot be played, or there is such a dataset already.
            Nothing is left behind then.
    """
    missing = [module for module in ("minari", "h5py", "PIL") if find_spec(module) is None]
    if missing:
        raise AgentsError(
            f'a Minari dataset needs {missing[0]}, which is not installed: pip install "mario-agents[minari]"'
        )
    import minari
    from minari.data_collector.episode_buffer import EpisodeBuffer
    from minari.storage.datasets_root_dir import get_dataset_path

    if not name.rpartition("-v")[2].isdecimal():
        raise AgentsError(f"a Minari dataset is named such as mario/1-1-v0, with a version, not {name}")
    path = Path(get_dataset_path(name))
    if path.exists():
        raise AgentsError(f"{path} exists; take another name or version, or delete it: minari delete {name}")
    spec, _ = read_movie_for(env_id, movies[0])
    env = gymnasium.make(spec, **env_kwargs)
    try:
        infos = (_FRAMES, *env.metadata.get("episode_info", ()))
        episodes = [EpisodeBuffer(**_episode(movie, env_id, env_kwargs, seed, infos)) for movie in movies]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it would like to know an author, and an address
            minari.create_dataset_from_buffers(
                name,
                episodes,
                env=env,
                algorithm_name="movies, as mario-envs' ContinuousFrames plays them",
                description=f"Whole episodes, one for each of {', '.join(movie.name for movie in movies)}.",
                requirements=[f"mario-envs=={metadata.version('mario-envs')}"],
                jpeg_encoding=False,
            )
    except BaseException as error:
        shutil.rmtree(path, ignore_errors=True)
        if isinstance(error, ValueError):  # what it thinks of the name
            raise AgentsError(" ".join(str(error).split())) from None
        raise
    finally:
        env.close()
    return Written(path, len(episodes), sum(len(episode.rewards) for episode in episodes))


def _episode(
    movie: Path, env_id: str, env_kwargs: Mapping[str, Any], seed: int, infos: Sequence[str]
) -> dict[str, Any]:
    """Play one movie, and return the fields of Minari's ``EpisodeBuffer``."""
    played = list(decisions_of(movie, env_id, env_kwargs, seed))
    told = [{_FRAMES: 0, **played[0].info_before}, *(one.info for one in played)]
    terminations = [one.terminated for one in played]
    # A movie that stops in the middle of a stage is a recording that was cut.
    truncations = [one.truncated for one in played[:-1]] + [not terminations[-1]]
    return {
        "seed": seed,
        "options": {"movie": movie.name},
        "observations": from_leaves(as_rows([played[0].before, *(one.after for one in played)])),
        "actions": np.stack([one.action for one in played]),
        "rewards": np.array([one.reward for one in played]),
        "terminations": np.array(terminations),
        "truncations": np.array(truncations),
        "infos": {
            name: np.array([info[name] for info in told])
            for name in infos
            if not isinstance(told[-1].get(name), str | None)
        },
    }
