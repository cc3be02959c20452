"""What an observation plugin is: from what a step left behind to what the policy sees, for all lanes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mario_envs.game.state import GameState
from mario_envs.lane_random import LaneRandom


@dataclass(frozen=True)
class Pictures:
    """The gray pictures that an observation wants of each step.

    Attributes:
        count: pictures per step.
        height: px, at most 240.
        width: px, at most 256.
    """

    count: int
    height: int
    width: int


@dataclass(frozen=True)
class View:
    """What an observation may look at; row ``i`` of each array belongs to the same lane.

    Attributes:
        state: the decoded game.
        ram: uint8 ``[lanes, 2048]``.
        remaining: int32 ``[lanes, 6]``, frames still planned for each button.
        pictures: uint8 ``[lanes, count, height, width]``, or None if none were asked for.
        first: bool ``[lanes]``, true where an episode has just begun.
        memory: ``[lanes, *memory_shape]``, this observation's own, kept between steps; written in place.
    """

    state: GameState
    ram: NDArray[np.uint8]
    remaining: NDArray[np.int32]
    pictures: NDArray[np.uint8] | None
    first: NDArray[np.bool_]
    memory: NDArray[Any]


class Observation(ABC):
    """Makes observations. Keeps nothing itself: what must last between steps lies in ``view.memory``.

    Attributes:
        pictures: which pictures it needs; None if it draws nothing, which is much faster.
        memory_shape: shape of what it keeps per lane between steps.
        memory_dtype: dtype of that.
    """

    pictures: Pictures | None = None
    memory_shape: tuple[int, ...] = (0,)
    memory_dtype: ClassVar[type[np.generic]] = np.uint8

    @property
    @abstractmethod
    def space(self) -> spaces.Space[Any]:
        """The observation space of one lane."""

    @abstractmethod
    def observe(self, view: View) -> Any:
        """Return the observations, lanes first: an array, or a dict of arrays for a Dict space.

        They are copied before the next step, so that the view's own arrays may be returned, too.
        """

    @staticmethod
    def remember(view: View, now: NDArray[Any]) -> NDArray[Any]:
        """Add what was seen in this step to the last steps', ``view.memory``, and drop the oldest.

        Args:
            view: as in :meth:`observe`; its memory is ``[lanes, steps, …]``, oldest step first.
            now: ``[lanes, …]``. Where an episode has just begun, every step becomes this one.

        Returns:
            The memory.
        """
        view.memory[:, :-1] = view.memory[:, 1:]
        view.memory[:, -1] = now
        if view.first.any():
            view.memory[view.first] = now[view.first, None]
        return view.memory

    def keep(
        self, frames: NDArray[np.int32], lanes: NDArray[np.intp], random: LaneRandom
    ) -> NDArray[np.int32]:
        """Choose which frames of a step to take pictures of, int32 ``[n, pictures.count]``, rising.

        Args:
            frames: int32 ``[n]``, planned length of each lane's step.
            lanes: ``[n]`` lane numbers, to draw from ``random`` with.
            random: one stream per lane.

        The default takes the last frame only.
        """
        assert self.pictures is not None
        return np.repeat(frames[:, None] - 1, self.pictures.count, axis=1)
