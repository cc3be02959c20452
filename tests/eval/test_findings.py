"""Where points were scored, what baselines did not find, and how the buttons were pressed."""

from collections import Counter

import gymnasium
import mario_eval.recorders.folder as folder_module
import mario_eval.recorders.staging as staging_module
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_eval import evaluate, write_report
from mario_eval.recorders import SCHEMA_VERSION, RecordingFolder
from mario_eval.recordings import Recording
from mario_eval.report.comparison import compare
from mario_eval.report.page import listed_events
from mario_eval.report.place_map import place_maps
from mario_eval.report.subjects import open_subject
from mario_eval.statistics.actions import actions_of
from mario_eval.statistics.hand import BUTTONS, FRAMES_PER_SECOND, hand_of
from mario_eval.statistics.places import ScoreEvent, points_by_place, score_events


class Walk(gymnasium.Env):
    """Ten steps of 40 px, 4 frames each; a coin at 100 px, a block at 200 px for action 1, a pit at 400 px.

    The picture is the level itself, seen from half a screen behind, so that a map of it can be checked.
    """

    metadata = {  # noqa: RUF012 - gymnasium's own way
        "episode_info": ("score", "distance", "clear", "dead"),
        "render_modes": ["rgb_array_list"],
        "render_fps": 60,
    }
    observation_space = gymnasium.spaces.Box(0, 1000, (1,))
    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self, render_mode=None, liar=False):
        self.render_mode, self.liar = render_mode, liar
        columns = np.arange(600)
        self.level = np.stack([columns % 256, columns // 256 * 60, columns % 7 * 30], -1).astype(np.uint8)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.x, self.score, self.t, self.pictures = 0, 0, 0, []
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.t += 1
        before, self.x = self.x, self.x + 40
        for place, points, needs in ((100, 200, None), (200, 1000, 1)):
            if before < place <= self.x and needs in (None, action):
                self.score += points
        screen_x = max(0, self.x - 64)
        picture = np.tile(self.level[screen_x : screen_x + 128], (48, 1, 1))
        picture[30:40, self.x - screen_x : self.x - screen_x + 8] = 255
        self.pictures += [picture] * 4
        dead = self.x >= 400
        # Right is held throughout, A for two frames of every step.
        info = {"score": self.score, "x": self.x, "y": 30, "area": 3, "screen_x": screen_x, "frames": 4}
        info |= {"distance": self.x, "clear": False, "dead": dead, "pressed": np.array([0, 0, 0, 4, 2, 0])}
        reward = float(self.np_random.random()) if self.liar else 1.0
        if self.liar:
            reward += np.random.default_rng().random()
        return np.zeros(1, np.float32), reward, dead, False, info

    def render(self):
        pictures, self.pictures = self.pictures, []
        return pictures


@pytest.fixture(autouse=True, scope="module")
def _walk():
    gymnasium.register("Walk-v0", entry_point=Walk)
    yield
    del gymnasium.registry["Walk-v0"]


@pytest.fixture
def finder(tmp_path, monkeypatch):
    # So that episodes lie in several parts.
    monkeypatch.setattr(staging_module, "_ROWS", 1)
    monkeypatch.setattr(folder_module, "ROWS_PER_PART", 7)
    always = evaluate(
        lambda o, s: np.ones(len(o), int), "Walk-v0", episodes=6, lanes=4, out=tmp_path / "finder"
    )
    return always.folder


@pytest.fixture
def baseline(tmp_path):
    return evaluate("noop", "Walk-v0", episodes=5, out=tmp_path / "baseline").folder


def test_score_events_are_counted_by_place_across_parts(finder):
    recording = Recording(finder)
    assert len(list((finder / "steps").glob("*.parquet"))) > 3
    events = score_events(recording)
    assert events == Counter({ScoreEvent("3", 3, 200): 6, ScoreEvent("3", 6, 1000): 6})
    assert points_by_place(events) == {("3", 3): 1200, ("3", 6): 6000}


def test_hidden_rewards_are_what_baselines_never_got(finder, baseline, tmp_path):
    page = write_report([finder], tmp_path / "p.html", baselines=[baseline], replays=False).read_text("utf-8")
    hidden = page[page.index("Hidden rewards found") :]
    hidden = hidden[: hidden.index("</table>")]
    assert "<td>1,000</td>" in hidden
    assert "192 to 224 px" in hidden
    assert "<td>200</td>" not in hidden
    page = write_report([baseline], tmp_path / "q.html", baselines=[finder], replays=False).read_text("utf-8")
    assert "every score event was had by the baselines too" in page


def test_many_amounts_at_one_place_are_one_line():
    """The end of a stage counts the seconds left: each episode scores another amount there."""
    events = Counter({ScoreEvent("1", 98, 17_000 + 50 * more): 2 for more in range(20)})
    events |= Counter({ScoreEvent("1", 3, 100): 7, ScoreEvent("1", 3, 200): 1})
    assert listed_events(events) == [
        ("17,000 to 17,950", "3136 to 3168 px", "40"),
        ("100", "96 to 128 px", "7"),
        ("200", "96 to 128 px", "1"),
    ]


def test_the_hand_is_measured_in_frames_across_steps_and_parts(finder):
    hand = hand_of(Recording(finder))
    assert hand.presses == {"up": 0, "down": 0, "left": 0, "right": 6, "A": 60, "B": 0}
    assert hand.holds["right"] == (40,) * 5
    assert hand.holds["A"] == (2,) * 5
    # A goes down at each step's start and comes up within it: 20 changes in 40 frames.
    assert hand.changes_per_second == pytest.approx(20 / 40 * FRAMES_PER_SECOND)
    assert hand.distances["A"] > 0


episodes_of_steps = st.lists(
    st.lists(
        st.integers(1, 5).flatmap(
            lambda frames: st.tuples(st.just(frames), st.tuples(*[st.integers(0, frames)] * 6))
        ),
        min_size=1,
        max_size=12,
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(episodes=episodes_of_steps, part=st.integers(1, 20))
def test_the_hand_equals_a_count_frame_by_frame(tmp_path_factory, episodes, part):
    folder = RecordingFolder(tmp_path_factory.mktemp("hand") / "rec", {"schema": SCHEMA_VERSION})
    rows = [
        (number, step, frames, pressed)
        for number, steps in enumerate(episodes)
        for step, (frames, pressed) in enumerate(steps)
    ]
    rows.sort(key=lambda row: row[1])  # lanes are interleaved
    for at, (number, step, frames, pressed) in enumerate(rows):
        columns = {"episode": number, "step": step, "frames": frames, "pressed": pressed}
        folder.steps.append(1, {name: (np.array([value]), None) for name, value in columns.items()})
        if at % part == part - 1:
            folder.flush()
    for number in range(len(episodes)):
        row = {"episode": number, "return": 0.0, "steps": 1}
        folder.episodes.append(1, {name: (np.array([value]), None) for name, value in row.items()})
    folder.close()

    holds, changes, played = [Counter() for _ in BUTTONS], 0, 0
    for steps in episodes:
        down = np.concatenate([np.arange(frames)[:, None] < np.array(pressed) for frames, pressed in steps])
        played += len(down)
        changes += int((np.diff(down, axis=0, prepend=False)).any(axis=1).sum())
        for button, counts in enumerate(holds):
            edges = np.diff(down[:, button].astype(int), prepend=0, append=0)
            counts.update((np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)).tolist())

    hand = hand_of(Recording(folder.path))
    assert hand.presses == {name: counts.total() for name, counts in zip(BUTTONS, holds, strict=True)}
    assert hand.changes_per_second == pytest.approx(changes / played * FRAMES_PER_SECOND)
    for name, counts in zip(BUTTONS, holds, strict=True):
        if counts:
            lengths = sorted(counts.elements())
            assert hand.holds[name][2] == np.quantile(lengths, 0.5, method="inverted_cdf")


def test_the_map_is_the_level_without_the_player_and_deaths_lie_on_it(finder, tmp_path):
    page = write_report([finder], tmp_path / "p.html").read_text("utf-8")
    assert (
        page.count("data:video/mp4;base64,") == 1
    )  # all episodes are alike, the best is the median and the worst
    assert "6 deaths; most: 6 of 6 at 384 to 416 px." in page
    assert list((finder / "map").glob("*.png"))

    import av

    with av.open(str(next((finder / "map").glob("*.png")))) as image:
        picture = next(image.decode(video=0)).to_ndarray(format="rgb24")
    truth = np.tile(Walk().level[: picture.shape[1]], (48, 1, 1))
    seen = (picture == truth).all(axis=-1)
    assert picture.shape[1] == 360 - 64 + 128
    assert seen[:30].all()
    # The player is gone wherever enough looks were taken at a place.
    assert seen[30:40].mean() > 0.95
    areas = place_maps(Recording(finder).episodes, [], {})
    assert [(area.area, area.deaths) for area in areas] == [("3", 6)]


def test_the_video_has_every_frame_and_the_buttons(finder, tmp_path):
    import av

    write_report([finder], tmp_path / "p.html")
    with av.open(str(next((finder / "videos").glob("*.mp4")))) as video:
        stream = video.streams.video[0]
        pictures = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
        assert stream.codec_context.name == "h264"
        assert stream.average_rate == 60
    assert len(pictures) == 40
    height, width = pictures[0].shape[:2]
    assert width == 256
    assert height > 96  # the strip is below the doubled picture
    # A is lit in the first half of a step and not in the second.
    cell = slice(4 * (width // 6) + 12, 5 * (width // 6) - 12)
    lit = [picture[98 : height - 4, cell, 0].mean() for picture in pictures]
    assert lit[0] > lit[2] + 20


def test_actions_are_summed_up_by_kind(finder, tmp_path):
    ones = actions_of(Recording(finder))
    assert ones.discrete
    assert ones.names == ["action 0", "action 1"]
    assert ones.overall_mean.tolist() == [0, 1]

    evaluate("random", "Pendulum-v1", episodes=20, out=tmp_path / "pendulum")
    steps = np.concatenate(
        [np.array(t["action"].to_pylist()) for t in Recording(tmp_path / "pendulum").steps(["action"])]
    )
    numbers = actions_of(Recording(tmp_path / "pendulum"))
    assert not numbers.discrete
    assert numbers.overall_mean == pytest.approx(steps.mean(axis=0))
    assert numbers.overall_std == pytest.approx(steps.std(axis=0))
    assert numbers.mean.shape == (20, 1)
    assert numbers.episodes[-1] == 19


def test_a_replay_that_goes_otherwise_is_told_and_not_shown(tmp_path):
    folder = evaluate("noop", "Walk-v0", episodes=3, env_kwargs={"liar": True}, out=tmp_path / "liar").folder
    page = write_report([folder], tmp_path / "p.html").read_text("utf-8")
    assert "data:video" not in page
    assert "its replay gave a return of" in page
    assert not list((folder / "videos").glob("*.mp4"))


def test_a_second_report_does_not_replay_again(finder, tmp_path, monkeypatch):
    first = write_report([finder], tmp_path / "a.html").read_text("utf-8")
    monkeypatch.setattr("mario_eval.report.media.make_single", None)
    second = write_report([finder], tmp_path / "b.html").read_text("utf-8")
    assert first.count("data:video") == second.count("data:video") == 1


def test_a_comparison_tells_who_beats_whom_and_what_is_unfair(finder, baseline, tmp_path):
    other = evaluate("noop", "CartPole-v1", episodes=5, out=tmp_path / "cartpole").folder
    same = compare([open_subject(finder), open_subject(baseline)])
    assert same.measure == "score"
    assert same.beats[0][2] == "100 %"
    assert same.unique[0][1] == 1
    assert same.unique[1][1] == 0
    assert same.notes == []
    unlike = compare([open_subject(finder), open_subject(other)])
    assert unlike.measure == "return"
    assert "different environments" in unlike.notes[0]


@pytest.mark.parametrize(
    "hostile", ["<script>alert(1)</script>", "</script><b>x", '"><img src=x onerror=alert(1)>']
)
def test_names_from_a_folder_cannot_become_code(tmp_path, hostile):
    folder = evaluate("noop", "Walk-v0", episodes=2, out=tmp_path / "x", policy_name=hostile).folder
    page = write_report([folder], tmp_path / "p.html").read_text("utf-8")
    assert hostile not in page
