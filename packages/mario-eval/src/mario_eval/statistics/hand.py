"""How like a person's hand the buttons are pressed: changes per second and lengths of holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
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

    ``pressed`` tells for how many frames of a step, from its first, each button was down. A button that is
    down to the end of a step and again in the next is held on. Streams over the steps: memory does not grow
    with their number.
    """
    if "pressed" not in recording.step_columns():
        return None
    lengths: list[Counter[int]] = [Counter() for _ in BUTTONS]
    held: dict[int, NDArray[np.int64]] = {}
    changes = frames_played = 0
    for table in recording.steps(["episode", "step", "frames", "pressed"]):
        part = _part_of(table)
        if part is not None:
            changes += _count_changes(part, held)
            frames_played += int(part.frames.sum())
            for button, counts in enumerate(lengths):
                _count_holds(part, button, held, counts)
            _carry_over(part, held)
    for open_holds in held.values():
        for counts, length in zip(lengths, open_holds.tolist(), strict=True):
            counts[length] += length > 0
    if not frames_played:
        return None
    holds = {
        name: _quantiles(counts) for name, counts in zip(BUTTONS, lengths, strict=True) if counts.total()
    }
    return Hand(
        changes_per_second=changes / (frames_played / FRAMES_PER_SECOND),
        holds=holds,
        presses={name: counts.total() for name, counts in zip(BUTTONS, lengths, strict=True)},
        distances={
            name: float(np.abs(np.log2(np.array(quantiles) / HUMAN_HOLDS[name])).mean())
            for name, quantiles in holds.items()
        },
    )


@dataclass(frozen=True)
class _Part:
    """Steps of several episodes, in order of episode and step.

    ``pressed`` and ``full`` (down to the step's end) are ``[rows, 6]``; ``first`` marks the first row of each
    episode; ``begins`` and ``ends`` are the row numbers of each episode's first and last row, ``episodes``
    their numbers.
    """

    pressed: NDArray[np.int64]
    frames: NDArray[np.int64]
    full: NDArray[np.bool_]
    first: NDArray[np.bool_]
    begins: NDArray[np.intp]
    ends: NDArray[np.intp]
    episodes: list[int]


def _part_of(table: pa.Table) -> _Part | None:
    if "pressed" not in table.column_names or not pa.types.is_fixed_size_list(table["pressed"].type):
        return None
    column: Any = table["pressed"].combine_chunks()
    if column.type.list_size != len(BUTTONS) or column.null_count:
        return None
    episodes = np.asarray(table["episode"].to_numpy(), np.int64)
    order = np.lexsort((np.asarray(table["step"].to_numpy()), episodes))
    episodes = episodes[order]
    pressed = np.asarray(column.flatten().to_numpy(), np.int64).reshape(-1, len(BUTTONS))[order]
    frames = np.asarray(table["frames"].to_numpy(), np.int64)[order]
    first = np.ones(len(episodes), bool)
    first[1:] = episodes[1:] != episodes[:-1]
    begins = np.flatnonzero(first)
    ends = np.append(begins[1:], len(episodes)) - 1
    return _Part(pressed, frames, pressed >= frames[:, None], first, begins, ends, episodes[begins].tolist())


def _count_changes(part: _Part, held: dict[int, NDArray[np.int64]]) -> int:
    """Count edges at each step's start, and the distinct frames within it at which buttons come up."""
    before = np.zeros_like(part.full)
    before[1:] = part.full[:-1]
    before[part.first] = False
    for row, episode in zip(part.begins, part.episodes, strict=True):
        if episode in held:
            before[row] = held[episode] > 0
    at_start = ((part.pressed > 0) != before).any(axis=1)
    within = np.sort(np.where(part.full, 0, part.pressed), axis=1)
    new = within > 0
    new[:, 1:] &= within[:, 1:] != within[:, :-1]
    return int(at_start.sum() + new.sum())


def _count_holds(part: _Part, button: int, held: dict[int, NDArray[np.int64]], counts: Counter[int]) -> None:
    """Count the holds of one button that ended; those open at an episode's last row here go into ``held``."""
    down, full = part.pressed[:, button], part.full[:, button]
    goes_on = np.zeros(len(down), bool)
    goes_on[1:] = full[:-1]
    goes_on[part.first] = False
    hold = np.cumsum((down > 0) & ~goes_on) - 1
    pressed = down > 0
    lengths = np.bincount(hold[pressed], weights=down[pressed], minlength=int(hold[-1]) + 1).astype(np.int64)
    for row, episode in zip(part.begins, part.episodes, strict=True):
        carried = int(held[episode][button]) if episode in held else 0
        if carried and down[row] > 0:
            lengths[hold[row]] += carried
        elif carried:
            counts[carried] += 1
    still_open = part.ends[full[part.ends] & pressed[part.ends]]
    ended = np.ones(len(lengths), bool)
    ended[hold[still_open]] = False
    values, times = np.unique(lengths[ended], return_counts=True)
    counts.update(dict(zip(values.tolist(), times.tolist(), strict=True)))
    part.pressed[part.ends, button] = 0
    part.pressed[still_open, button] = lengths[hold[still_open]]


def _carry_over(part: _Part, held: dict[int, NDArray[np.int64]]) -> None:
    """Keep the open holds of each episode's last row, where :func:`_count_holds` has left their lengths."""
    for row, episode in zip(part.ends, part.episodes, strict=True):
        if part.pressed[row].any():
            held[episode] = part.pressed[row].copy()
        else:
            held.pop(episode, None)


def _quantiles(counts: Counter[int]) -> tuple[float, ...]:
    """Return the hold lengths at 5, 25, 50, 75 and 95 %."""
    lengths = np.array(sorted(counts))
    upto = np.cumsum([counts[length] for length in lengths.tolist()])
    return tuple(float(lengths[np.searchsorted(upto, share * upto[-1])]) for share in _QUANTILES)
