"""Hill climbing: try an edit of the best clear in each lane, keep it if the stage is cleared no worse."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from mario_envs.buttons import PLAYED_BITS, ButtonPlan
from mario_envs.emulators.native import NativeEmulator
from mario_envs.game import stages
from mario_envs.game.state import decode
from mario_envs.movies.replay import score_when_counted
from numpy.typing import NDArray

from mario_agents.search.polish.edits import Edit, draw_edit
from mario_agents.search.polish.goals import Cost, PolishGoal

# Frames between two consoles that are kept of a clear, to go back to and to be compared with.
_APART = 32
# Edits drawn for one that is worth playing, at most.
_DRAWS = 50


@dataclass(frozen=True)
class Way:
    """A way through the stage.

    Attributes:
        buttons: of every frame, to the clear.
        score: points when all is counted, where the goal asks for them; else those at the flag or the axe.
        cost: of the goal.
        consoles: as saved before frames 0, 32, 64, …
    """

    buttons: bytes
    score: int
    cost: Cost
    consoles: tuple[bytes, ...]


@dataclass
class _Trial:
    """An edit that a lane plays.

    Attributes:
        way: what is edited.
        edit: of that.
        again: the same edit of the best way that there is now; None where that has changed there.
        buttons: of every frame; the last go on to where a clear would be of no use any more.
        turns: the frames that are still to come in which the buttons change, and the end.
        at: frames that were played.
        consoles: as of a :class:`Way`, so far.
    """

    way: Way
    edit: Edit
    again: Edit | None
    buttons: bytes
    turns: deque[int]
    at: int
    consoles: list[bytes]


class Polisher:
    """Makes a movie better in all lanes of an emulator.

    The loop that calls it::

        polisher = Polisher(emulator, "1-1", buttons, random=random, goal=goal)
        while polisher.frames < budget:
            polisher.advance()
        better = polisher.best.buttons

    An edit is played from the console before it to the stage's end; or, where it does not move what follows,
    to where the console is byte for byte what it was without the edit, as all that follows is the same then.
    What happens depends on the generator and the number of lanes alone, not on the number of threads.

    Args:
        emulator: its lanes are all used.
        stage: "1-1" to "8-4".
        buttons: of every frame, to the clear; of :data:`~mario_envs.buttons.PLAYED` only.
        random: draws everything.
        goal: which clear is the better.

    Raises:
        ValueError: the buttons do not clear the stage in their last frame.

    Attributes:
        best: the best way so far.
        frames: emulated so far, summed over lanes; what is counted after a clear not among them.
        tried: edits that were played.
        kept: of these, edits that made it better.
        since_kept: edits that were played since the last of these.
    """

    def __init__(
        self,
        emulator: NativeEmulator,
        stage: str,
        buttons: bytes,
        *,
        random: np.random.Generator,
        goal: PolishGoal,
    ) -> None:
        self.frames = self.tried = self.kept = self.since_kept = 0
        self._emulator, self._random, self._goal = emulator, random, goal
        self._world_and_stage = stages.parse_stage(stage)
        self._lanes = np.arange(emulator.num_lanes)
        self._first_frames = len(buttons)
        self.best = self._play(stage, buttons)
        #: Edits that made a way better that is the best no longer.
        self._again: deque[Edit] = deque()
        self._trials = [self._begin(lane) for lane in self._lanes.tolist()]

    def _play(self, stage: str, buttons: bytes) -> Way:
        """Play the movie that came in."""
        stages.start_stage(self._emulator, 0, stage)
        start = self._emulator.save(0)
        edit = Edit(0, 0, b"")
        trial = _Trial(Way(buttons, 0, (), (start,)), edit, None, buttons, _turns(buttons, 0), 0, [start])
        over = np.zeros(1, bool)
        while not over[0]:
            cleared, over = self._run([trial])
        if not cleared[0] or trial.at != len(buttons):
            raise ValueError(f"the buttons do not clear stage {stage} in their last frame")
        return self._cleared(trial, self._scores(self._lanes[:1])[0])

    def advance(self) -> None:
        """Play a few frames in every lane, and judge the edits that have come to their end."""
        cleared, over = self._run(self._trials)
        clears = np.flatnonzero(cleared)
        scores = dict(zip(clears.tolist(), self._scores(clears), strict=True))
        for lane, trial in enumerate(self._trials):
            as_before = self._is_as_before(trial)
            if not over[lane] and not as_before:
                continue
            self.tried += 1
            self.since_kept += 1
            if as_before:
                self._judge(trial, self._rejoined(trial))
            elif lane in scores:
                self._judge(trial, self._cleared(trial, scores[lane]))
            self._trials[lane] = self._begin(lane)

    def _begin(self, lane: int) -> _Trial:
        """Put a lane before a new edit of the best way."""
        best, edit = self.best, self._next_edit()
        back = min(edit.begin, len(best.buttons) - 1) // _APART
        self._emulator.restore(lane, best.consoles[back])
        edited = edit.apply(best.buttons)
        most = self._goal.most_frames(len(best.buttons), self._first_frames)
        buttons = (edited + edited[-1:] * (most - len(edited)))[:most]
        at = back * _APART
        return _Trial(best, edit, edit, buttons, _turns(buttons, at), at, [*best.consoles[: back + 1]])

    def _next_edit(self) -> Edit:
        best = self.best
        while self._again:
            edit = self._again.popleft()
            if edit.end <= len(best.buttons) and edit.apply(best.buttons) != best.buttons:
                return edit
        for _ in range(_DRAWS):
            edit = draw_edit(best.buttons, self._random)
            if self._goal.is_worth_playing(edit.apply(best.buttons), best.cost):
                break
        return edit

    def _run(self, trials: list[_Trial]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Play to where buttons change or a console is to be saved; return which cleared, and are over."""
        lanes = self._lanes[: len(trials)]
        frames = [min(trial.turns[0], (trial.at // _APART + 1) * _APART) - trial.at for trial in trials]
        down = np.array([trial.buttons[trial.at] for trial in trials], np.uint8)[:, None] & PLAYED_BITS > 0
        lengths = np.array(frames, np.int32)
        holds = np.where(down, lengths[:, None], 0).astype(np.int32)
        ran = self._emulator.run(lanes, ButtonPlan(holds, lengths, np.zeros_like(holds)), stop=stages.ENDINGS)
        self.frames += int(ran.sum())
        state = decode(self._emulator.ram(lanes))
        # A warp zone leads to another stage, whose flag does not clear this one.
        world, stage = self._world_and_stage
        here = (state.world == world) & (state.stage == stage)
        cleared = state.clear & here
        over = cleared | state.dead | ~here
        for lane, (trial, passed) in enumerate(zip(trials, ran.tolist(), strict=True)):
            trial.at += passed
            if trial.at == trial.turns[0]:
                trial.turns.popleft()
            over[lane] |= not trial.turns
            if not over[lane] and trial.at % _APART == 0:
                trial.consoles.append(self._emulator.save(lane))
        return cleared, over

    def _scores(self, lanes: NDArray[np.intp]) -> list[int]:
        """Return the points of clears: all that the game counts at the end where the goal asks for them."""
        if not len(lanes):
            return []
        if self._goal is PolishGoal.SCORE:
            scores = score_when_counted(self._emulator, lanes)
        else:
            scores = decode(self._emulator.ram(lanes)).score
        return [int(score) for score in scores]

    def _cleared(self, trial: _Trial, score: int) -> Way:
        buttons = trial.buttons[: trial.at]
        return Way(buttons, score, self._goal.cost(buttons, score), tuple(trial.consoles))

    @staticmethod
    def _is_as_before(trial: _Trial) -> bool:
        """Tell whether the edit makes no difference any more."""
        saved = len(trial.consoles) - 1
        return (
            trial.edit.keeps_length
            and trial.at >= trial.edit.end
            and trial.at == saved * _APART
            and saved < len(trial.way.consoles)
            and trial.consoles[-1] == trial.way.consoles[saved]
        )

    def _rejoined(self, trial: _Trial) -> Way:
        way = trial.way
        buttons = trial.edit.apply(way.buttons)
        consoles = (*trial.consoles, *way.consoles[len(trial.consoles) :])
        return Way(buttons, way.score, self._goal.cost(buttons, way.score), consoles)

    def _judge(self, trial: _Trial, way: Way) -> None:
        """Keep a way that is no worse; what made an older one better is tried again.

        Ways that cost the same are gone along, too, as what makes one better may only be possible from
        another (plateau moves).
        """
        better = way.cost < trial.way.cost
        if trial.way is not self.best:
            if better and trial.again is not None:
                self._again.append(trial.again)
        elif way.cost <= self.best.cost:
            self._keep(way, trial.edit)
            if better:
                self.kept += 1
                self.since_kept = 0

    def _keep(self, way: Way, made: Edit) -> None:
        """Make a way the best, and of edits of what was the best edits of it."""
        for trial in self._trials:
            trial.again = None if trial.again is None else trial.again.after(made)
        self._again = deque(edit for each in self._again if (edit := each.after(made)) is not None)
        self.best = way


def _turns(buttons: bytes, begin: int) -> deque[int]:
    """Return the frames after ``begin`` in which the buttons change, and the end."""
    frames = np.frombuffer(buttons, np.uint8)[begin:]
    return deque([*(np.flatnonzero(np.diff(frames)) + begin + 1).tolist(), len(buttons)])
