"""What is tried in the lanes of a search once they went back to a cell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from mario_envs.buttons import ButtonPlan
from numpy.typing import NDArray

from mario_agents.search.archive import Arrays


class Tries(Protocol):
    """What each lane of a search is trying; lanes are looked at after every plan.

    The loop that calls it::

        while searching:
            tries.go_back(lanes, held)     # those of tries.done, put into cells
            plan = tries.plan()
            tries.ran(emulator.run(all_lanes, plan, stop=...))
            held = tries.held(lane)        # for a cell that is kept now
            tries.give_up(over)            # where Mario died
    """

    @property
    def done(self) -> NDArray[np.bool_]:
        """Where all that was to be tried from a cell has been, bool ``[lanes]``; at first in all lanes."""
        ...

    def go_back(self, lanes: NDArray[np.intp], held: Sequence[bytes]) -> None:
        """Begin anew in lanes that were put into cells.

        Args:
            lanes: ``[n]``, which.
            held: of each, what :meth:`held` gave when its cell was kept; at a stage's start nothing.
        """
        ...

    def plan(self) -> ButtonPlan:
        """Return what is pressed next in every lane, to where the next look is due."""
        ...

    def ran(self, frames: NDArray[np.int32]) -> None:
        """Take note of how many frames of the plan ran, int32 ``[lanes]``; fewer where Mario's way ended."""
        ...

    def give_up(self, lanes: NDArray[np.bool_]) -> None:
        """Try nothing more in these lanes, bool ``[lanes]``."""
        ...

    def held(self, lane: int) -> bytes:
        """Return what has to be known beside the console to go on from here, where a plan has run whole."""
        ...

    def to_arrays(self) -> Arrays:
        """Return all of it as arrays; :meth:`restore` undoes that."""
        ...

    def restore(self, arrays: Arrays) -> None:
        """Go on where :meth:`to_arrays` was called, with as many lanes."""
        ...


class TryRule(Protocol):
    """Says what is tried (Go-Explore's "exploration from cells", Ecoffet et al. 2021, Methods)."""

    def begin(self, lanes: int, random: np.random.Generator) -> Tries:
        """Return the tries of a search that begins.

        Args:
            lanes: of the search.
            random: draws everything.
        """
        ...
