"""How like a person's hand the buttons are pressed: changes per second and lengths of holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_eval.recordings import Recording

#: NES frames in a second.
FRAMES_PER_SECOND = 60.0988

#: Buttons of the ``pressed`` info, in order.
BUTTONS = ("up", "down", "left", "right", "A", "B")

#: Hold lengths in frames at 5, 25, 50, 75 and 95 %, and controller changes per second, of 484 recreated any%
#: speedruns (8,834,068 frames): full-speed expert runs, which press left less than casual play would.
HUMAN_HOLDS = {
    "A": (1, 7, 16, 27, 38),
    "B": (22, 210, 612, 1695, 14567),
    "right": (13, 78, 255, 569, 3428),
    "left": (2, 4, 8, 23, 99),
    "down": (1, 2, 11, 19, 38),
    "up": (1, 2, 4, 47, 683),
}
HUMAN_CHANGES_PER_SECOND = 1.67
_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Hand:
    """How a policy pressed the buttons.

    Attributes:
        changes_per_second: how often the set of buttons that are down changed.
        holds: for each button that was pressed, the hold lengths in frames at 5, 25, 50, 75 and 95 %.
        presses: for each button, how often it was pressed.
        distances: for each button pressed, the mean gap between its quantiles and people's, in powers of two:
            0 is the same, 1 is half or twice as long.
    """

    changes_per_second: float
    holds: dict[str, tuple[float, ...]]
    presses: dict[str, int]
    distances: dict[str, float]


def hand_of(recording: Recording) -> Hand | None:
    """Measure the hand of a recording; None if its environment has no six-button ``pressed`` info.

    ``pressed`` tells for how many frames of a step each button was down. A button that is down to the end of
    a step and again in the next is held on. Streams over the steps.
    """
    if "pressed" not in recording.step_columns():
        return None
    lengths: list[list[int]] = [[] for _ in BUTTONS]
    open_holds: dict[int, NDArray[np.int64]] = {}
    changes = frames_played = 0
    for table in recording.steps(["episode", "step", "frames", "pressed"]):
        rows = table.sort_by([("episode", "ascending"), ("step", "ascending")])
        if "pressed" not in rows.column_names:
            continue
        pressed = np.array(rows["pressed"].to_pylist(), dtype=np.int64)
        if pressed.ndim != 2 or pressed.shape[1] != len(BUTTONS):
            return None
        episodes: Any = rows["episode"].to_numpy()
        frames = np.asarray(rows["frames"].to_numpy(), np.int64)
        frames_played += int(frames.sum())
        for episode, length, down in zip(episodes.tolist(), frames.tolist(), pressed, strict=True):
            held = open_holds.get(episode)
            if held is None:
                held = open_holds[episode] = np.zeros(len(BUTTONS), np.int64)
            # Edges at the step's start, then those of buttons that come up within it, at distinct frames.
            changes += int(((held > 0) != (down > 0)).any())
            released_within = (down > 0) & (down < length)
            changes += len(set(down[released_within].tolist()))
            for button in np.flatnonzero((held > 0) & (down == 0)):
                lengths[button].append(int(held[button]))
            held[:] = np.where(down > 0, held + down, 0)
            for button in np.flatnonzero(released_within):
                lengths[button].append(int(held[button]))
                held[button] = 0
    for held in open_holds.values():
        for button in np.flatnonzero(held):
            lengths[button].append(int(held[button]))
    if not frames_played:
        return None
    holds = {
        name: tuple(float(q) for q in np.quantile(lengths[index], _QUANTILES))
        for index, name in enumerate(BUTTONS)
        if lengths[index]
    }
    return Hand(
        changes_per_second=changes / (frames_played / FRAMES_PER_SECOND),
        holds=holds,
        presses={name: len(lengths[index]) for index, name in enumerate(BUTTONS)},
        distances={
            name: float(np.abs(np.log2(np.array(quantiles) / HUMAN_HOLDS[name])).mean())
            for name, quantiles in holds.items()
        },
    )
