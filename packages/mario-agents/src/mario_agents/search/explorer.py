"""Go-Explore's first phase: return to a cell, explore from it, keep the cells that are new or better reached.

Ecoffet, Huizinga, Lehman, Stanley, Clune: "Go-Explore: a New Approach for Hard-Exploration Problems"
(arXiv 1901.10995, 2019) and "First return, then explore" (Nature 590, 2021). Returning is restoring a
console, which takes microseconds here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from mario_envs.buttons import PLAYED_BITS, Button, ButtonPlan
from mario_envs.emulators.native import NativeEmulator
from mario_envs.game import stages
from mario_envs.game.state import GameState, decode
from numpy.typing import NDArray

from mario_agents.search.archive import NO_NODE, Archive, Arrays, join, split
from mario_agents.search.cells import CellRule
from mario_agents.search.goals import Goal
from mario_agents.search.selection import SelectionRule
from mario_agents.search.tries import TryRule

# The lowest row of tiles begins 224 px down, and Mario's y is 32 px above his feet: from below 192 he falls
# out of the picture, and nothing is to be gained by going back there.
_LOWEST = 200


@dataclass(frozen=True)
class Clear:
    """A clear that an explorer came upon.

    Attributes:
        buttons: of every frame from the stage's start.
        score: points at the flag or the axe, before the rest is counted.
        time: the game's clock there.
    """

    buttons: bytes
    score: int
    time: int


class Explorer:
    """Explores one stage in all lanes of an emulator.

    The loop that calls it::

        explorer = Explorer(
            emulator, "1-1", random=random, goal=goal, cells=cells, selection=selection, tries=tries
        )
        while explorer.frames < budget and not (clears := explorer.advance()):
            ...

    What happens depends on the generator and the number of lanes alone, not on the number of threads.

    Args:
        emulator: its lanes are all used.
        stage: "1-1" to "8-4".
        random: draws everything.
        goal: which of two ways to a cell is kept.
        cells: what a cell is.
        selection: which cell is gone back to.
        tries: what is tried from it.

    Attributes:
        archive: what is known.
        frames: emulated so far, summed over lanes.
        farthest: greatest x of a cell, px.
        areas: how many maps were seen.
    """

    def __init__(
        self,
        emulator: NativeEmulator,
        stage: str,
        *,
        random: np.random.Generator,
        goal: Goal,
        cells: CellRule,
        selection: SelectionRule,
        tries: TryRule,
    ) -> None:
        self.archive = Archive()
        self.frames = 0
        self._emulator = emulator
        self._random, self._goal, self._cells, self._selection = random, goal, cells, selection
        lanes = emulator.num_lanes
        self._lanes = np.arange(lanes)
        #: Per lane: the node that it has come from, and the buttons since.
        self._node = np.full(lanes, NO_NODE)
        self._since = [bytearray() for _ in range(lanes)]
        self._tries = tries.begin(lanes, random)
        self._seen: dict[int, int] = {}
        self._world_and_stage = stages.parse_stage(stage)
        self._begin(stage)

    def _begin(self, stage: str) -> None:
        """Put the stage's start into the archive, one frame after it, where an episode begins too."""
        stages.start_stage(self._emulator, 0, stage)
        self._emulator.press(0, Button(0))
        ram = self._emulator.ram(self._lanes[:1])
        state = decode(ram)
        node = self.archive.add_node(NO_NODE, bytes(1))
        key = self._cells(ram, state)[0].tobytes()
        self.archive.keep(key, node, int(state.score[0]), self._emulator.save(0), b"")

    @property
    def farthest(self) -> int:
        """Greatest x of a cell in any map, px."""
        return max(self._seen.values(), default=0)

    @property
    def areas(self) -> int:
        """How many maps were seen."""
        return len(self._seen)

    def advance(self) -> list[Clear]:
        """Play a few frames in every lane; return the clears, in the order of lanes."""
        self._go_back()
        plan = self._tries.plan()
        ran = self._emulator.run(self._lanes, plan, stop=stages.ENDINGS)
        self._tries.ran(ran)
        self.frames += int(ran.sum())
        self._remember(plan, ran)
        ram = self._emulator.ram(self._lanes)
        state = decode(ram)
        # A warp zone leads to another stage, whose flag does not clear this one.
        world, stage = self._world_and_stage
        here = (state.world == world) & (state.stage == stage)
        clears = self._clears(state, here)
        self._keep(ram, state, here)
        self._tries.give_up(state.clear | state.dead | ~here)
        return clears

    def _go_back(self) -> None:
        """Put the lanes that have tried all they were to try into cells."""
        done = np.flatnonzero(self._tries.done)
        if not len(done):
            return
        chosen = self._selection(self.archive.visits, len(done), self._random)
        np.add.at(self.archive.visits, chosen, 1)
        cells = chosen.tolist()
        for lane, cell in zip(done.tolist(), cells, strict=True):
            self._emulator.restore(lane, self.archive.console_of(cell))
            self._node[lane] = self.archive.node_of(cell)
            self._since[lane].clear()
        self._tries.go_back(done, [self.archive.held_in(cell) for cell in cells])

    def _remember(self, plan: ButtonPlan, ran: NDArray[np.int32]) -> None:
        """Write down the buttons of the frames that ran."""
        time = np.arange(int(ran.max()))[:, None]
        down = (plan.released[:, None] <= time) & (time < plan.holds[:, None])
        pressed = down @ PLAYED_BITS
        for lane, frames in enumerate(ran.tolist()):
            self._since[lane] += pressed[lane, :frames].tobytes()

    def _clears(self, state: GameState, here: NDArray[np.bool_]) -> list[Clear]:
        clears = []
        for lane in np.flatnonzero(state.clear & here).tolist():
            buttons = self.archive.buttons_to(int(self._node[lane])) + bytes(self._since[lane])
            clears.append(Clear(buttons, int(state.score[lane]), int(state.time[lane])))
        return clears

    def _keep(self, ram: NDArray[np.uint8], state: GameState, here: NDArray[np.bool_]) -> None:
        """Keep the cells that are new or better reached."""
        keys = self._cells(ram, state)
        scores, xs, areas = state.score.tolist(), state.x.tolist(), state.area.tolist()
        goes_on = here & ~state.clear & ~state.dead & (state.y < _LOWEST)
        for lane in np.flatnonzero(goes_on).tolist():
            key = keys[lane].tobytes()
            node = int(self._node[lane])
            frames = self.archive.frames_to(node) + len(self._since[lane])
            best = self.archive.best(key)
            if best is not None and not self._goal.prefers(frames, scores[lane], *best):
                continue
            node = self.archive.add_node(node, bytes(self._since[lane]))
            held = self._tries.held(lane)
            self.archive.keep(key, node, scores[lane], self._emulator.save(lane), held)
            self._node[lane] = node
            self._since[lane].clear()
            self._seen[areas[lane]] = max(self._seen.get(areas[lane], 0), xs[lane])

    def to_arrays(self) -> Arrays:
        """Return all that decides how the search goes on, but the generator's state."""
        return {
            **{f"archive.{name}": array for name, array in self.archive.to_arrays().items()},
            "frames": np.array(self.frames),
            "seen": np.array(list(self._seen.items()), np.int64).reshape(-1, 2),
            **join("lanes.consoles", [self._emulator.save(lane) for lane in self._lanes.tolist()]),
            **join("lanes.since", [bytes(since) for since in self._since]),
            "lanes.node": self._node,
            **{f"tries.{name}": array for name, array in self._tries.to_arrays().items()},
        }

    def restore(self, arrays: Arrays) -> None:
        """Go on where :meth:`to_arrays` was called, with as many lanes."""
        self.archive = Archive.from_arrays(_under("archive.", arrays))
        self.frames = int(arrays["frames"])
        self._seen = dict(arrays["seen"].tolist())
        for lane, console in enumerate(split("lanes.consoles", arrays)):
            self._emulator.restore(lane, console)
        self._since = [bytearray(since) for since in split("lanes.since", arrays)]
        self._node = arrays["lanes.node"]
        self._tries.restore(_under("tries.", arrays))


def _under(prefix: str, arrays: Arrays) -> Arrays:
    """Return the arrays whose names begin so, without that."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
