"""Gymnasium's render modes: the last picture, every picture, or a window."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_envs.buttons import BUTTON_NAMES, PLAYED, Button

RENDER_MODES = ("rgb_array", "rgb_array_list", "human")
FPS = 60

_SCALE = 3
_PANEL_HEIGHT = 40
_LABELS = dict(zip(PLAYED, BUTTON_NAMES, strict=True))


class Window:
    """A desktop window that shows frames at 60 a second, with the buttons that are held under the picture.

    Closing the window or pressing Escape raises KeyboardInterrupt, as Ctrl-C does.
    """

    def __init__(self) -> None:
        import pygame  # only here: a server has no use for it

        self._pygame: Any = pygame
        pygame.display.init()
        pygame.font.init()
        pygame.display.set_caption("Super Mario Bros.")
        self._surface = pygame.display.set_mode((256 * _SCALE, 240 * _SCALE + _PANEL_HEIGHT))
        self._font = pygame.font.Font(None, 28)
        self._clock = pygame.time.Clock()

    def show(self, picture: NDArray[np.uint8], buttons: Button) -> None:
        """Draw one frame and wait until its time has come.

        Args:
            picture: RGB uint8 ``[240, 256, 3]``.
            buttons: held in this frame.
        """
        pygame = self._pygame
        image = pygame.surfarray.make_surface(picture.swapaxes(0, 1))
        self._surface.fill((20, 20, 24))
        self._surface.blit(pygame.transform.scale_by(image, _SCALE), (0, 0))
        for column, button in enumerate(PLAYED):
            held = bool(buttons & button)
            text = self._font.render(_LABELS[button], True, (255, 210, 80) if held else (90, 90, 100))
            self._surface.blit(text, (20 + column * 124, 240 * _SCALE + 10))
        pygame.display.flip()
        self._clock.tick(FPS)
        for event in pygame.event.get():
            escape = event.type == pygame.KEYDOWN and event.key == pygame.K_ESCAPE
            if event.type == pygame.QUIT or escape:
                raise KeyboardInterrupt("the window was closed")

    def close(self) -> None:
        """Close the window."""
        self._pygame.display.quit()
        self._pygame.font.quit()


class Renderer:
    """Collects what :meth:`gymnasium.Env.render` returns, from frames as they are emulated.

    Args:
        mode: one of :data:`RENDER_MODES`, or None to draw nothing.
        screen: returns a lane's current picture.
    """

    def __init__(self, mode: str | None, screen: Any) -> None:
        if mode is not None and mode not in RENDER_MODES:
            raise ValueError(f"render_mode must be one of {', '.join(RENDER_MODES)} or None, not {mode!r}")
        self.mode = mode
        self._screen = screen
        self._frames: dict[int, list[NDArray[np.uint8]]] = {}
        self._window: Window | None = None

    @property
    def on_frame(self) -> Any:
        """What the emulator calls after each frame; None where nobody wants to see each."""
        return {"rgb_array_list": self._collect, "human": self._show}.get(self.mode or "")

    def _collect(self, lane: int, buttons: Button) -> None:
        self._frames.setdefault(lane, []).append(self._screen(lane))

    def _show(self, lane: int, buttons: Button) -> None:
        if self._window is None:
            self._window = Window()
        self._window.show(self._screen(lane), buttons)

    def render(self, lane: int) -> NDArray[np.uint8] | list[NDArray[np.uint8]] | None:
        """Return the lane's picture, or all its pictures since the last call, or nothing."""
        if self.mode == "rgb_array":
            picture: NDArray[np.uint8] = self._screen(lane)
            return picture
        if self.mode == "rgb_array_list":
            return self._frames.pop(lane, [])
        return None

    def forget(self, lane: int) -> None:
        """Drop the pictures that were collected of a lane."""
        self._frames.pop(lane, None)

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None
