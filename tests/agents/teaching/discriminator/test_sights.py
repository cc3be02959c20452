"""What is read of demonstrations, what the network sees of it, and what is refused."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents.errors import AgentsError
from mario_agents.movies.shipped import shipped_movies
from mario_agents.storage.segment import to_leaves
from mario_agents.teaching.discriminator.network import Discriminator
from mario_agents.teaching.discriminator.settings import AdversarialImitation, read_discriminator
from mario_agents.teaching.discriminator.sights import read_sights

ONE = np.ones(1, np.int32)
STAGE = "MarioScore-1-1-DiscreteFrames-v0"
TILES = {"observation": {"tiles": {"count": 1}}}


def test_a_recording_comes_back_episode_by_episode(exits_env: ModuleType, tmp_path: Path) -> None:
    path = exits_env.demonstrate(tmp_path / "d.npz", episodes=3)
    found = read_sights(path, "Exits-v0", {}, exits_env.Exits.observation_space).look(
        ONE, np.random.default_rng(0)
    )
    saved = np.load(path)
    assert len(found) == 3
    rows = [
        np.concatenate([one.observations[""][one.now], one.observations[""][one.next[-1:]]]) for one in found
    ]
    assert np.array_equal(np.concatenate(rows), saved["observations"])
    for one in found:
        assert one.terminated.tolist() == [False] * (len(one) - 1) + [True]


def test_what_is_not_over_at_the_end_was_cut(tmp_path: Path) -> None:
    space = spaces.Dict({"x": spaces.Discrete(9)})
    path, no = tmp_path / "d.npz", np.zeros(5, bool)
    cut = np.array([False, True, False, False, False])
    np.savez(path, **{"observations/x": np.arange(5), "terminated": no, "truncated": cut})
    first, second = read_sights(path, "any", {}, space).look(ONE, np.random.default_rng(0))
    assert first.observations["x"][[*first.now, first.next[-1]]].tolist() == [0, 1]
    assert second.observations["x"][[*second.now, second.next[-1]]].tolist() == [2, 3, 4]
    assert not first.terminated.any()
    assert not second.terminated.any()
    assert second.truncated.tolist() == [False, True]


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({"observations": np.zeros(3)}, "has no array 'terminated'"),
        ({"observations": np.zeros(3), "terminated": np.zeros(3)}, "has no array 'truncated'"),
        (
            {"observations": np.full(3, np.nan), "terminated": np.zeros(3), "truncated": np.zeros(3)},
            "row 0 of observations is outside",
        ),
        (
            {"observations": np.zeros(3), "terminated": np.array([1, 0, 0]), "truncated": np.zeros(3)},
            "row 0 is an episode of its own",
        ),
        (
            {"observations": np.zeros(3), "terminated": np.zeros(4), "truncated": np.zeros(3)},
            "terminated are float64 of shape \\(4,\\)",
        ),
    ],
)
def test_a_recording_that_is_none_is_refused(columns: dict[str, Any], complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "d.npz"
    np.savez(path, **columns)
    with pytest.raises(AgentsError, match=complaint) as refused:
        read_sights(path, "any", {}, spaces.Box(-1, 1, ()))
    assert str(path) in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("options", [{}, TILES], ids=["pictures", "tiles"])
def test_a_movie_is_looked_at_as_the_agent_looks(options: dict[str, Any]) -> None:
    sights = read_sights(shipped_movies()["1-1"], STAGE, options, spaces.Discrete(2))
    takes = sights.look(np.array([4], np.int32), np.random.default_rng(1))
    for take in takes:
        assert set(take.frames[1:-1].tolist()) == {4}
        assert take.frames[0] <= 4
        assert take.terminated[-1]
    assert len({int(take.frames[0]) for take in takes}) > 1, "always from the same frame on"
    lengths = np.array([3, 30], np.int32)
    again = [sights.look(lengths, np.random.default_rng(2))[0] for _ in range(2)]
    assert set(again[0].frames[1:-1].tolist()) == {3, 30}
    assert again[0].frames.tolist() == again[1].frames.tolist()
    for key, part in again[0].observations.items():
        assert np.array_equal(part, again[1].observations[key])


def test_a_movie_that_cannot_demonstrate_is_refused(tmp_path: Path) -> None:
    movie = shipped_movies()["2-1"]

    def refusal(path: Path, env_id: str = STAGE) -> str:
        with pytest.raises(AgentsError) as refused:
            read_sights(path, env_id, TILES, spaces.Discrete(2))
        assert "\n" not in str(refused.value)
        return str(refused.value)

    assert "is of stage 2-1, and" in refusal(movie)
    assert "not in CartPole-v1" in refusal(movie, "CartPole-v1")
    broken = tmp_path / "broken.movie"
    broken.write_bytes(movie.read_bytes()[:-9])
    assert str(broken) in refusal(broken)
    assert "No such file" in refusal(tmp_path / "none.movie")


SPACES: dict[str, spaces.Space[Any]] = {
    "picture": spaces.Box(0, 255, (4, 84, 84), np.uint8),
    "small picture": spaces.Box(0, 255, (1, 7, 7), np.uint8),
    "grid and vector": spaces.Dict(
        {"tiles": spaces.MultiBinary((7, 13, 16)), "vector": spaces.Box(-2, 4, (14,), np.float32)}
    ),
    "vector": spaces.Box(-1, 1, (3,), np.float32),
    "number": spaces.Discrete(5),
    "numbers": spaces.Dict({"a": spaces.MultiDiscrete([2, 3]), "b": spaces.Box(0, 1, ())}),
}


@pytest.mark.parametrize("kind", SPACES)
def test_every_observation_has_a_network(kind: str) -> None:
    space = SPACES[kind]
    torch.manual_seed(0)
    network = Discriminator(space)
    space.seed(0)
    rows = [to_leaves(space.sample()) for _ in range(10)]
    seen = {key: np.stack([row[key] for row in rows]) for key in rows[0]}
    before, after = ({key: part[which] for key, part in seen.items()} for which in (slice(5), slice(5, 10)))
    pairs = network.pairs(before, after)
    f = network(pairs)
    assert f.shape == (5,)
    assert f.isfinite().all()
    assert not torch.allclose(f, network(network.pairs(after, before))), "which came first is seen"
    for part in pairs.values():
        assert part.abs().max() <= 4


def test_of_a_dict_only_grids_are_seen_unless_keys_say_otherwise() -> None:
    space = SPACES["grid and vector"]
    assert Discriminator(space).keys == ("tiles",)
    assert Discriminator(space, ["vector"]).keys == ("vector",)
    with pytest.raises(AgentsError, match=r"no key 'tile'.*did you mean 'tiles'"):
        Discriminator(space, ["tile"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "demonstrations: Field required; write a mapping such as {demonstrations: "),
        ("demonstrations: []", "demonstrations: Tuple should have at least 1 item"),
        ("demonstrations: [a.fm2]", "a.fm2 is no demonstration: those are .movie and .npz"),
        ("{demonstrations: [a.npz], reward: 0}", "reward: Input should be greater than 0"),
        ("{demonstrations: [a.npz], penalti: 1}", "penalti: Extra inputs are not permitted"),
    ],
)
def test_a_file_that_does_not_say_how_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    path = tmp_path / "discriminator.yml"
    path.write_text(text)
    with pytest.raises(AgentsError, match=complaint) as refused:
        read_discriminator(path)
    assert "\n" not in str(refused.value)
    path.write_text("demonstrations: [a.npz]")
    assert read_discriminator(path) == AdversarialImitation(demonstrations=("a.npz",))
