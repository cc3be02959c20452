"""A policy that saw what an expert did does so, without any reward, whatever algorithm it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from mario_agents import experiment
from mario_agents.acting import load_agent
from mario_agents.algorithms.ppo_max import PPOMax
from mario_agents.algorithms.ppo_q import PPOQ
from mario_agents.algorithms.registry import ALGORITHMS
from mario_agents.configure import configure_run
from mario_agents.errors import AgentsError
from mario_agents.manifest import read_manifest
from mario_agents.movies.shipped import shipped_movies
from mario_agents.teaching.cloning.clone import clone
from mario_agents.teaching.cloning.settings import BehaviourCloning, read_cloning
from mario_agents.teaching.demonstrations import Demonstrations, read_recorded
from mario_agents.teaching.movies import play_movie
from stable_baselines3.common.base_class import BaseAlgorithm

from ...conftest import Cli
from .follow_env import Follow, expert

CLONING = BehaviourCloning(demonstrations=("here.npz",), epochs=30, batch_size=64)
CAN = ["ppo", "a2c", "ppo_max", "sac", "tqc", "crossq", "ppo_q"]
CANNOT = ["recurrentppo", "dqn", "qrdqn", "td3", "ddpg"]

Env = gymnasium.Env[Any, Any]


def balance(observation: Any) -> int:
    """Push the cart to where the pole falls."""
    return int(observation[2] + 0.3 * observation[3] > 0)


def play(env: Env, act: Callable[[Any], Any], episodes: int) -> tuple[float, Demonstrations]:
    """Return the mean return, and what was done."""
    seen, done, total = [], [], 0.0
    for episode in range(episodes):
        observation, _ = env.reset(seed=episode)
        over = False
        while not over:
            seen.append(observation)
            done.append(act(observation))
            observation, reward, terminated, truncated, _ = env.step(done[-1])
            over, total = terminated or truncated, total + float(reward)
    return total / episodes, Demonstrations({"": np.stack(seen)}, np.stack(done))


def agent_of(model: BaseAlgorithm) -> Callable[[Any], Any]:
    return lambda observation: model.predict(observation, deterministic=True)[0]


def made(name: str, env: Env, **settings: Any) -> BaseAlgorithm:
    policy = "MlpLstmPolicy" if name == "recurrentppo" else "MlpPolicy"
    kwargs: dict[str, Any] = {"policy_kwargs": {"net_arch": [32]}, "learning_rate": 1e-2, "seed": 0}
    return ALGORITHMS[name].load_class()(policy, env, **{**kwargs, **settings})


@pytest.mark.parametrize("name", ["ppo", "a2c", "ppo_max"])
def test_a_pole_is_balanced_as_was_seen(name: str) -> None:
    env = gymnasium.make("CartPole-v1", max_episode_steps=200)
    returns, seen = play(env, balance, 3)
    model = made(name, env)
    by_chance, _ = play(env, lambda _: env.action_space.sample(), 10)
    losses = clone(model, seen, CLONING.model_copy(update={"epochs": 10}), seed=0)
    after, _ = play(env, agent_of(model), 3)
    assert by_chance < 50 < 180 < after, (by_chance, after)
    assert returns == 200
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("name", CAN)
def test_numbers_are_told_as_was_seen(name: str) -> None:
    env = Follow()
    _, seen = play(env, expert, 20)
    model = made(name, env)
    before, _ = play(env, agent_of(model), 5)
    clone(model, seen, CLONING, seed=0)
    after, _ = play(env, agent_of(model), 5)
    assert before < -80 < -6 < after, (before, after)


def test_buttons_and_lengths_are_learned_as_levels_of_the_hybrid_head() -> None:
    env = Follow()
    model = PPOMax(
        "MlpPolicy", env, policy_kwargs={"head": "hybrid", "lengths": 4}, seed=0, learning_rate=1e-2
    )
    points = np.random.default_rng(0).uniform(-1, 1, (400, 2)).astype(np.float32)
    done = np.where(points > 0, 2.5, -4.0).astype(np.float32)
    clone(model, Demonstrations({"": points}, done), CLONING.model_copy(update={"epochs": 25}), seed=0)
    right = model.predict(points, deterministic=True)[0] == done
    assert right.mean() > 0.95


def test_several_actors_all_learn() -> None:
    env = Follow()
    _, seen = play(env, expert, 20)
    model = PPOQ(
        "MlpPolicy", env, policy_kwargs={"n_actors": 3, "net_arch": [32]}, seed=0, learning_rate=1e-2
    )
    clone(model, seen, CLONING, seed=0)
    observations = model.policy.obs_to_tensor(seen.observations[""])[0]
    means = model.actor.get_action_dist_params(observations)[0].tanh().detach().numpy() * 4
    for each in means.reshape(3, len(seen), 2):
        assert np.square(each - seen.actions).mean() < 0.3


def test_what_was_cloned_outlasts_the_first_rollout_of_normalised_features() -> None:
    env = gymnasium.make("CartPole-v1", max_episode_steps=200)
    model = made("ppo_max", env, n_steps=256)
    clone(model, play(env, balance, 3)[1], CLONING.model_copy(update={"epochs": 10}), seed=0)
    model.lr_schedule = lambda _: 0.0
    model.learn(256)
    assert play(env, agent_of(model), 3)[0] > 180


def test_the_same_seed_clones_the_same() -> None:
    env = Follow()
    _, seen = play(env, expert, 3)
    losses = [clone(made("ppo", env), seen, CLONING, seed=seed) for seed in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("name", CANNOT)
def test_algorithms_without_probabilities_refuse_and_name_those_that_can(name: str) -> None:
    discrete = "Discrete" in ALGORITHMS[name].action_spaces
    env = gymnasium.make("CartPole-v1", max_episode_steps=200) if discrete else Follow()
    _, seen = play(env, (lambda _: 0) if discrete else expert, 1)
    settings = {"buffer_size": 100} if name in ("dqn", "qrdqn", "td3", "ddpg") else {}
    with pytest.raises(AgentsError, match=f"leave --cloning out, or use one of: {CAN[0]}") as refused:
        clone(made(name, env, policy_kwargs={}, **settings), seen, CLONING, seed=0)
    assert "\n" not in str(refused.value)


def test_a_run_begins_with_what_it_was_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    env = gymnasium.make("CartPole-v1", max_episode_steps=200)
    _, seen = play(env, balance, 3)
    np.savez(tmp_path / "pole.npz", observations=seen.observations[""], actions=seen.actions)
    monkeypatch.chdir(tmp_path)
    Path("cloning.yml").write_text("demonstrations: [pole.npz]\nepochs: 10\n")
    overrides = {
        "n_steps": 64,
        "batch_size": 64,
        "learning_rate": 1e-2,
        "clip_range": 1e-6,
        "policy_kwargs": {"net_arch": [32]},
    }
    config = configure_run(
        "ppo", "CartPole-v1", steps=64, lanes=1, seed=1, overrides=overrides, device="cpu", checkpoints=1,
        cloning=read_cloning(Path("cloning.yml")),
    )  # fmt: skip
    outcome = experiment.train(config, Path("run"))
    assert "cloned 600 decisions, of 1 demonstration: mean log-likelihood from" in capsys.readouterr().err
    assert read_manifest(outcome.run).config.cloning == config.cloning
    agent, _ = load_agent(outcome.run, env.observation_space, env.action_space, deterministic=True)
    assert play(env, lambda observation: agent(observation[None], np.zeros(1, bool))[0], 3)[0] > 150
    experiment.resume(outcome.run, steps=64)
    assert "cloned" not in capsys.readouterr().err


@pytest.mark.skipif(find_spec("mario_envs") is None, reason="mario-envs is not installed")
@pytest.mark.parametrize(
    ("env_id", "options", "complaint"),
    [
        ("MarioScore-1-1-ContinuousFrames-v0", {"action": {"continuous-frames": {"min_frames": 1}}}, None),
        (
            "MarioScore-1-1-ContinuousFrames-v0",
            {},
            "2-2.movie: frame \\d+ .* with min_frames 4; set min_frames: 1$",
        ),
        (
            "MarioScore-1-1-DiscreteFrames-v0",
            {},
            "demonstrates to ContinuousFrames, not MarioScore-1-1-Discr",
        ),
        ("CartPole-v1", {}, "demonstrates in environments of mario-envs, not in CartPole-v1"),
    ],
)
def test_a_movie_demonstrates_where_its_decisions_play(
    env_id: str, options: dict[str, Any], complaint: str | None
) -> None:
    movie = shipped_movies()["2-2"]
    if env_id.startswith("Mario"):
        options = {**options, "observation": {"tiles": {"count": 1}}, "max_noops": 30}
    if complaint is None:
        seen = play_movie(movie, env_id, options, seed=0)
        assert seen.actions.shape == (len(seen), 6)
        assert {len(part) for part in seen.observations.values()} == {len(seen)}
        assert len(seen) > 100
    else:
        with pytest.raises(AgentsError, match=complaint) as refused:
            play_movie(movie, env_id, options, seed=0)
        assert "\n" not in str(refused.value)


def test_the_command_refuses_and_leaves_nothing(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "cloning.yml").write_text("demonstrations: [pole.txt]")
    done = cli(
        "train", "ppo", "--env", "CartPole-v1", "--steps", 64, "--cloning", tmp_path / "cloning.yml",
        "--out", tmp_path / "run", check=False,
    )  # fmt: skip
    assert done.stderr == "mario-agents: pole.txt is no demonstration: those are .movie and .npz\n"
    assert not (tmp_path / "run").exists()


SPACES: dict[str, spaces.Space[Any]] = {"": spaces.Box(-1, 1, (2,), np.float32)}
GOOD = {"observations": np.zeros((3, 2)), "actions": np.array([0, 1, 1])}


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"observations": GOOD["observations"]}, "has no array 'actions'; it has observations"),
        ({"actions": GOOD["actions"]}, "has no array 'observations'"),
        ({**GOOD, "actions": np.zeros(0, int)}, "has no decisions"),
        (
            {**GOOD, "actions": np.array([0, 1])},
            r"observations are float64 of shape \(3, 2\), not .* \(2, 2\)",
        ),
        ({**GOOD, "actions": np.array([0, 1, 2])}, r"row 2 of actions is outside Discrete\(2\)"),
        ({**GOOD, "observations": np.full((3, 2), np.nan)}, "row 0 of observations is outside Box"),
        ({**GOOD, "observations": np.full((3, 2), {})}, "no .npz of plain arrays"),
    ],
)
def test_recordings_that_do_not_fit_are_refused(
    arrays: dict[str, Any], complaint: str, tmp_path: Path
) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, **arrays)
    with pytest.raises(AgentsError, match=complaint) as refused:
        read_recorded(path, SPACES[""], spaces.Discrete(2))
    assert str(refused.value).startswith(str(path))
    assert "\n" not in str(refused.value)


def test_files_that_are_no_recordings_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(AgentsError, match="cannot be read: No such file"):
        read_recorded(path, SPACES[""], spaces.Discrete(2))
    for content in (b"", b"PK\x03\x04 damaged", b"text", b"\x93NUMPY\x01\x00"):
        path.write_bytes(content)
        with pytest.raises(AgentsError, match=r"no \.npz of plain arrays"):
            read_recorded(path, SPACES[""], spaces.Discrete(2))
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(AgentsError, match=r"no \.npz of plain arrays"):
        read_recorded(path, SPACES[""], spaces.Discrete(2))


def test_recordings_of_dicts_are_read_by_key(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    space = spaces.Dict({"near": SPACES[""], "far": spaces.Box(0, 9, (1,))})
    arrays: dict[str, Any] = {"observations/near": np.zeros((3, 2)), "observations/far": np.ones((3, 1))}
    np.savez(path, actions=[0, 1, 0], **arrays)
    seen = read_recorded(path, space, spaces.Discrete(2))
    assert (sorted(seen.observations), len(seen)) == (["far", "near"], 3)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "demonstrations: Field required; write a mapping such as"),
        ("demonstrations: []", "demonstrations: Tuple should have at least 1 item"),
        ("{demonstrations: [a.npz], epochs: 0}", "epochs: Input should be greater than 0"),
        ("{demonstrations: [a.npz], passes: 3}", "passes: Extra inputs are not permitted"),
    ],
)
def test_a_file_that_does_not_say_how_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "cloning.yml").write_text(text)
    with pytest.raises(AgentsError, match=complaint) as refused:
        read_cloning(tmp_path / "cloning.yml")
    assert "\n" not in str(refused.value)
