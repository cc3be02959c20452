"""The render modes: the last picture, every emulated picture, and a window."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
import pytest

ENV_ID = "MarioScore-1-1-DiscreteFrames-v0"


def test_rgb_array_is_the_last_picture() -> None:
    env = gymnasium.make(ENV_ID, render_mode="rgb_array")
    env.reset(seed=0)
    first = env.render()
    assert first.shape == (240, 256, 3)
    assert first.dtype == np.uint8
    # The sky is blue and the ground is brown: the channels are in the order red, green, blue.
    assert first[60, 10].argmax() == 2
    assert first[230, 100].argmax() == 0
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 5
    for _ in range(10):
        env.step(3)
    second = env.render()
    assert not np.array_equal(first, second)
    assert np.array_equal(second, env.render())
    assert not np.shares_memory(first, second)
    env.close()


def test_rgb_array_list_has_every_emulated_frame_once() -> None:
    env = gymnasium.make(ENV_ID, render_mode="rgb_array_list")
    env.reset(seed=0)
    assert len(env.render()) == 1
    frames = 0
    for action in (3, 4, 0):
        frames += env.step(action)[-1]["frames"]
    pictures = env.render()
    assert len(pictures) == frames == 12
    assert all(picture.shape == (240, 256, 3) for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) > 6
    assert env.render() == []
    env.close()


def test_rgb_array_list_forgets_the_last_episode() -> None:
    env = gymnasium.make(ENV_ID, render_mode="rgb_array_list", max_noops=0)
    env.reset(seed=0)
    env.step(3)
    env.reset(seed=0)
    assert len(env.render()) == 1
    env.close()


def test_what_the_game_plays_by_itself_is_shown_too() -> None:
    """After the flag the game runs on within the last step; a film must not lack its end."""
    env = gymnasium.make(
        "MarioScore-DiscreteFrames-v0",
        render_mode="rgb_array_list",
        action={"discrete-frames": {"frames": 8}},
    )
    env.reset(seed=0)
    env.render()
    while True:  # to the first enemy
        *_, info = env.step(1)
        pictures = env.render()
        assert len(pictures) == info["frames"]
        if info["dead"]:
            break
    assert info["frames"] > 100
    env.close()


def test_drawing_changes_nothing(identical: Callable[[Any, Any], bool]) -> None:
    plain = gymnasium.make(ENV_ID)
    drawn = [gymnasium.make(ENV_ID, render_mode=mode) for mode in ("rgb_array", "rgb_array_list")]
    envs = [plain, *drawn]
    starts = [env.reset(seed=4) for env in envs]
    steps = [[env.step(action) for action in (3, 4, 4, 1, 6)] for env in envs]
    for env, start, brought in zip(envs, starts, steps, strict=True):
        assert identical(start[0], starts[0][0])
        for one, other in zip(brought, steps[0], strict=True):
            assert all(map(identical, one, other))
        env.close()


def test_a_batch_renders_each_lane() -> None:
    envs = gymnasium.make_vec(ENV_ID, num_envs=2, render_mode="rgb_array_list")
    envs.reset(seed=0)
    envs.render()
    envs.step(np.array([3, 0]))
    first, second = envs.render()
    assert len(first) == len(second) == 4
    assert not np.array_equal(first[-1], second[-1])
    envs.close()
    envs = gymnasium.make_vec(ENV_ID, num_envs=2, render_mode="rgb_array")
    envs.reset(seed=0)
    assert [picture.shape for picture in envs.render()] == [(240, 256, 3)] * 2
    envs.close()


WINDOW = """
import time, gymnasium, mario_envs
env = gymnasium.make("MarioScore-1-1-DiscreteFrames-v0", render_mode="human")
env.reset(seed=0)
begun = time.perf_counter()
frames = sum(env.step(3)[-1]["frames"] for _ in range(15))
took = time.perf_counter() - begun
assert env.render() is None
env.close()
print(frames / took)
"""


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | environment,
    )


def test_human_shows_sixty_frames_a_second() -> None:
    done = run(WINDOW, SDL_VIDEODRIVER="dummy")
    assert done.returncode == 0, done.stderr
    # A busy machine may be slower; faster than a television must not be.
    assert 20 < float(done.stdout.splitlines()[-1]) < 75


def test_the_window_shows_the_held_buttons() -> None:
    code = (
        "import numpy as np, pygame\n"
        "from mario_envs.buttons import Button\n"
        "from mario_envs.rendering import Window\n"
        "window = Window()\n"
        "picture = np.full((240, 256, 3), (10, 200, 30), np.uint8)\n"
        "def panel(buttons):\n"
        "    window.show(picture, buttons)\n"
        "    shown = pygame.surfarray.array3d(pygame.display.get_surface())\n"
        "    assert (shown[:, :720] == (10, 200, 30)).all()\n"
        "    return shown[:, 720:]\n"
        "none, right, both = panel(Button(0)), panel(Button.RIGHT), panel(Button.RIGHT | Button.A)\n"
        "bright = lambda panel: {int(x) // 124 for x in np.argwhere(panel[..., 0] > 200)[:, 0] - 20}\n"
        "print(bright(none), bright(right), bright(both))"
    )
    done = run(code, SDL_VIDEODRIVER="dummy")
    assert done.returncode == 0, done.stderr
    # Columns are up, down, left, right, A, B.
    assert done.stdout.splitlines()[-1] == "set() {3} {3, 4}"


@pytest.mark.parametrize("event", ["pygame.event.Event(pygame.QUIT)", "escape"])
def test_closing_the_window_ends_the_program_as_ctrl_c_does(event: str) -> None:
    escape = "pygame.event.Event(pygame.KEYDOWN, key=pygame.K_ESCAPE)"
    code = (
        "import gymnasium, mario_envs, pygame\n"
        "env = gymnasium.make('MarioScore-1-1-DiscreteFrames-v0', render_mode='human')\n"
        "env.reset(seed=0)\n"
        f"pygame.event.post({escape if event == 'escape' else event})\n"
        "try:\n    env.step(3)\nexcept KeyboardInterrupt:\n    print('closed')\n"
        "env.close()"
    )
    done = run(code, SDL_VIDEODRIVER="dummy")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "closed"


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="needs Xvfb, an X server without a screen")
def test_a_real_window_opens_on_an_x_server() -> None:
    read, write = os.pipe()
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(write), "-screen", "0", "1024x900x24"],
        pass_fds=[write],
        stderr=subprocess.DEVNULL,
    )
    try:
        os.close(write)
        with os.fdopen(read) as answer:
            display = answer.readline().strip()
        done = run(WINDOW, SDL_VIDEODRIVER="x11", DISPLAY=f":{display}")
        assert done.returncode == 0, done.stderr
        assert 20 < float(done.stdout.splitlines()[-1]) < 75
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(timeout=10)
