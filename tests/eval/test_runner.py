"""Playing episodes: seeds, lanes, chance, stopping, and what is refused."""

from itertools import pairwise

import gymnasium
import mario_eval
import numpy as np
import pytest
from gymnasium.vector import VectorEnv
from mario_eval import Chance, EvaluationError, evaluate
from mario_eval.environments import make_single
from mario_eval.recorders.actions import recorded_action
from mario_eval.recordings import Recording
from mario_eval.report.replay import recorded_actions, same_return
from mario_eval.schema import STEP_INFOS


def lean(observations, episode_starts):
    return (observations[:, 2] + observations[:, 3] > 0).astype(np.int64)


def returns(result):
    return result.episodes["return"].to_pylist()


def test_works_with_a_lambda_in_the_lines_that_the_readme_shows():
    result = evaluate(
        lambda observations, starts: (observations[:, 2] > 0).astype(int), "CartPole-v1", episodes=5
    )

    summary = result.summary()

    assert summary["episodes"] == 5
    assert (
        summary["return"]["mean"]["low"]
        <= summary["return"]["mean"]["value"]
        <= summary["return"]["mean"]["high"]
    )


@pytest.mark.parametrize("policy", [lean, "random"])
@pytest.mark.parametrize("env_id", ["CartPole-v1"])
def test_results_do_not_depend_on_the_number_of_lanes(policy, env_id):
    one, three, many = (evaluate(policy, env_id, episodes=12, seed=3, lanes=lanes) for lanes in (1, 3, 12))

    assert returns(one) == returns(three) == returns(many)
    assert one.episodes["seed"] == many.episodes["seed"]


def test_lanes_in_processes_of_their_own_give_the_same():
    alone = evaluate(lean, "CartPole-v1", episodes=7, seed=3, lanes=3)
    assert returns(evaluate(lean, "CartPole-v1", episodes=7, seed=3, lanes=3, processes=True)) == returns(
        alone
    )


def test_every_episode_replays_from_its_seed_and_actions(tmp_path):
    for env_id, episodes in (("CartPole-v1", 9), ("Pendulum-v1", 3)):
        folder = tmp_path / env_id
        evaluate(
            "random", env_id, episodes=episodes, lanes=4, out=folder, chance=Chance(noop_max=5, sticky=0.25)
        )
        recording = Recording(folder)
        env = make_single(env_id, {}, None)
        for row in recording.episodes.to_pylist():
            env.reset(seed=row["seed"])
            actions = recorded_actions(recording, row["episode"], row["steps"])
            total = sum(env.step(recorded_action(env.action_space, value))[1] for value in actions)
            assert same_return(row["return"], total)


def test_all_episodes_are_played_and_none_twice():
    result = evaluate(lean, "CartPole-v1", episodes=23, lanes=8)

    assert result.episodes["episode"].to_pylist() == list(range(23))
    assert len(set(result.episodes["seed"].to_pylist())) == 23


def test_no_op_starts_and_sticky_actions_change_what_runs(tmp_path):
    def always_one(observations, starts):
        return np.ones(len(observations), np.int64)

    evaluate(always_one, "CartPole-v1", episodes=40, out=tmp_path / "noop", chance=Chance(noop_max=3))
    steps = next(Recording(tmp_path / "noop").steps(["episode", "step", "action"])).to_pylist()
    noops = [0] * 40
    for row in steps:
        noops[row["episode"]] += row["action"] == 0
        assert row["action"] == 1 or row["step"] < 3
    assert set(noops) == {0, 1, 2, 3}

    def alternate(observations, starts):
        alternate.at = 1 - getattr(alternate, "at", 0)
        return np.full(len(observations), alternate.at)

    evaluate(
        alternate, "CartPole-v1", episodes=100, lanes=1, out=tmp_path / "sticky", chance=Chance(sticky=0.25)
    )
    rows = next(Recording(tmp_path / "sticky").steps(["episode", "step", "action"])).to_pylist()
    repeats = [b["action"] == a["action"] for a, b in pairwise(rows) if a["episode"] == b["episode"]]
    # The policy alone would never repeat itself.
    assert 0.2 < np.mean(repeats) < 0.55


class Coin(gymnasium.Env):
    """An episode of one to five steps that is cleared or not, as its seed says."""

    metadata = {"episode_info": ("clear", "score"), "render_modes": []}  # noqa: RUF012 - gymnasium's own way
    observation_space = gymnasium.spaces.Box(-1, 1, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, chance=0.5, render_mode=None):
        self.chance, self.render_mode = chance, render_mode

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.clear = bool(self.np_random.random() < self.chance)
        # Failures are quicker: whoever stops by what finished first would see too many of them.
        self.left = 5 if self.clear else 1
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.left -= 1
        info = {"clear": self.clear, "score": 100 * self.clear, "frames": 3, "x": 7, "stage": "1-1"}
        info["reward_terms"] = {"progress": 0.25, "time": -0.5}
        return np.zeros(1, np.float32), -0.25, self.left == 0, False, info


@pytest.fixture(autouse=True, scope="module")
def _coin():
    gymnasium.register("Coin-v0", entry_point=Coin)
    yield
    del gymnasium.registry["Coin-v0"]


def test_infos_of_the_environment_become_columns(tmp_path):
    infos = (*STEP_INFOS, "stage")
    result = evaluate("random", "Coin-v0", episodes=50, out=tmp_path / "out", step_infos=infos)
    recording = Recording(tmp_path / "out")

    episodes = recording.episodes
    assert episodes["clear"].to_pylist() == result.episodes["clear"].to_pylist()
    assert [
        f == 3 * s for f, s in zip(episodes["frames"].to_pylist(), episodes["steps"].to_pylist(), strict=True)
    ] == [True] * 50
    assert episodes["end/x"].to_pylist() == [7] * 50
    assert episodes["end/stage"].to_pylist() == ["1-1"] * 50
    np.testing.assert_allclose(
        np.add(episodes["reward_terms/progress"].to_pylist(), episodes["reward_terms/time"].to_pylist()),
        episodes["return"].to_pylist(),
    )
    steps = next(recording.steps(["frames", "reward_terms/time", "stage", "x"]))
    assert steps["frames"].to_pylist() == [3] * steps.num_rows
    assert set(steps["reward_terms/time"].to_pylist()) == {-0.5}
    assert result.summary()["clear_rate"]["cleared"] == sum(episodes["clear"].to_pylist())


def test_stops_when_the_clear_rate_is_known_well_enough():
    certain = evaluate("random", "Coin-v0", episodes=2000, env_kwargs={"chance": 1.0}, clear_width=0.1)
    doubtful = evaluate("random", "Coin-v0", episodes=2000, env_kwargs={"chance": 0.5}, clear_width=0.1)

    # Wilson's interval of k of k is narrower than 0.1 from k = 35 on; of half it takes some 380.
    assert 35 <= certain.episodes.num_rows <= 50
    assert 370 <= doubtful.episodes.num_rows <= 395
    for result in (certain, doubtful):
        rate = result.summary()["clear_rate"]
        assert rate["high"] - rate["low"] < 0.1
        assert result.episodes["episode"].to_pylist() == list(range(result.episodes.num_rows))


def test_a_stop_by_clear_rate_needs_an_environment_that_tells():
    with pytest.raises(EvaluationError, match="does not report `clear`"):
        evaluate("random", "CartPole-v1", clear_width=0.1)


def test_a_callable_class_may_keep_state_per_lane():
    class Counting:
        def __init__(self):
            self.begun = []

        def begin_episodes(self, lanes, seeds):
            self.begun += list(zip(lanes.tolist(), seeds.tolist(), strict=True))

        def __call__(self, observations, episode_starts):
            return np.zeros(len(observations), np.int64)

    policy = Counting()
    evaluate(policy, "CartPole-v1", episodes=7, lanes=3)
    assert len(policy.begun) == 7
    assert len({seed for _, seed in policy.begun}) == 7


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env_id": "CartPole-v9"}, "CartPole"),
        ({"env_id": "CartPol-v1"}, "did you mean 'CartPole-v1'"),
        ({"env_id": "nosuchmodule:X-v0"}, "cannot be imported"),
        ({"env_kwargs": {"colour": 1}}, "cannot be made: TypeError"),
        ({"policy": "randm"}, "did you mean 'random'"),
        ({"policy": "json:dmps"}, "did you mean 'dumps'"),
        ({"policy": "nosuchmodule:act"}, "cannot be imported"),
        ({"policy": "nofile.safetensors"}, "no policy or file"),
        ({"policy": lambda o, s: np.zeros((3, 3))}, "shape"),
        ({"episodes": 0}, "must be 1 or more"),
        ({"seed": -1}, "0 or more"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    given = {"policy": "random", "env_id": "CartPole-v1", "episodes": 2} | arguments
    with pytest.raises(EvaluationError, match=message) as caught:
        evaluate(given.pop("policy"), given.pop("env_id"), **given)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"), [({"noop_max": -1}, "0 or more"), ({"sticky": 1.0}, "in \\[0, 1\\)")]
)
def test_chance_that_makes_no_sense_is_refused(settings, message):
    with pytest.raises(EvaluationError, match=message):
        Chance(**settings)


def test_a_zip_is_not_loaded_unless_asked(tmp_path):
    (tmp_path / "model.zip").write_bytes(b"PK")
    with pytest.raises(EvaluationError, match="runs code"):
        evaluate(tmp_path / "model.zip", "CartPole-v1", episodes=1)


def test_a_checkpoint_that_no_plugin_knows_is_refused(tmp_path):
    (tmp_path / "weights.unknown").write_bytes(b"?")
    with pytest.raises(EvaluationError, match="no installed plugin can load"):
        evaluate(tmp_path / "weights.unknown", "CartPole-v1", episodes=1)


def test_an_own_batch_is_used_if_it_can_reset_lanes(tmp_path):
    made = []

    class Batch(VectorEnv):
        def __init__(self, num_envs=1, autoreset_mode=None, **kwargs):
            made.append(autoreset_mode)
            self._inner = gymnasium.vector.SyncVectorEnv([Coin] * num_envs, autoreset_mode=autoreset_mode)
            for name in ("metadata", "num_envs", "action_space", "single_action_space", "observation_space"):
                setattr(self, name, getattr(self._inner, name))
            self.single_observation_space = self._inner.single_observation_space

        def reset(self, **kwargs):
            return self._inner.reset(**kwargs)

        def step(self, actions):
            return self._inner.step(actions)

    gymnasium.register("Batch-v0", entry_point=Coin, vector_entry_point=Batch)
    try:
        result = mario_eval.evaluate("random", "Batch-v0", episodes=9, lanes=2)
    finally:
        del gymnasium.registry["Batch-v0"]
    assert made == [gymnasium.vector.AutoresetMode.DISABLED]
    assert returns(result) == returns(evaluate("random", "Coin-v0", episodes=9, lanes=3))
