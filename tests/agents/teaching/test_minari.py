"""What Minari reads back is what the movie's environment shows, takes and pays."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from mario_agents.cli import demonstrate
from mario_agents.errors import AgentsError
from mario_agents.movies.shipped import shipped_movies
from mario_agents.teaching.minari_dataset import write_minari
from mario_envs.movies.file import read_movie

ENV = "MarioScore-1-1-ContinuousFrames-v0"
ACTION = {"continuous-frames": {"min_frames": 1, "frames_per_unit": 120}}
TILES = {"observation": {"tiles": {"count": 1}}, "action": ACTION}
PICTURES = {"observation": {"frames": {"count": 1, "height": 30, "width": 30}}, "action": ACTION}


@pytest.fixture
def minari(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Minari, with a folder of its own."""
    module = pytest.importorskip("minari", reason='pip install "mario-agents[minari]"')
    pytest.importorskip("h5py", reason='pip install "mario-agents[minari]"')
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "datasets"))
    return module


@pytest.mark.parametrize("options", [TILES, PICTURES], ids=["tiles", "pictures"])
def test_a_dataset_plays_as_the_movies_do(minari: Any, options: dict[str, Any]) -> None:
    movies = [shipped_movies()[stage] for stage in ("1-1", "1-4")]
    written = write_minari("mario/two-v0", movies, ENV, options)
    dataset = minari.load_dataset("mario/two-v0")
    assert (dataset.total_episodes, dataset.total_steps) == (2, written.steps)
    assert written.path.is_dir()
    assert "1-1.movie, 1-4.movie" in dataset.storage.metadata["description"]
    recovered = dataset.recover_environment()
    assert recovered.observation_space == dataset.observation_space
    assert recovered.action_space == dataset.action_space
    recovered.close()

    for path, episode in zip(movies, dataset.iterate_episodes(), strict=True):
        movie = read_movie(path)
        env = gymnasium.make(ENV, **options, stages=(movie.start,))
        observation, _ = env.reset(seed=0)
        seen = [observation]
        for step, action in enumerate(episode.actions):
            observation, reward, terminated, truncated, info = env.step(action)
            seen.append(observation)
            assert reward == episode.rewards[step]
            assert (terminated, truncated) == (episode.terminations[step], episode.truncations[step])
            for name in ("frames", "score", "distance", "clear"):
                assert episode.infos[name][step + 1] == info[name]
        env.close()
        assert terminated
        assert info["score"] == movie.outcome.score
        assert "stage" not in episode.infos, "a name is no number"
        together = dataset.observation_space
        if isinstance(together, gymnasium.spaces.Dict):
            for key, part in episode.observations.items():
                assert np.array_equal(part, np.stack([one[key] for one in seen])), key
        else:
            assert np.array_equal(episode.observations, np.stack(seen)), "kept as they are"


def test_what_cannot_be_written_leaves_nothing_behind(minari: Any, tmp_path: Path) -> None:
    movie, datasets = shipped_movies()["1-1"], tmp_path / "datasets"

    def refusal(name: str, movies: list[Path], options: dict[str, Any] = TILES) -> str:
        with pytest.raises(AgentsError) as refused:
            write_minari(name, movies, ENV, options)
        assert "\n" not in str(refused.value)
        assert not (datasets / name).exists()
        return str(refused.value)

    assert "with a version" in refusal("mario", [movie])
    assert "Malformed" in refusal("mario/a b-v0", [movie])
    assert "No such file" in refusal("mario/x-v0", [movie, tmp_path / "none.movie"])
    assert "set min_frames: 1" in refusal("mario/x-v0", [movie], {"observation": "tiles"})

    write_minari("mario/x-v0", [movie], ENV, TILES)
    with pytest.raises(AgentsError, match="exists; take another name or version"):
        write_minari("mario/x-v0", [movie], ENV, TILES)
    assert minari.load_dataset("mario/x-v0").total_episodes == 1


def test_the_command_says_where_it_lies(minari: Any, capsys: pytest.CaptureFixture[str]) -> None:
    options = [f"{key}={json.dumps(value)}" for key, value in TILES.items()]
    demonstrate([shipped_movies()["1-1"]], ENV, "mario/x-v0", options, as_json=True)
    told = json.loads(capsys.readouterr().out)
    dataset = minari.load_dataset("mario/x-v0")
    assert (told["episodes"], told["steps"]) == (1, dataset.total_steps)
    assert Path(told["path"]).is_dir()


def test_without_minari_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    for module in [name for name in sys.modules if name.partition(".")[0] == "minari"]:
        monkeypatch.delitem(sys.modules, module)
    with pytest.raises(AgentsError, match=r'pip install "mario-agents\[minari\]"$'):
        write_minari("mario/x-v0", [tmp_path / "1-1.movie"], ENV, TILES)
