"""Recorders around environments that somebody else steps agree with what really happened."""

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from mario_eval import write_report
from mario_eval.environments import make_single
from mario_eval.recorders import RecordEnv, Recorder, RecordingFolder, RecordVectorEnv
from mario_eval.recorders.actions import recorded_action
from mario_eval.recordings import Recording
from mario_eval.report.replay import recorded_actions
from mario_eval.schema import SCHEMA_VERSION


class Mixed(gymnasium.Env):
    """Counts to its limit; infos of all kinds, an action space of all kinds."""

    metadata = {"episode_info": ("score", "stage"), "render_modes": []}  # noqa: RUF012 - gymnasium's own way
    observation_space = gymnasium.spaces.Discrete(100)
    action_space = gymnasium.spaces.Dict(
        {"jump": gymnasium.spaces.Discrete(2), "stick": gymnasium.spaces.Box(-1, 1, (2,))}
    )

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.at, self.limit = 0, int(self.np_random.integers(2, 7))
        return 0, {"score": -1}

    def step(self, action):
        self.at += 1
        info = {
            "score": 10 * self.at,
            "stage": f"{self.limit}-1",
            "frames": 2,
            "pressed": np.arange(6) * self.at,
        }
        info["reward_terms"] = {"walk": 1.0, "jump": float(action["jump"])}
        return self.at, 1.0 + float(action["jump"]), self.at == self.limit, False, info


@pytest.fixture(autouse=True, scope="module")
def _mixed():
    gymnasium.register("Mixed-v0", entry_point=Mixed)
    yield
    del gymnasium.registry["Mixed-v0"]


def test_a_wrapped_environment_is_recorded_and_replays(tmp_path):
    env = RecordEnv(gymnasium.make("Mixed-v0"), tmp_path / "rec", policy_name="chance")
    env.action_space.seed(1)
    truth = []
    for seed in (5, 6, 7):
        env.reset(seed=seed)
        total, done = 0.0, False
        while not done:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            total, done = total + reward, terminated or truncated
        truth.append(total)
    env.close()

    recording = Recording(tmp_path / "rec")
    assert recording.manifest["end"] == "complete"
    assert recording.episodes["return"].to_pylist() == truth
    assert recording.episodes["seed"].to_pylist() == [5, 6, 7]
    again = make_single("Mixed-v0", {}, None)
    for row in recording.episodes.to_pylist():
        again.reset(seed=row["seed"])
        values = recorded_actions(recording, row["episode"], row["steps"])
        assert sum(again.step(recorded_action(again.action_space, v))[1] for v in values) == row["return"]
        assert row["score"] == 10 * row["steps"]
        assert row["frames"] == 2 * row["steps"]
        assert row["reward_terms/walk"] + row["reward_terms/jump"] == row["return"]
    pressed = next(recording.steps(["step", "pressed"])).to_pylist()
    assert all(row["pressed"] == [b * (row["step"] + 1) for b in range(6)] for row in pressed)


@pytest.mark.parametrize("mode", list(AutoresetMode))
def test_a_wrapped_batch_counts_each_episode_once_in_every_autoreset_mode(tmp_path, mode):
    lanes = 4
    batch = gymnasium.make_vec(
        "Mixed-v0", num_envs=lanes, vectorization_mode="sync", vector_kwargs={"autoreset_mode": mode}
    )
    envs = RecordVectorEnv(batch, tmp_path / "rec")
    envs.action_space.seed(0)
    envs.reset(seed=11)
    ended = np.zeros(lanes, bool)
    finished = 0
    for _ in range(60):
        if mode is AutoresetMode.DISABLED and ended.any():
            envs.reset(options={"reset_mask": ended.copy()})
        _, _, terminated, truncated, _ = envs.step(envs.action_space.sample())
        ended = terminated | truncated
        finished += int(ended.sum())
    envs.close()

    recording = Recording(tmp_path / "rec")
    rows = recording.episodes.to_pylist()
    assert len(rows) == finished > 30
    assert [row["seed"] for row in rows if row["seed"] is not None] == [11, 12, 13, 14]
    for row in rows:
        # The stage names the episode's own length, so infos of the wrong episode would be seen.
        assert row["stage"] == f"{row['steps']}-1"
        assert row["score"] == 10 * row["steps"]
        assert row["reward_terms/walk"] == row["steps"]


def test_arrays_used_again_gaps_and_terms_that_come_and_go_are_recorded_as_they_were(tmp_path):
    """Two lanes of a batch that writes every step into the same arrays, and NaN where it has no value."""
    space = gymnasium.spaces.Discrete(9)
    x, jump, frames = np.zeros(2, np.int32), np.zeros(2), np.zeros(2, np.int64)
    some = np.array([True, False])
    ended, never = np.zeros(2, bool), np.zeros(2, bool)
    with RecordingFolder(tmp_path / "rec", {"schema": SCHEMA_VERSION}) as folder:
        recorder = Recorder(space, batch_space(space, 2), 2, folder=folder)
        recorder.begin(np.arange(2), [0, 1], [None, None])
        for step in range(6):
            x[:], jump[:], frames[:] = step, [step, np.nan], [4, 99]
            infos = {"frames": frames, "_frames": some}
            if step % 2:
                infos |= {"x": x, "_x": some, "reward_terms": {"jump": jump, "_jump": some}}
            ended[:] = step == 5
            recorder.step(np.full(2, step), np.full(2, 0.5, np.float32), ended, never, infos)
        rows = recorder.finished()
    assert [row["return"] for row in rows] == [3.0, 3.0]
    assert [row["frames"] for row in rows] == [24, 6]
    assert [row["reward_terms/jump"] for row in rows] == [9.0, 0.0]
    assert [row.get("end/x") for row in rows] == [5, None]
    (found,) = Recording(tmp_path / "rec").steps(
        ["episode", "step", "action", "frames", "x", "reward_terms/jump"]
    )
    for row in found.to_pylist():
        first = row["episode"] == 0
        assert row["step"] == row["action"]
        assert row["frames"] == (4 if first else 1)
        assert row["x"] == row["reward_terms/jump"] == (row["step"] if first and row["step"] % 2 else None)


def test_the_callback_records_what_stable_baselines3_plays(tmp_path):
    stable_baselines3 = pytest.importorskip("stable_baselines3", reason="the optional extra mario-eval[sb3]")
    from mario_eval.recorders.sb3 import RecordingCallback
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv

    envs = DummyVecEnv([lambda: Monitor(gymnasium.make("CartPole-v1"))] * 2)
    model = stable_baselines3.PPO("MlpPolicy", envs, n_steps=64, batch_size=64, seed=0, device="cpu")
    model.learn(512, callback=RecordingCallback(tmp_path / "rec"))

    recording = Recording(tmp_path / "rec")
    played = [monitor for env in envs.envs for monitor in env.get_episode_rewards()]
    assert sorted(recording.episodes["return"].to_pylist()) == sorted(played)
    assert sum(table.num_rows for table in recording.steps(["step"])) == 512
    assert {row["name"] for row in recording.scalars()} >= {"train/loss", "train/learning_rate"}
    assert recording.manifest["policy"]["name"] == "PPO"
    page = write_report([tmp_path / "rec"], tmp_path / "page.html").read_text("utf-8")
    changed = page[page.index("What changed in training") :]
    assert "Actions over time" in changed
    assert "<h4>train/loss</h4>" in changed
    assert "the seeds of the episodes were not recorded" in page
