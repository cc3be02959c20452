"""The movies that come with this package, by stage."""

from __future__ import annotations

from pathlib import Path


def shipped_movies() -> dict[str, Path]:
    """Return every shipped movie's file by its stage, in the order of stages.

    ``mario-envs movie`` plays, proves and exports them; :func:`mario_envs.movies.file.read_movie` reads them.

    Example:
        >>> shipped_movies()["1-1"].name
        '1-1.movie'
    """
    return {path.stem: path for path in sorted(Path(__file__).parent.glob("*.movie"))}
