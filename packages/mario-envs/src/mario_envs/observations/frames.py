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
    """``count`` gray pictures of the frames that passed in the step.

    The first and the last frame, and the rest drawn without repetition from those between by the lane's own
    random stream. A step with fewer frames than pictures repeats some. After a reset all are the first frame.

    Attributes:
        count: pictures per observation (A8's N).
        height: px.
        width: px.
    """

    count: int = 4
    height: int = 84
    width: int = 84

    def __post_init__(self) -> None:
        for name, least, most in (("count", 2, 64), ("height", 1, 240), ("width", 1, 256)):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} must be between {least} and {most}, not {getattr(self, name)!r}")

    @cached_property
    def pictures(self) -> Pictures:  # type: ignore[override]
        """One picture per channel."""
        return Pictures(self.count, self.height, self.width)

    @cached_property
    def space(self) -> spaces.Box:
        """Box of uint8 ``[count, height, width]``, in order of time."""
        return spaces.Box(0, 255, (self.count, self.height, self.width), np.uint8)

    def keep(
        self, frames: NDArray[np.int32], lanes: NDArray[np.intp], random: LaneRandom
    ) -> NDArray[np.int32]:
        """Choose frame 0, the last, and ``count - 2`` different ones between, where there are so many."""
        last = frames.astype(np.int64) - 1
        chosen = np.zeros((len(frames), self.count), np.int64)
        chosen[:, -1] = last
        # Floyd's sampling without replacement (CACM 30, 1987, p. 754) of `wanted` frames out of 1 … last - 1.
        wanted, between = self.count - 2, last - 1
        for i in range(wanted):
            upper = between - wanted + i
            drawn = random.below(lanes, np.maximum(upper + 1, 1))
            taken = (chosen[:, 1 : 1 + i] == (drawn + 1)[:, None]).any(axis=1)
            chosen[:, 1 + i] = np.where(taken, upper, drawn) + 1
        chosen[:, 1:-1].sort(axis=1)
        too_short = between < wanted
        chosen[too_short] = np.linspace(0, last[too_short], self.count).round().astype(np.int64).T
        return chosen.astype(np.int32)

    def observe(self, view: View) -> NDArray[np.uint8]:
        """Return the pictures as they are."""
        assert view.pictures is not None
        return view.pictures
