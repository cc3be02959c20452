"""Movies: what is written is read back, what is damaged is named, and what a movie says can be proved."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import mario_envs  # noqa: F401 (registers the IDs)
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mario_envs.buttons import PLAYED, Button
from mario_envs.emulators import native
from mario_envs.emulators.protocol import Emulator
from mario_envs.game.roms import bundled_rom, load_rom
from mario_envs.movies.file import from_bytes, read_movie, to_bytes, write_movie
from mario_envs.movies.fm2 import from_fm2, to_fm2
from mario_envs.movies.gains import gains_of
from mario_envs.movies.movie import POWER_ON, Movie, MovieError, Outcome
from mario_envs.movies.replay import differences, record, replay

COMMAND = Path(sys.executable).with_name("mario-envs")
ROM = load_rom()
FCEUX = Path(__file__).with_name("fceux")
needs_native = pytest.mark.skipif(not native.available(), reason="the extension was not built")
#: Runs of any buttons, some of them long, Start and Select and opposite directions among them.
BUTTONS = st.lists(st.tuples(st.integers(0, 255), st.integers(1, 40)), min_size=1, max_size=30).map(
    lambda runs: b"".join(bytes([buttons]) * frames for buttons, frames in runs)
)
STARTS = st.sampled_from(["1-1", "4-4", "8-4", POWER_ON])
#: Mario runs into the first enemy, after jumping once.
SHORT = bytes([0, *[Button.RIGHT] * 20, *[Button.RIGHT | Button.A] * 12, *[Button.RIGHT | Button.B] * 200])


def movie_of(start: str, buttons: bytes) -> Movie:
    """A movie of these buttons whose outcome nobody has seen."""
    outcome = Outcome(len(buttons), 1230, False, True, "0" * 64)
    return Movie(start, buttons, outcome, ROM.sha256, ROM.revision, "builtin/native", "0.1.0")


def cli(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ | {"COLUMNS": "120", "NO_COLOR": "1"},
    )


@pytest.fixture(scope="module")
def short() -> Movie:
    return record("1-1", SHORT)


@settings(deadline=None)
@given(start=STARTS, buttons=BUTTONS)
def test_any_buttons_are_read_back(start: str, buttons: bytes) -> None:
    movie = movie_of(start, buttons)
    assert from_bytes(to_bytes(movie)) == movie


@settings(deadline=None)
@given(start=STARTS, buttons=BUTTONS)
def test_any_buttons_go_through_fm2(start: str, buttons: bytes) -> None:
    assert from_fm2(to_fm2(movie_of(start, buttons), ROM), ROM) == (start, buttons)


def test_a_movie_is_readable_and_small(short: Movie) -> None:
    lines = to_bytes(short).decode().splitlines()
    assert json.loads(lines[0])["start"] == "1-1"
    assert lines[1:4] == ["1", "20 right", "12 right A"]
    assert len(to_bytes(short)) < 1000


def refusal(content: bytes) -> str:
    try:
        from_bytes(content, "x.movie")
    except MovieError as refused:
        return str(refused)
    return "played"


def test_damage_at_any_byte_is_named(short: Movie) -> None:
    content = to_bytes(short)
    for place in range(len(content)):
        for bits in (0x01, 0x20, 0x80):
            damaged = bytearray(content)
            damaged[place] ^= bits
            assert re.fullmatch(r"x\.movie is (not a movie|damaged).*", refusal(bytes(damaged)))


def test_a_truncated_movie_is_named(short: Movie) -> None:
    content = to_bytes(short)
    for length in range(len(content)):
        assert re.search("empty|does not begin with|truncated", refusal(content[:length]))
    assert "truncated" in refusal(content + b"\n")


def signed(text: str) -> bytes:
    """What somebody wrote by hand, with the right checksum."""
    return f"{text}sha256 {hashlib.sha256(text.encode()).hexdigest()}\n".encode()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"version": 1', '"version": 2', "format version 2, this mario-envs reads 1"),
        ('"start": "1-1"', '"start": "9-1"', "starts at '9-1'"),
        ('"score": 0', '"score": "many"', "score is 'many'"),
        ('"clear": false', '"clear": 0', "clear is 0"),
        ("20 right\n", "20 jump\n", "'20 jump' names a button"),
        ("20 right\n", "-20 right\n", "'-20 right' does not begin with"),
        ("20 right\n", "999999 right\n", "'999999 right' does not begin with"),
        ("20 right\n", "21 right\n", "where its header says"),
    ],
)
def test_a_foreign_movie_is_named(short: Movie, old: str, new: str, message: str) -> None:
    text = to_bytes(short).decode()
    body = text[: text.rindex("sha256 ")]
    assert from_bytes(signed(body)) == short
    assert old in body
    with pytest.raises(MovieError, match=re.escape(message)):
        from_bytes(signed(body.replace(old, new, 1)))


def test_a_movie_proves_what_it_says(short: Movie) -> None:
    assert short.outcome.dead
    assert short.outcome.frames < len(SHORT)
    assert differences(short, replay(short)) == []
    boast = replace(short, outcome=replace(short.outcome, score=999_990, clear=True))
    assert differences(boast, replay(boast)) == ["score is 0, not 999990", "clear is False, not True"]
    other = replace(short, buttons=short.buttons[:-10])
    assert any(wrong.startswith("frames is") for wrong in differences(other, replay(other)))


def test_an_episode_and_its_movie_end_alike() -> None:
    env = gymnasium.make("MarioScore-1-2-DiscreteFrames-v0", observation="tiles")
    env.action_space.seed(3)
    _, info = env.reset(seed=0)
    buttons, over = bytearray(1), False  # a reset waits one frame
    while not over:
        *_, terminated, truncated, info = env.step(env.action_space.sample())
        over = terminated or truncated
        down = sum(int(button) for button, frames in zip(PLAYED, info["pressed"], strict=True) if frames)
        buttons += bytes([down]) * int(info["frames"])
    env.close()
    outcome = record("1-2", bytes(buttons)).outcome
    assert (outcome.frames, outcome.score) == (len(buttons), info["score"])
    assert (outcome.clear, outcome.dead) == (info["clear"], info["dead"])


def test_every_emulator_plays_movies(short: Movie) -> None:
    """nes-py cuts frames elsewhere: its movie is its own, and proves itself."""
    movie = record("1-1", SHORT, emulator="nes-py")
    assert movie.outcome.dead
    assert differences(movie, replay(movie, emulator="nes-py")) == []
    if native.available():
        assert abs(movie.outcome.frames - short.outcome.frames) <= 2


def test_another_rom_is_refused(short: Movie) -> None:
    with pytest.raises(MovieError, match=r"recorded with the ROM Europe .* give its own with --rom"):
        replay(replace(short, rom_sha256="1" * 64))
    with pytest.raises(MovieError, match="recorded with the ROM"):
        to_fm2(replace(short, rom_sha256="1" * 64), ROM)


def test_fm2_from_power_on_starts_the_game() -> None:
    """As FCEUX plays it: 42 frames of title, Start, and the stage."""
    text = to_fm2(movie_of(POWER_ON, bytes([*[0] * 40, Button.START, *[0] * 400])), ROM)
    assert text.count("|0|....T...|||") == 1
    assert text.splitlines().index("|0|....T...|||") - text.splitlines().index("|0|........|||") == 42
    start, buttons = from_fm2(text, ROM)
    movie = record(start, buttons)
    assert (movie.start, movie.outcome.frames, movie.outcome.clear) == (POWER_ON, 441, False)
    assert replay(replace(movie, start="1-1")).ram_sha256 != movie.outcome.ram_sha256


#: FCEUX 2.6.5's memory after the movies that it recorded with fceux/record.lua; without the stack, as nobody
#: writes most of that.
IN_FCEUX = {
    "europe": "273f66c3de00c5d31f09351b5fed64194407cfc37ac363f03829cef5b6e8e86f",
    "world": "fe25c52ff1c9da2cb8b5b097f102d6463d3f8d6a95b4227dc937008242d16a5a",
}


@pytest.fixture(scope="module")
def own_roms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundled ROM, and the World revision, made of two that lie together: program and graphics."""
    room = bundled_rom().parent
    parts = [bundled_rom().read_bytes(), (room / "super-mario-bros-rectangle.nes").read_bytes()]
    world = tmp_path_factory.mktemp("roms") / "world.nes"
    graphics = 16 + 32 * 1024
    world.write_bytes(parts[1][:graphics] + parts[0][graphics:])
    return {"europe": bundled_rom(), "world": world}


@needs_native
@pytest.mark.parametrize("revision", IN_FCEUX)
def test_what_fceux_recorded_plays_to_the_same_memory(
    revision: str, own_roms: dict[str, Path], tmp_path: Path
) -> None:
    recorded, imported = FCEUX / f"{revision}.fm2", tmp_path / "imported.movie"
    done = cli("movie", "import", recorded, imported, "--rom", own_roms[revision])
    assert done.returncode == 0, done.stderr
    rom = load_rom(own_roms[revision])
    assert rom.revision.lower() == revision
    memory = b""

    def watch(emulator: Emulator, _: Button) -> None:
        nonlocal memory
        memory = emulator.ram(np.zeros(1, np.intp)).tobytes()

    replay(read_movie(imported), rom=rom, watch=watch)
    assert hashlib.sha256(memory[:0x100] + memory[0x200:]).hexdigest() == IN_FCEUX[revision]
    # And back: FCEUX is given the frames that it wrote.
    frames = [line for line in recorded.read_text().splitlines() if line.startswith("|")]
    assert to_fm2(read_movie(imported), rom).splitlines()[-len(frames) :] == frames


def test_a_movie_of_the_world_revision_needs_its_rom(tmp_path: Path) -> None:
    refused = cli("movie", "import", FCEUX / "world.fm2", tmp_path / "a.movie")
    assert refused.returncode == 1
    assert "is for the World revision, not for the European one that is bundled" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


WORLD = base64.b64encode(bytes.fromhex("8e3630186e35d477231bf8fd50e54cdd")).decode()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            r"romChecksum .*",
            f"romChecksum base64:{WORLD}",
            "for the World revision, not for the European one",
        ),
        (r"romChecksum .*", f"romChecksum base64:{'A' * 22}==", "no known Super Mario Bros."),
        (r"romChecksum .*", "romChecksum what", "does not say which ROM"),
        (r"palFlag 0", "palFlag 1", "palFlag 1, not 0"),
        (r"fourscore 0", "fourscore 1", "fourscore 1, not 0"),
        (r"port0 1", "port0 2", "port0 2, not 1"),
        (r"version 3", "version 2", "version 2, not 3"),
        (r"version 3", "binary 1", "is not an FM2 movie"),
        (r"FDS 0", "FDS 0\nbinary 1", "binary 1, not 0"),
        (r"FDS 0", "FDS 0\nsavestate 0xAB", "a saved state of FCEUX's"),
        (r"\|0\|R\.", "|1|R.", "resets or changes disks in frame 3"),
        (r"\|0\|R\.", "|0|R", "its frame 3 is"),
        (r"stage 1-1", "stage 9-9", "which is no stage"),
    ],
)
def test_fm2_that_cannot_be_played_is_refused(short: Movie, old: str, new: str, message: str) -> None:
    text = to_fm2(short, ROM)
    assert re.search(old, text)
    with pytest.raises(MovieError, match=re.escape(message)) as refused:
        from_fm2(re.sub(old, new, text, count=1), ROM, "x.fm2")
    assert str(refused.value).startswith("x.fm2 ")


def test_a_reset_before_the_first_frame_is_allowed(short: Movie) -> None:
    """Movies made with older versions of FCEUX begin with one."""
    assert from_fm2(to_fm2(short, ROM).replace("|0|", "|1|", 1), ROM) == ("1-1", short.buttons)


def test_the_first_block_of_1_1_gives_a_coin() -> None:
    jump = bytes([*[Button.RIGHT] * 128, *[Button.A] * 30, *[0] * 20])
    (gain,) = gains_of(record("1-1", jump))
    assert gain.points == 200
    assert 240 <= gain.x < 272  # the block lies at 256 px
    assert 128 < gain.frame < 158


def test_the_command_shows_gains(tmp_path: Path) -> None:
    file = tmp_path / "coin.movie"
    write_movie(record("1-1", bytes([*[Button.RIGHT] * 128, *[Button.A] * 30])), file)
    (gain,) = json.loads(cli("movie", "score", file, "--json").stdout)["gains"]
    assert gain["points"] == 200
    assert cli("movie", "score", file).stdout.splitlines()[-1].split()[-1] == "200"


@settings(deadline=None, max_examples=20)
@given(start=st.sampled_from(["1-1", "2-2", "4-4"]), buttons=BUTTONS)
def test_gains_add_up_to_the_score(start: str, buttons: bytes) -> None:
    movie = record(start, buttons)
    gains = gains_of(movie)
    assert sum(gain.points for gain in gains) == movie.outcome.score
    assert all(gain.points > 0 for gain in gains)
    assert [gain.frame for gain in gains] == sorted(gain.frame for gain in gains)


def test_the_commands(short: Movie, tmp_path: Path) -> None:
    file, fm2, again, video = (tmp_path / name for name in ("a.movie", "a.fm2", "b.movie", "a.mp4"))
    write_movie(short, file)
    for arguments in (("export", file, fm2), ("import", fm2, again), ("play", again), ("video", file, video)):
        done = cli("movie", *arguments)
        assert done.returncode == 0, done.stderr
    assert again.read_bytes() == file.read_bytes()
    assert video.read_bytes()[4:8] == b"ftyp"
    assert [row["ok"] for row in json.loads(cli("movie", "verify", file, again, "--json").stdout)] == [
        True
    ] * 2
    write_movie(replace(short, outcome=replace(short.outcome, score=50)), file)
    boast = cli("movie", "verify", file)
    assert (boast.returncode, "score is 0, not 50" in boast.stdout) == (1, True)
    damaged = cli("movie", "play", fm2)
    assert (damaged.returncode, damaged.stdout, damaged.stderr.count("\n")) == (1, "", 1)
    assert f"{fm2} is not a movie of mario-envs" in damaged.stderr


def test_a_movie_is_whole_or_absent(short: Movie, disk_of: object) -> None:
    disk = disk_of("64k")  # type: ignore[operator]
    (disk / "ballast").write_bytes(b"0" * 60_000)
    file = disk / "a.movie"
    write_movie(short, file)
    long = movie_of("1-1", bytes(range(256)) * 40)
    with pytest.raises(OSError, match="No space left"):
        write_movie(long, file)
    assert read_movie(file) == short
    assert sorted(path.name for path in disk.iterdir()) == ["a.movie", "ballast"]
