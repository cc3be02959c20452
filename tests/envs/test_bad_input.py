"""Whatever is wrong with the input is said in one line, before the emulator sees any of it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from mario_envs.actions.base import ActionError
from mario_envs.game.roms import RomError, bundled_rom, load_rom
from mario_envs.plugins.errors import PluginError, UnknownChoiceError

CONTINUOUS, DISCRETE = "MarioScore-1-1-ContinuousFrames-v0", "MarioScore-1-1-DiscreteFrames-v0"
HEADER = 16


def rom_bytes() -> bytearray:
    return bytearray(bundled_rom().read_bytes())


def with_byte(offset: int, value: int) -> bytes:
    data = rom_bytes()
    data[offset] = value
    return bytes(data)


BAD_ROMS: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "one byte": (lambda: b"N", "not an iNES file"),
    "bad magic": (lambda: with_byte(0, 0x4D), "not an iNES file"),
    "header only": (lambda: bytes(rom_bytes()[:HEADER]), "truncated"),
    "truncated": (lambda: bytes(rom_bytes()[:-1]), "truncated"),
    "no program": (lambda: with_byte(4, 0), "truncated"),
    "too long": (lambda: bytes(rom_bytes() + b"\0"), "1 bytes more"),
    "mapper 1": (lambda: with_byte(6, 0x11), "mapper 1;"),
    "mapper 16": (lambda: with_byte(7, 0x10), "mapper 16;"),
    "trainer": (lambda: with_byte(6, 0x05), "trainer"),
    "unknown": (lambda: with_byte(HEADER + 100, 0xFF), "allow_unknown_rom=True"),
}


@pytest.mark.parametrize("name", BAD_ROMS)
def test_a_bad_rom_is_refused(tmp_path: Path, name: str) -> None:
    make, message = BAD_ROMS[name]
    file = tmp_path / "game.nes"
    file.write_bytes(make())
    with pytest.raises(RomError, match=message) as caught:
        load_rom(file)
    assert str(file) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "why"), [("missing.nes", "No such file"), (".", "directory")])
def test_a_rom_that_is_no_file_is_refused(tmp_path: Path, name: str, why: str) -> None:
    with pytest.raises(RomError, match=why):
        load_rom(tmp_path / name)


@pytest.mark.parametrize("emulator", ["native", "nes-py"])
@pytest.mark.parametrize("name", ["missing", "empty", "truncated", "mapper 1", "trainer", "unknown"])
def test_a_bad_rom_does_not_crash_the_process(tmp_path: Path, name: str, emulator: str) -> None:
    file = tmp_path / "game.nes"
    if name != "missing":
        file.write_bytes(BAD_ROMS[name][0]())
    code = (
        "import gymnasium, sys\nfrom mario_envs.game.roms import RomError\n"
        "try:\n    gymnasium.make('mario_envs:MarioScore-1-1-DiscreteFrames-v0', "
        "rom=sys.argv[1], emulator=sys.argv[2])\n"
        "except RomError as error:\n    print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(file), emulator], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert str(file) in done.stdout


def test_an_unknown_rom_runs_where_the_user_says_so(tmp_path: Path) -> None:
    file = tmp_path / "hack.nes"
    data = rom_bytes()
    data[-1] ^= 0xFF  # one byte of a picture
    file.write_bytes(data)
    env = gymnasium.make(DISCRETE, rom=file, allow_unknown_rom=True)
    assert env.reset(seed=0)[1]["stage"] == "1-1"
    assert env.unwrapped.provenance["rom"]["revision"] == "unknown"
    env.close()


def test_a_rom_that_is_not_the_game_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.nes"
    data = rom_bytes()
    data[HEADER : HEADER + 0x8000] = b"\x4c\x00\x80" + bytes(0x8000 - 3 - 6) + b"\x00\x80" * 3  # JMP $8000
    file.write_bytes(data)
    env = gymnasium.make(DISCRETE, rom=file, allow_unknown_rom=True)
    with pytest.raises(RuntimeError, match="is this ROM the game"):
        env.reset(seed=0)
    env.close()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rewards": "score"}, "unknown setting 'rewards'; did you mean 'reward'"),
        ({"reward": "scroe"}, "unknown reward 'scroe'; did you mean 'score'"),
        ({"reward": {"scroe": {}}}, "did you mean 'score'"),
        ({"reward": "builtin/scor"}, "did you mean 'builtin/score'"),
        ({"reward": {"score": {"deth": 1.0}}}, "unknown option .*'deth'; did you mean 'death'"),
        ({"action": "discrete-frame"}, "did you mean 'discrete-frames'"),
        ({"action": {"continuous-frames": {"updaet": "add"}}}, "did you mean 'update'"),
        ({"observation": "tile"}, "did you mean 'tiles'"),
        ({"emulator": "nespy"}, "did you mean 'nes-py'"),
        ({"task": "stages"}, "did you mean 'stage'"),
    ],
    ids=str,
)
def test_an_unknown_choice_names_the_nearest(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UnknownChoiceError, match=message) as caught:
        gymnasium.make(CONTINUOUS, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"stages": ("1-1", "1-5")}, "no stage '1-5'.*nearest is"),
        ({"stages": ("9-1",)}, "nearest is"),
        ({"stages": ()}, "stages must be a list"),
        ({"stages": "1-1"}, "stages must be a list"),
        ({"stages": (1,)}, "nearest is"),
        ({"max_noops": -1}, "max_noops"),
        ({"max_noops": 1.5}, "max_noops"),
        ({"max_still_seconds": 0}, "max_still_seconds"),
        ({"max_still_seconds": float("nan")}, "max_still_seconds"),
        ({"max_stuck_seconds": 0}, "max_stuck_seconds"),
        ({"max_stuck_seconds": float("nan")}, "max_stuck_seconds"),
        ({"end_at_warp": "no"}, "end_at_warp"),
        ({"reward": {}}, "one key"),
        ({"reward": {"score": {}, "original": {}}}, "one key"),
        ({"reward": {"score": 3}}, "mapping of a key"),
        ({"action": {"continuous-frames": {"update": "append"}}}, "'replace', 'add', 'keep'"),
        ({"action": {"continuous-frames": {"bounds": "relu"}}}, "'tanh', 'sigmoid'"),
        ({"action": {"continuous-frames": {"select": "one"}}}, "'all', 'longest'"),
        ({"action": {"continuous-frames": {"frames_per_unit": 0}}}, "frames_per_unit"),
        ({"action": {"continuous-frames": {"frames_per_unit": float("inf")}}}, "frames_per_unit"),
        ({"action": {"continuous-frames": {"max_hold": 0}}}, "max_hold"),
        ({"action": {"continuous-frames": {"min_hold": 9, "max_hold": 8}}}, "greater than max_hold"),
        ({"action": {"continuous-frames": {"min_frames": 2.5}}}, "min_frames"),
        ({"action": {"discrete-frames": {"buttons": "few"}}}, "'right-only'"),
        ({"action": {"discrete-frames": {"frames": 0}}}, "frames"),
        ({"observation": {"frames": {"count": 0}}}, "count"),
        ({"observation": {"frames": {"steps": 0}}}, "steps"),
        ({"observation": {"frames": {"height": 241}}}, "height"),
        ({"observation": {"tiles": {"count": 0}}}, "count"),
        ({"render_mode": "rgb"}, "rgb_array"),
    ],
    ids=str,
)
def test_a_bad_setting_is_named(settings: dict[str, Any], message: str) -> None:
    from mario_envs import MarioEnv

    with pytest.raises(ValueError, match=message) as caught:
        MarioEnv(**settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("settings", [{"reward": 3}, {"action": len}, {"emulator": object()}], ids=list)
def test_an_object_that_is_no_plugin_is_refused(settings: dict[str, Any]) -> None:
    from mario_envs import MarioEnv

    with pytest.raises(PluginError, match="is not a"):
        MarioEnv(**settings)


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("env_id", "action"),
    [
        (CONTINUOUS, np.zeros(5)),
        (CONTINUOUS, np.zeros((1, 6))),
        (CONTINUOUS, 0.5),
        (CONTINUOUS, [0, 0, NAN, 0, 0, 0]),
        (CONTINUOUS, [0, 0, INF, 0, 0, 0]),
        (CONTINUOUS, [0, 0, -INF, 0, 0, 0]),
        (CONTINUOUS, ["right"] * 6),
        (CONTINUOUS, None),
        (CONTINUOUS, [[0, 0], [0]]),
        (DISCRETE, 7),
        (DISCRETE, -1),
        (DISCRETE, 0.5),
        (DISCRETE, NAN),
        (DISCRETE, [0]),
        (DISCRETE, "1"),
        (DISCRETE, None),
        (DISCRETE, 2**70),
        (DISCRETE, 1e300),
        ("multi-binary", [0, 0, 0, 2, 0, 0]),
        ("multi-binary", [0, 0, 0]),
    ],
    ids=repr,
)
def test_a_bad_action_is_refused_before_any_frame(env_id: str, action: Any, envs: Any) -> None:
    env, emulator = envs(env_id)
    before = emulator.frames
    with pytest.raises(ActionError) as caught:
        env.step(action)
    assert "\n" not in str(caught.value)
    assert emulator.frames == before
    # The episode goes on as if nothing had been said.
    _, _, terminated, truncated, info = env.step(env.action_space.sample())
    assert not terminated
    assert not truncated
    assert emulator.frames - before == info["frames"]


@pytest.fixture(scope="module")
def envs(make_player: Any) -> Any:
    """Return an environment by ID, just reset and without Gymnasium's own checks, and its emulator."""
    actions: dict[str, Any] = {
        CONTINUOUS: "continuous-frames",
        DISCRETE: "discrete-frames",
        "multi-binary": {"discrete-frames": {"buttons": "multi-binary"}},
    }
    players: dict[str, Any] = {}

    def get(env_id: str) -> Any:
        player = players.setdefault(env_id, None) or make_player("1-1", action=actions[env_id])
        players[env_id] = player.reset()
        return player.env.unwrapped, player.emulator

    return get


def test_box_actions_beyond_their_bounds_are_taken_as_the_bounds(envs: Any, identical: Any) -> None:
    env, _ = envs(CONTINUOUS)
    beyond = env.step([-5, -5, -5, 7, -5, 1.5])
    env, _ = envs(CONTINUOUS)
    at_bounds = env.step([-1, -1, -1, 1, -1, 1])
    assert all(map(identical, beyond, at_bounds))


def test_whole_numbers_of_any_type_are_discrete_actions(envs: Any, identical: Any) -> None:
    brought = []
    for action in (3, np.int64(3), np.uint8(3), np.float32(3), np.array(3)):
        env, _ = envs(DISCRETE)
        brought.append(env.step(action))
    assert all(all(map(identical, brought[0], other)) for other in brought[1:])
