"""Gray pictures of a step: the first, the last and some between (the manual's A8)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_envs.lane_random import LaneRandom
from mario_envs.observations.base import Observation, Pictures, View


@dataclass(frozen=True)
class Frames(Observation):
    """``count`` gray pictures of the frames that passed in each of the last ``steps`` steps.

    The first and the last frame of a step, and the rest drawn without repetition from those between by the
    lane's own random stream; of one picture, the last frame. A step with fewer frames than pictures repeats
    some. After a reset all are the first frame. ``Frames(count=1, steps=4)`` is the stack of four that most
    work with a fixed frame skip uses (Mnih et al. 2015).

    Attributes:
        count: pictures per step (A8's N).
        height: px.
        width: px.
        steps: steps kept.
    """

    count: int = 4
    height: int = 84
    width: int = 84
    steps: int = 1

    def __post_init__(self) -> None:
        limits = (("count", 1, 64), ("height", 1, 240), ("width", 1, 256), ("steps", 1, 64))
        for name, least, most in limits:
            value = getattr(self, name)
            if value != int(value) or not least <= value <= most:
                raise ValueError(f"{name} must be a whole number from {least} to {most}, not {value!r}")

    @cached_property
    def pictures(self) -> Pictures:  # type: ignore[override]
        """What is drawn of each step."""
        return Pictures(self.count, self.height, self.width)

    @cached_property
    def memory_shape(self) -> tuple[int, ...]:  # type: ignore[override]
        """The pictures of the last steps; nothing if only this one counts."""
        return (self.steps, self.count, self.height, self.width) if self.steps > 1 else (0,)

    @cached_property
    def space(self) -> spaces.Box:
        """Box of uint8 ``[steps * count, height, width]``, in order of time."""
        return spaces.Box(0, 255, (self.steps * self.count, self.height, self.width), np.uint8)

    def keep(
        self, frames: NDArray[np.int32], lanes: NDArray[np.intp], random: LaneRandom
    ) -> NDArray[np.int32]:
        """Choose as the class says; of a step with no more frames than pictures, all of them."""
        chosen = self._all_of_few[np.minimum(frames, self.count)]
        long = np.flatnonzero(frames > self.count)
        chosen[long, -1] = frames[long] - 1
        if self.count > 2 and len(long):
            chosen[long, 1:-1] = self._between(frames[long], lanes[long], random)
        return chosen

    @cached_property
    def _all_of_few(self) -> NDArray[np.int32]:
        """Which frames of a step of 0 to ``count`` frames to take: all, some of them repeatedly."""
        last = np.maximum(np.arange(self.count + 1) - 1, 0)
        return np.linspace(0, last, self.count).round().astype(np.int32).T

    def _between(
        self, frames: NDArray[np.int32], lanes: NDArray[np.intp], random: LaneRandom
    ) -> NDArray[np.int64]:
        """Draw ``count - 2`` of the frames between the first and the last, in order of time."""
        # Floyd's sampling without replacement (CACM 30, 1987, p. 754).
        wanted, between = self.count - 2, frames.astype(np.int64) - 2
        drawn = np.zeros((len(frames), wanted), np.int64)
        for i in range(wanted):
            upper = between - wanted + i
            one = random.below(lanes, upper + 1)
            taken = (drawn[:, :i] == (one + 1)[:, None]).any(axis=1)
            drawn[:, i] = np.where(taken, upper, one) + 1
        drawn.sort(axis=1)
        return drawn

    def observe(self, view: View) -> NDArray[np.uint8]:
        """Return the pictures, those of earlier steps before them."""
        assert view.pictures is not None
        if self.steps == 1:
            return view.pictures
        return self.remember(view, view.pictures).reshape(-1, *self.space.shape)
