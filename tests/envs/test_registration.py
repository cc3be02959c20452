"""Every ID can be made, in every documented way, and passes the checkers of Gymnasium and of SB3."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from mario_envs.game.stages import STAGES
from mario_envs.registration import env_ids, register_all

ALL_IDS = env_ids()
STEP_INFOS = {
    "frames", "pressed", "reward_terms", "score", "x", "y", "distance", "screen_x", "area", "stage", "time",
    "coins", "lives", "power_up", "clear", "dead", "episode_frames", "holds",
}  # fmt: skip


@pytest.fixture
def check_for_sb3(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return SB3's checker."""
    # As where gym-super-mario-bros brought no gym: its import prints that it has come to its end.
    monkeypatch.setitem(sys.modules, "gym", None)
    checker = pytest.importorskip(
        "stable_baselines3.common.env_checker", reason="mario-envs alone does not bring Stable-Baselines3"
    )
    check: Callable[..., None] = checker.check_env
    return check


def test_the_ids_are_those_that_were_promised() -> None:
    expected = {
        f"MarioScore-{which}{kind}-v0"
        for kind in ("ContinuousFrames", "DiscreteFrames")
        for which in (*(f"{stage}-" for stage in STAGES), "", "RandomStages-")
    }
    assert set(ALL_IDS) == expected
    assert len(ALL_IDS) == 68


def test_registering_twice_changes_nothing() -> None:
    before = dict(gymnasium.registry)
    register_all()
    assert dict(gymnasium.registry) == before


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_each_id_passes_gymnasiums_checker(env_id: str) -> None:
    env = gymnasium.make(env_id)
    # A warning is an error in these tests.
    # The render modes are the same for every ID and cost a console each: they are tried once, below.
    check_env(env.unwrapped, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("env_id", ALL_IDS)
def test_each_id_passes_sb3s_checker(env_id: str, check_for_sb3: Callable[..., None]) -> None:
    env = gymnasium.make(env_id)
    check_for_sb3(env, warn=True)
    env.close()


@pytest.mark.parametrize("kind", ["ContinuousFrames", "DiscreteFrames"])
def test_render_modes_pass_gymnasiums_checker(kind: str) -> None:
    env = gymnasium.make(f"MarioScore-1-1-{kind}-v0", render_mode="rgb_array")
    check_env(env.unwrapped)
    env.close()


@pytest.mark.parametrize(
    ("settings", "for_sb3"),
    [
        ({"action": {"discrete-frames": {"buttons": "multi-binary"}}}, True),
        ({"action": {"discrete-frames": {"buttons": "all"}}}, True),
        ({"reward": "original"}, True),
        ({"emulator": "nes-py"}, True),
        ({"observation": "tiles"}, True),
        # SB3 advises against action spaces other than (-1, 1).
        ({"action": {"continuous-frames": {"bounds": "sigmoid"}}}, False),
    ],
    ids=str,
)
def test_each_built_in_passes_the_checkers(
    settings: dict[str, Any], for_sb3: bool, check_for_sb3: Callable[..., None]
) -> None:
    env = gymnasium.make("MarioScore-1-1-ContinuousFrames-v0", **settings)
    check_env(env.unwrapped, skip_render_check=True)
    check_for_sb3(env, warn=for_sb3)
    env.close()


@pytest.mark.parametrize("kind", ["ContinuousFrames", "DiscreteFrames"])
def test_infos_and_metadata_are_those_that_tools_read(kind: str) -> None:
    env = gymnasium.make(f"MarioScore-1-1-{kind}-v0")
    _, started = env.reset(seed=0)
    *_, info = env.step(env.action_space.sample())
    assert set(info) == STEP_INFOS
    assert set(started) == STEP_INFOS - {"frames", "pressed", "reward_terms"}
    for name, value in info.items():
        kind_of_value = {
            "reward_terms": dict, "holds": np.ndarray, "pressed": np.ndarray,
            "stage": str, "clear": bool, "dead": bool,
        }.get(name, int)  # fmt: skip
        assert type(value) is kind_of_value, name
    assert info["holds"].shape == (6,)
    assert all(type(value) is float for value in info["reward_terms"].values())
    assert env.metadata["render_fps"] == 60
    assert set(env.metadata["episode_info"]) <= STEP_INFOS
    assert json.loads(json.dumps(env.unwrapped.provenance)) == env.unwrapped.provenance
    assert len(env.unwrapped.provenance["rom"]["sha256"]) == 64
    env.close()


def fresh(code: str) -> str:
    """Run code in a new interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_fresh_process_makes_an_id_that_names_the_module() -> None:
    code = (
        "import gymnasium, sys\n"
        "env = gymnasium.make('mario_envs:MarioScore-1-1-ContinuousFrames-v0')\n"
        "print(env.reset(seed=0)[0].shape, 'gym' in sys.modules, 'torch' in sys.modules)"
    )
    # Neither the unmaintained gym nor torch comes along.
    assert fresh(code) == "(4, 84, 84) False False"


def test_a_fresh_process_makes_a_batch_that_names_the_module() -> None:
    code = (
        "import gymnasium\n"
        "envs = gymnasium.make_vec('mario_envs:MarioScore-1-1-DiscreteFrames-v0', num_envs=2)\n"
        "print(envs.reset(seed=0)[0].shape, type(envs.unwrapped).__name__)"
    )
    assert fresh(code) == "(2, 4, 84, 84) MarioVectorEnv"


def test_a_fresh_process_makes_an_id_after_the_import() -> None:
    code = (
        "import gymnasium, mario_envs\n"
        "print(gymnasium.make('MarioScore-DiscreteFrames-v0').reset(seed=0)[1]['stage'])"
    )
    assert fresh(code) == "1-1"


def test_without_the_import_the_id_is_unknown() -> None:
    code = (
        "import gymnasium\n"
        "try:\n    gymnasium.make('MarioScore-1-1-DiscreteFrames-v0')\n"
        "except gymnasium.error.NameNotFound as error:\n    print('not found')"
    )
    assert fresh(code) == "not found"


@pytest.mark.parametrize(
    ("env_id", "nearest"),
    [
        ("MarioScore-1-1-ContinousFrames-v0", "MarioScore-1-1-ContinuousFrames"),
        ("MarioScore-1-5-DiscreteFrames-v0", "MarioScore-1-[1-4]-DiscreteFrames"),
    ],
)
def test_an_unknown_id_names_the_nearest(env_id: str, nearest: str) -> None:
    with pytest.raises(gymnasium.error.NameNotFound, match=nearest):
        gymnasium.make(env_id)
