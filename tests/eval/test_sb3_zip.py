"""Real zips of Stable-Baselines3: they act as in their own library, and only if asked for."""

import base64
import json
import pickle
import zipfile

import gymnasium
import numpy as np
import pytest
from mario_eval import EvaluationError, evaluate
from mario_eval.recordings import Recording

from ..forked import run_forked

stable_baselines3 = pytest.importorskip("stable_baselines3", reason="the optional extra mario-eval[sb3]")
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def pole(tmp_path_factory):
    """PPO on CartPole, as its own library saves it: a few seconds of training, well above chance."""
    path = tmp_path_factory.mktemp("zips") / "pole.zip"
    model = stable_baselines3.PPO(
        "MlpPolicy", "CartPole-v1", learning_rate=1e-3, n_steps=256, gamma=0.98, seed=1, device="cpu"
    )
    # Threads that wait for each other take longer over so small a network, many times so on a busy machine.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    model.learn(3072)
    torch.set_num_threads(threads)
    model.save(path)
    return path


def test_it_plays_as_in_its_own_library(pole, tmp_path):
    out = tmp_path / "rec"
    evaluate(pole, "CartPole-v1", episodes=10, seed=3, sb3_algorithm="PPO", deterministic=True, out=out)
    recording = Recording(out)
    assert recording.episodes["return"].to_numpy().mean() > 60

    model, env = stable_baselines3.PPO.load(pole, device="cpu"), gymnasium.make("CartPole-v1")
    actions = {}
    for table in recording.steps(["episode", "step", "action"]):
        for row in table.to_pylist():
            actions[row["episode"], row["step"]] = row["action"]
    for episode in recording.episodes.to_pylist()[:3]:
        observation, _ = env.reset(seed=episode["seed"])
        for step in range(episode["steps"]):
            action, _ = model.predict(observation, deterministic=True)
            assert action == actions[episode["episode"], step]
            observation, *_ = env.step(action)


def test_sampled_actions_repeat_with_the_seed(pole):
    first, again, other = (
        evaluate(pole, "CartPole-v1", episodes=8, seed=seed, lanes=4, sb3_algorithm="PPO")
        for seed in (1, 1, 2)
    )
    assert first.episodes["return"] == again.episodes["return"]
    assert first.episodes["return"] != other.episodes["return"]


def test_recurrent_agents_keep_their_state(tmp_path):
    sb3_contrib = pytest.importorskip(
        "sb3_contrib", reason="comes with mario-agents, not with mario-eval[sb3]"
    )
    model = sb3_contrib.RecurrentPPO("MlpLstmPolicy", "CartPole-v1", n_steps=64, seed=0, device="cpu")
    model.save(tmp_path / "model.zip")
    result = evaluate(
        tmp_path / "model.zip", "CartPole-v1", episodes=5, lanes=2, sb3_algorithm="RecurrentPPO"
    )
    assert result.episodes.num_rows == 5


def test_the_command_line_warns_and_loads_only_when_told(pole):
    refused = run_forked("mario-eval", "run", pole, "--env", "CartPole-v1", check=False)
    assert refused.returncode == 2
    assert "runs code that it contains" in refused.stderr
    assert "--sb3-zip PPO" in refused.stderr
    assert refused.stderr.count("\n") == 1
    told = run_forked("mario-eval", "run", pole, "--env", "CartPole-v1", "--episodes", 3, "--sb3-zip", "PPO")
    assert "3 episodes" in told.stdout
    help_text = run_forked("mario-eval", "run", "--help").stdout
    assert "runs code in it" in " ".join(help_text.replace("│", " ").split())


class Evil:
    def __reduce__(self):
        return (print, ("code of the file ran",))


def test_what_is_in_a_zip_is_not_touched_unless_asked(tmp_path, capsys):
    """The warning is no figure of speech: this is what asking for it can do."""
    hostile = tmp_path / "hostile.zip"
    with zipfile.ZipFile(hostile, "w") as archive:
        code = base64.b64encode(pickle.dumps(Evil())).decode()
        archive.writestr("data", json.dumps({"policy_class": {":type:": "x", ":serialized:": code}}))
    with pytest.raises(EvaluationError, match="runs code"):
        evaluate(hostile, "CartPole-v1", episodes=1)
    assert "code of the file ran" not in capsys.readouterr().out
    with pytest.raises(EvaluationError, match="cannot be loaded as PPO"):
        evaluate(hostile, "CartPole-v1", episodes=1, sb3_algorithm="PPO")
    assert "code of the file ran" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore::UserWarning")  # Stable-Baselines3 warns before it fails
@pytest.mark.parametrize(
    ("env_id", "algorithm", "message"),
    [
        ("CartPole-v1", "PPPO", "no algorithm 'PPPO'"),
        ("CartPole-v1", "DQN", "cannot be loaded as DQN"),
        ("Pendulum-v1", "PPO", "observation shape"),
        ("Acrobot-v1", "PPO", "observation shape"),
    ],
)
def test_mistakes_are_one_line(pole, env_id, algorithm, message):
    with pytest.raises(EvaluationError, match=message) as caught:
        evaluate(pole, env_id, episodes=1, sb3_algorithm=algorithm)
    assert "\n" not in str(caught.value)


def test_another_action_space_is_refused(pole):
    class ThreeWays(gymnasium.Env):
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (4,))
        action_space = gymnasium.spaces.Discrete(3)

    gymnasium.register("ThreeWays-v0", entry_point=ThreeWays)
    try:
        with pytest.raises(EvaluationError, match=r"action space Discrete\(2\), not for Discrete\(3\)"):
            evaluate(pole, "ThreeWays-v0", episodes=1, sb3_algorithm="PPO")
    finally:
        del gymnasium.registry["ThreeWays-v0"]


def test_a_truncated_zip_is_refused(pole, tmp_path):
    half = tmp_path / "half.zip"
    half.write_bytes(pole.read_bytes()[:2000])
    with pytest.raises(EvaluationError, match=r"half\.zip cannot be loaded as PPO"):
        evaluate(half, "CartPole-v1", episodes=1, sb3_algorithm="PPO")
