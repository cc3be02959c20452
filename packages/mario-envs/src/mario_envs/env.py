"""Super Mario Bros. as a :class:`gymnasium.Env`."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np

from mario_envs.actions.base import Action, to_array
from mario_envs.buttons import BUTTON_NAMES
from mario_envs.lanes import Lanes
from mario_envs.rendering import FPS, RENDER_MODES, Renderer
from mario_envs.settings import Settings

#: Infos worth recording when an episode ends; tools read it from ``env.metadata``.
EPISODE_INFO = ("score", "distance", "clear", "dead", "episode_frames", "stage", "time")

_LANE = np.zeros(1, np.intp)


class MarioEnv(gymnasium.Env[Any, Any]):
    """One lane of the game.

    Make it with :func:`gymnasium.make`; the keyword arguments are those of
    :class:`mario_envs.settings.Settings`.

    Infos of each step: ``frames`` (emulator frames in this step), ``pressed`` (int32 ``[6]``, in how many of
    them each button was down), ``reward_terms`` (dict of float, adding up to the reward), ``score``
    (points), ``x``, ``y``, ``screen_x`` (px), ``area`` (which map x belongs to),
    ``distance`` (px, the farthest x), ``stage`` ("1-1"), ``time`` (game clock), ``coins``, ``lives``,
    ``power_up``, ``clear``, ``dead``, ``episode_frames``, and ``holds`` (int32 ``[6]``, frames still planned
    per button). A reset returns the same without the first three.

    Args:
        render_mode: "rgb_array" (the last picture), "rgb_array_list" (every emulated picture since the last
            call), "human" (a window at 60 frames a second) or None.
        **settings: see :class:`mario_envs.settings.Settings`.

    Example:
        >>> import gymnasium, mario_envs
        >>> env = gymnasium.make("MarioScore-1-1-ContinuousFrames-v0")
        >>> observation, info = env.reset(seed=0)
        >>> observation.shape, info["x"], info["stage"]
        ((4, 84, 84), 40, '1-1')
        >>> *_, info = env.step([0, 0, 0, 0.8, 0, 0.8])  # right and B for 16 frames
        >>> info["frames"]
        16
        >>> env.close()
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (declared so by Gymnasium)
        "render_modes": list(RENDER_MODES),
        "render_fps": FPS,
        "episode_info": EPISODE_INFO,
        "buttons": BUTTON_NAMES,
    }

    def __init__(self, render_mode: str | None = None, **settings: Any) -> None:
        self._lanes = Lanes(Settings.from_kwargs(settings), num_lanes=1)
        self._renderer = Renderer(render_mode, self._lanes.screen)
        self.render_mode = render_mode
        self.action_space = self._lanes.action.space
        self.observation_space = self._lanes.observation.space
        self._over = True
        self._observation: Any = None

    @property
    def action(self) -> Action:
        """The action plugin, which makes button plans of actions."""
        return self._lanes.action

    @property
    def provenance(self) -> dict[str, Any]:
        """JSON-able: the ROM's hash and revision and the plugins' keys, versions and options."""
        return self._lanes.provenance

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; no options are known."""
        super().reset(seed=seed, options=options)
        self._renderer.forget(0)
        observations, infos = self._lanes.begin(0, self.np_random, self._renderer.on_frame)
        self._over, self._observation = False, first_row(observations)
        return deepcopy(self._observation), first_row(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Play one step.

        Raises:
            ActionError: the action has a wrong shape, is not finite or is outside a discrete space; no
                frame has run then.
            RuntimeError: the episode is over.
        """
        if self._over:
            raise gymnasium.error.ResetNeeded("the episode is over, or has not begun: call reset() first")
        step = self._lanes.step(_LANE, to_array(action)[None], self._renderer.on_frame)
        terminated, truncated = bool(step.terminated[0]), bool(step.truncated[0])
        self._over, self._observation = terminated or truncated, first_row(step.observations)
        observation = deepcopy(self._observation)
        return observation, float(step.rewards[0]), terminated, truncated, first_row(step.infos)

    def save_state(self) -> bytes:
        """Return the whole state, random numbers included; everything after a restore goes as it went.

        Raises:
            ResetNeeded: no episode has begun.
            EmulatorError: the emulator cannot save.
        """
        if self._observation is None:
            raise gymnasium.error.ResetNeeded("there is nothing to save before reset()")
        return self._lanes.save_state(0, self._observation, self._over, self.np_random)

    def restore_state(self, state: bytes) -> tuple[Any, dict[str, Any]]:
        """Go back to a saved state of this or an equal environment, or of a lane of an equal batch.

        Returns:
            The observation of that moment, and the infos that a reset would give.

        Raises:
            SavedStateError: the state is damaged, of another version, ROM, emulator or observation.
            EmulatorError: the emulator cannot go back to it (nes-py keeps one state only).
        """
        restored = self._lanes.restore_state(0, state, self.np_random)
        self._over, self._observation = restored.over, restored.observation
        self._renderer.forget(0)
        return deepcopy(self._observation), first_row(restored.infos)

    def render(self) -> Any:
        """Return what the render mode says."""
        return self._renderer.render(0)

    def close(self) -> None:
        """Free the emulator and close the window."""
        self._renderer.close()
        self._lanes.close()


def first_row(batch: Any) -> Any:
    """Return the first lane of an array or of each array in a dict, numbers as Python's own."""
    if isinstance(batch, dict):
        return {name: first_row(value) for name, value in batch.items()}
    row = batch[0]
    return row.item() if isinstance(row, np.generic) else row
