"""An agent playing for people: in a window, or into a video file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from mario_agents.acting import find_checkpoint, load_agent
from mario_agents.atomic import write_atomically
from mario_agents.checkpoints import read_checkpoint
from mario_agents.env_ids import find_env
from mario_agents.errors import AgentsError
from mario_agents.threads import set_threads


@dataclass(frozen=True)
class Episode:
    """One episode that was played.

    Attributes:
        returns: sum of rewards.
        steps: number of decisions.
        infos: the environment's ``episode_info`` at the end.
    """

    returns: float
    steps: int
    infos: dict[str, Any]


def play(
    path: Path,
    *,
    episodes: int,
    seed: int | None = None,
    deterministic: bool = False,
    video: Path | None = None,
) -> Iterator[Episode]:
    """Play episodes one after another, yielding each as it ends.

    Args:
        path: a run folder, a checkpoint, or ``zoo:NAME``.
        episodes: how many.
        seed: of the first episode, the next has one more; None is a new one each time.
        deterministic: the most likely action instead of a sampled one.
        video: an ``.mp4`` file to write at the environment's own speed; a window opens if None.

    Raises:
        AgentsError: the agent or the environment cannot be loaded, or cannot be shown that way.
    """
    config = read_checkpoint(find_checkpoint(path))[0].config
    set_threads(config)
    render_mode = "human" if video is None else "rgb_array_list"
    try:
        env = gymnasium.make(find_env(config.env_id), render_mode=render_mode, **config.env_kwargs)
    except AgentsError:
        raise
    except Exception as error:  # environments raise what they like; the reason is theirs
        raise AgentsError(
            f"{config.env_id} cannot be shown as {render_mode}: {' '.join(str(error).split())}"
        ) from error
    with _closing(env):
        agent, _ = load_agent(path, env.observation_space, env.action_space, deterministic=deterministic)
        fps = int(env.metadata.get("render_fps", 60))
        with _Film(video, fps) as film:
            for number in range(episodes):
                yield _play_one(env, agent, None if seed is None else seed + number, film)


@contextmanager
def _closing(env: gymnasium.Env[Any, Any]) -> Iterator[None]:
    try:
        yield
    finally:
        env.close()


def _play_one(env: gymnasium.Env[Any, Any], agent: Any, seed: int | None, film: _Film) -> Episode:
    observation, _ = env.reset(seed=seed)
    if seed is not None:
        agent.begin_episodes(np.array([0]), np.array([seed]))
    film.shoot(env)
    returns, steps, done = 0.0, 0, False
    info: dict[str, Any] = {}
    while not done:
        action = agent(_batch_of_one(observation), np.array([steps == 0]))[0]
        observation, reward, terminated, truncated, info = env.step(action)
        film.shoot(env)
        returns, steps, done = returns + float(reward), steps + 1, terminated or truncated
    names = env.metadata.get("episode_info", ())
    return Episode(returns, steps, {name: info[name] for name in names if name in info})


def _batch_of_one(observation: Any) -> Any:
    if isinstance(observation, dict):
        return {key: np.asarray(part)[None] for key, part in observation.items()}
    return np.asarray(observation)[None]


class _Film:
    """An H.264 file that is whole or absent; without a path, no film at all."""

    def __init__(self, path: Path | None, fps: int) -> None:
        self._path, self._fps = path, fps
        self._container: Any = None
        self._stream: Any = None

    def __enter__(self) -> _Film:
        if self._path is None:
            return self
        if self._path.suffix.lower() != ".mp4":
            raise AgentsError(
                f"videos are written as .mp4, not {self._path.suffix or 'without a suffix'}: {self._path}"
            )
        try:
            import av
        except ImportError as error:
            raise AgentsError('video files need PyAV: pip install "mario-agents[video]"') from error
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Not into a file: libav's MP4 writer ends the process with a segmentation fault on a full disk.
        self._content = io.BytesIO()
        self._container = av.open(self._content, "w", format="mp4")
        return self

    def shoot(self, env: gymnasium.Env[Any, Any]) -> None:
        """Add the frames since the last call; in a window the environment shows them itself."""
        if self._container is None:
            return
        import av

        frames: list[NDArray[np.uint8]] = env.render() or []  # type: ignore[assignment]
        for picture in frames:
            if self._stream is None:
                self._stream = self._container.add_stream("h264", rate=self._fps)
                self._stream.pix_fmt = "yuv420p"
                # yuv420p halves the colour planes: an odd row or column has no partner and is left out.
                self._stream.height, self._stream.width = (size // 2 * 2 for size in picture.shape[:2])
            even = picture[: self._stream.height, : self._stream.width]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
            self._container.mux(self._stream.encode(frame))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._container is None:
            return
        assert self._path is not None
        shot = kind is None and self._stream is not None
        if shot:
            self._container.mux(self._stream.encode())
        self._container.close()
        if shot:
            write_atomically(self._path, self._content.getvalue())
