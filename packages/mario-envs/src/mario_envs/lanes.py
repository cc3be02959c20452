"""N lanes of the game: the one place where a step happens, for a single environment and for a batch."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from importlib import metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mario_envs.actions.base import Action, check_actions
from mario_envs.buttons import PLAYED, Button, ButtonPlan
from mario_envs.emulators.default import default_emulator
from mario_envs.emulators.protocol import (
    AsynchronousEmulator,
    Emulator,
    EmulatorError,
    FrameListener,
    StopCondition,
)
from mario_envs.game import ram_map, stages
from mario_envs.game.movement import same_stage, sent_back
from mario_envs.game.ram_map import GameMode
from mario_envs.game.roms import load_rom
from mario_envs.game.state import GameState, decode
from mario_envs.lane_random import LaneRandom
from mario_envs.movies.start import MovieStart
from mario_envs.observations.base import Observation, View
from mario_envs.plugins import answers
from mario_envs.plugins.manager import choose
from mario_envs.rewards.base import Reward
from mario_envs.saved_state import from_parts, name_parts, pack, unpack
from mario_envs.settings import Settings
from mario_envs.standstill import Standstill

LaneNumbers = NDArray[np.intp]


@dataclass(frozen=True)
class Step:
    """What a step brought; row ``i`` of each array belongs to the ``i``-th lane that was stepped.

    Attributes:
        observations: array, or dict of arrays, lanes first; the next step may write over them.
        rewards: float64 ``[lanes]``, the sum of the terms.
        terminated: bool ``[lanes]``.
        truncated: bool ``[lanes]``.
        infos: name → ``[lanes, …]`` array; "reward_terms" is a dict of such.
    """

    observations: Any
    rewards: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    infos: dict[str, Any]


@dataclass(frozen=True)
class Restored:
    """A lane's place after going back to a saved state.

    Attributes:
        observation: of one lane, without a lane axis.
        over: whether its episode was over.
        infos: as in :class:`Step`, of one row.
    """

    observation: Any
    over: bool
    infos: dict[str, Any]


class Lanes:
    """Begins episodes and plays steps in any subset of its lanes; lanes never influence each other.

    Args:
        settings: of the environment.
        num_lanes: how many.

    Raises:
        RomError: the ROM cannot be used.
        UnknownChoiceError, PluginError, ValueError: a plugin cannot be chosen.
        MovieError: episodes cannot begin in the movie; says why.
    """

    def __init__(self, settings: Settings, num_lanes: int) -> None:
        self.settings = settings
        rom = load_rom(settings.rom, allow_unknown=settings.allow_unknown_rom)
        action = choose("action", settings.action)
        reward = choose("reward", settings.reward)
        observation = choose("observation", settings.observation)
        emulator_choice = default_emulator() if settings.emulator is None else settings.emulator
        emulator = choose("emulator", emulator_choice, rom, num_lanes)
        self.action: Action = action.value
        self._action_name = action.name
        self.reward: Reward = reward.value
        self._reward_name = reward.name
        self.observation: Observation = observation.value
        self._observation_name = observation.name
        self.emulator: Emulator = emulator.value
        #: What a manifest should say of this environment.
        self.provenance: dict[str, Any] = {
            "mario-envs": metadata.version("mario-envs"),
            "rom": {"sha256": rom.sha256, "revision": rom.revision},
            "action": action.record,
            "reward": reward.record,
            "observation": observation.record,
            "emulator": emulator.record,
        }
        #: What two environments must share to exchange saved states.
        self._identity: dict[str, Any] = {
            "rom": rom.sha256,
            "emulator": emulator.name,
            "observation": observation.name,
            "observation space": repr(self.observation.space),
            "task": settings.task,
        }

        self._state = GameState.blank(num_lanes)
        self._remaining = np.zeros((num_lanes, len(PLAYED)), np.int32)
        self._released = np.zeros_like(self._remaining)
        self._distance = np.zeros(num_lanes, np.int64)
        self._standstill = Standstill(num_lanes, settings.max_still_seconds, settings.max_stuck_seconds)
        self._random = LaneRandom(num_lanes)
        self._memory = np.zeros((num_lanes, *self.observation.memory_shape), self.observation.memory_dtype)
        self._starts: dict[tuple[int, str], bytes] = {}
        # Where the pictures of a step are drawn; the same memory each time, as new memory must be cleared.
        self._pictures = self._new_pictures(num_lanes)
        #: Lanes that were sent and not yet received, and where their pictures are being drawn.
        self._on_their_way: dict[int, Any] = {}
        try:
            self._movie_start = None if settings.start is None else MovieStart(settings, rom, self.emulator)
        except ValueError:
            self.emulator.close()
            raise

    def begin(
        self, lane: int, random: np.random.Generator, on_frame: FrameListener | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in one lane.

        Args:
            lane: which.
            random: draws the stage, the place in a movie, the frames without a button and the seed of the
                lane's own stream.
            on_frame: called after every emulated frame but the title's and a movie's.

        Returns:
            Observations and infos as in :class:`Step`, of one row.
        """
        lanes = np.array([lane], np.intp)
        stage = self.settings.stages[random.integers(len(self.settings.stages))]
        if self._movie_start is None:
            noops = int(random.integers(self.settings.max_noops + 1))
            self._go_to_start(lane, stage)
        else:
            noops = self._movie_start.go(lane, random)
        self._random.seed(lane, int(random.integers(2**63)))

        # One frame more than asked, to have a picture of.
        pictures, keep = self._new_pictures(1), self._keep_last(lanes, noops + 1)
        idle = ButtonPlan.steady(Button(0), noops + 1)
        self.emulator.run(lanes, idle, keep=keep, pictures=pictures, on_frame=on_frame)
        ram = self.emulator.ram(lanes)
        state = decode(ram)
        self._state.put(lanes, state)
        self._remaining[lanes] = 0
        self._distance[lanes] = state.x
        self._standstill.begin(lanes, state)
        return self._observe(lanes, state, ram, pictures, first=True), self._infos(lanes, state)

    def _go_to_start(self, lane: int, stage: str) -> None:
        """Put one console where its stage begins, from a saved state if there is one."""
        saved = self._starts.get((lane, stage))
        if saved is not None:
            try:
                self.emulator.restore(lane, saved)
                return
            except EmulatorError:  # nes-py keeps one state per lane, and another stage has taken its place
                pass
        stages.start_stage(self.emulator, lane, stage)
        self._starts[lane, stage] = self.emulator.save(lane)

    def step(self, lanes: LaneNumbers, actions: Any, on_frame: FrameListener | None = None) -> Step:
        """Play one step in each named lane.

        Args:
            lanes: ``[n]`` different lane numbers.
            actions: one row for each.
            on_frame: called after every emulated frame.

        Raises:
            ActionError: before any frame runs.
            PluginError: the action, the reward or the observation returned something unusable.
        """
        plan, keep = self._plan(lanes, actions)
        pictures = None if self._pictures is None else self._pictures[: len(lanes)]
        frames = self.emulator.run(
            lanes, plan, stop=stages.ENDINGS, keep=keep, pictures=pictures, on_frame=on_frame
        )
        return self._finish(lanes, frames, pictures, on_frame)

    def send(self, lanes: LaneNumbers, actions: Any) -> None:
        """Begin one step in each named lane and return at once; none of them may be on its way already.

        Raises:
            ActionError: before any frame runs.
            EmulatorError: the emulator cannot do that.
        """
        emulator = self._asynchronous()
        plan, keep = self._plan(lanes, actions)
        pictures = self._new_pictures(len(lanes))
        emulator.send(lanes, plan, stop=stages.ENDINGS, keep=keep, pictures=pictures)
        for row, lane in enumerate(lanes.tolist()):
            self._on_their_way[lane] = None if pictures is None else pictures[row]

    def recv(self, min_lanes: int) -> tuple[LaneNumbers, Step | None]:
        """Wait for at least ``min_lanes`` of the lanes that were sent, all if there are fewer.

        Returns:
            The lanes, ``[m]``, and their steps; None if no lane had to be waited for and none was ready.
        """
        lanes, frames = self._asynchronous().recv(min_lanes)
        if not len(lanes):  # plugins are never asked about no lanes
            return lanes, None
        parts = [self._on_their_way.pop(lane) for lane in lanes.tolist()]
        pictures = self._new_pictures(len(lanes))
        if pictures is not None:
            for row, part in enumerate(parts):
                pictures[row] = part
        return lanes, self._finish(lanes, frames, pictures, None)

    @property
    def on_their_way(self) -> set[int]:
        """The lanes that were sent and not yet received."""
        return set(self._on_their_way)

    def _asynchronous(self) -> AsynchronousEmulator:
        if not isinstance(self.emulator, AsynchronousEmulator):
            raise EmulatorError('this emulator has no send and recv; use step, or emulator="native"')
        return self.emulator

    def _plan(self, lanes: LaneNumbers, actions: Any) -> tuple[ButtonPlan, NDArray[np.int32] | None]:
        """Return the plan of the next step, and which frames to keep a picture of."""
        actions = check_actions(self.action.space, actions, len(lanes))
        plan = answers.plan(self._action_name, self.action, actions, self._remaining[lanes])
        self._remaining[lanes], self._released[lanes] = plan.holds, plan.released
        if self._pictures is None:
            return plan, None
        return plan, self.observation.keep(plan.frames, lanes, self._random)

    def _finish(
        self,
        lanes: LaneNumbers,
        frames: NDArray[np.int32],
        pictures: NDArray[np.uint8] | None,
        on_frame: FrameListener | None,
    ) -> Step:
        """Read what the emulator left, and make reward and observation of it."""
        rows = self._rows(lanes)
        holds = self._remaining[rows]
        pressed = np.maximum(np.minimum(holds, frames[:, None]) - self._released[rows], 0)
        self._remaining[rows] = np.maximum(holds - frames[:, None], 0)
        before = self._state.take(rows)
        ram = self.emulator.ram(lanes)
        after = decode(ram, score_at_start=before.score_at_start, frame=before.frame + frames)
        if (after.clear | after.dead).any():
            ram = self._play_endings(lanes, after, ram, pictures, on_frame)
        after.sent_back[:] = sent_back(before, after)
        rewards, terms = answers.rewards(self._reward_name, self.reward, before, after)
        passed = after.frame - before.frame
        terminated = self._terminated(before, after)
        truncated = self._standstill.lasts_too_long(rows, before, after) & ~terminated
        if after.dead.any():
            after = self._with_new_life(after)

        # `before` may be what is written over here.
        self._state.put(rows, after)
        self._distance[rows] = np.maximum(self._distance[rows], after.x)
        return Step(
            observations=self._observe(rows, after, ram, pictures, first=False),
            rewards=rewards,
            terminated=terminated,
            truncated=truncated,
            infos=self._infos(lanes, after) | {"frames": passed, "pressed": pressed, "reward_terms": terms},
        )

    def _rows(self, lanes: LaneNumbers) -> LaneNumbers | slice:
        """Return what to index all lanes' arrays with: for all in order a slice, which copies nothing."""
        everyone = len(lanes) == len(self._distance) and bool((lanes[:-1] < lanes[1:]).all())
        return slice(None) if everyone else lanes

    def _play_endings(
        self,
        lanes: LaneNumbers,
        after: GameState,
        ram: NDArray[np.uint8],
        pictures: NDArray[np.uint8] | None,
        on_frame: FrameListener | None,
    ) -> NDArray[np.uint8]:
        """Let the game finish what an ending began, with no button pressed, and write it into ``after``.

        A cleared stage counts its time and fireworks into the score; "game" plays on to where the player can
        be steered again. Returns the RAM to observe.
        """
        whole_game = self.settings.task == "game"
        ended = after.clear | after.dead if whole_game else after.clear
        if not ended.any():
            return ram
        # What was planned before belongs to the life or stage that is over.
        self._remaining[lanes[ended]] = 0
        at_axe = ended & (ram_map.GAME_MODE.read(ram) == GameMode.END_OF_WORLD)
        self._idle_until(stages.AFTER_AXE, at_axe, lanes, after, on_frame)
        self._idle_until(stages.AFTER_STAGE, ended & ~at_axe, lanes, after, on_frame)
        if not whole_game:
            # The level that loads next is not this episode's: only the score is.
            after.score[ended] = decode(self.emulator.ram(lanes)).score[ended]
            return ram

        goes_on = ended & ~_at_last_castle(after)
        self._idle_until(stages.AFTER_STAGE, at_axe & goes_on, lanes, after, on_frame)
        self._idle_until(stages.AREA_LOADED, goes_on, lanes, after, on_frame)
        self._idle_until(stages.IN_PLAY, goes_on, lanes, after, on_frame, pictures)
        ram = self.emulator.ram(lanes)
        settled = decode(ram, score_at_start=after.score_at_start, frame=after.frame)
        rows = np.flatnonzero(ended)
        after.put(rows, replace(settled, clear=after.clear, dead=after.dead).take(rows))
        return ram

    def _idle_until(
        self,
        stop: tuple[StopCondition, ...],
        which: NDArray[np.bool_],
        lanes: LaneNumbers,
        after: GameState,
        on_frame: FrameListener | None,
        pictures: NDArray[np.uint8] | None = None,
    ) -> None:
        """Run some lanes with no button until ``stop``; count their frames and take their last picture."""
        rows = np.flatnonzero(which)
        if not len(rows):
            return
        wanted = None if pictures is None else pictures[rows]
        keep = None if wanted is None else self._keep_last(rows, stages.MAX_ENDING_FRAMES)
        idle = ButtonPlan.steady(Button(0), stages.MAX_ENDING_FRAMES, len(rows))
        after.frame[rows] += self.emulator.run(
            lanes[rows], idle, stop=stop, keep=keep, pictures=wanted, on_frame=on_frame
        )
        if pictures is not None and wanted is not None:
            pictures[rows] = wanted

    def _observe(
        self,
        rows: LaneNumbers | slice,
        state: GameState,
        ram: NDArray[np.uint8],
        pictures: NDArray[np.uint8] | None,
        *,
        first: bool,
    ) -> Any:
        """Return the observation plugin's observations, checked."""
        memory = self._memory[rows]
        view = View(
            state=state,
            ram=ram,
            remaining=self._remaining[rows],
            pictures=pictures,
            first=np.full(len(ram), first),
            memory=memory,
        )
        observations = answers.observations(self._observation_name, self.observation, view)
        if not isinstance(rows, slice):
            self._memory[rows] = memory
        return observations

    def _new_pictures(self, lanes: int) -> NDArray[np.uint8] | None:
        wanted = self.observation.pictures
        if wanted is None:
            return None
        return np.zeros((lanes, wanted.count, wanted.height, wanted.width), np.uint8)

    def _keep_last(self, lanes: LaneNumbers, frames: int) -> NDArray[np.int32] | None:
        wanted = self.observation.pictures
        return None if wanted is None else np.full((len(lanes), wanted.count), frames - 1, np.int32)

    def _with_new_life(self, after: GameState) -> GameState:
        """Let the next life's score count from here: a death has taken what was gained before (R4)."""
        return replace(after, score_at_start=np.where(after.dead, after.score, after.score_at_start))

    def _terminated(self, before: GameState, after: GameState) -> NDArray[np.bool_]:
        if self.settings.task == "stage":
            over = after.clear | after.dead
            return over | ~same_stage(before, after) if self.settings.end_at_warp else over
        return (after.lives < 0) | (after.clear & _at_last_castle(before))

    def _infos(self, lanes: LaneNumbers, state: GameState) -> dict[str, Any]:
        return {
            "x": state.x,
            "y": state.y,
            "screen_x": state.screen_x,
            "area": state.area,
            "stage": _STAGE_NAMES[state.world & 0xFF, state.stage & 0xFF],
            "score": state.score,
            "coins": state.coins,
            "time": state.time,
            "lives": state.lives,
            "power_up": state.power_up,
            "clear": state.clear,
            "dead": state.dead,
            "distance": self._distance[lanes],
            "episode_frames": state.frame,
            "holds": self._remaining[lanes],
        }

    def save_state(self, lane: int, observation: Any, over: bool, random: np.random.Generator) -> bytes:
        """Return all there is to know of a lane, which must not be on its way.

        Args:
            lane: which.
            observation: the last that it gave, without a lane axis.
            over: whether its episode is over.
            random: the generator that :meth:`begin` is given for this lane.

        Raises:
            EmulatorError: the emulator cannot save.
        """
        row = np.array([lane])
        state = self._state.take(row)
        arrays = {
            "console": np.frombuffer(self.emulator.save(lane), np.uint8),
            "remaining": self._remaining[lane],
            "distance": self._distance[row],
            **{f"standstill.{name}": array[row] for name, array in self._standstill.arrays().items()},
            "random": self._random.state[row],
            "memory": self._memory[lane],
            **{f"state.{field.name}": getattr(state, field.name) for field in fields(state)},
            **name_parts(observation),
        }
        return pack(arrays, {"over": over, "random": random.bit_generator.state, **self._identity})

    def restore_state(self, lane: int, state: bytes, random: np.random.Generator) -> Restored:
        """Put a lane, and its generator, back to what :meth:`save_state` returned of this or another lane.

        Raises:
            SavedStateError: the state is damaged, of another version, ROM, emulator or observation.
            EmulatorError: the emulator cannot go back to that.
        """
        saved, facts = unpack(state, **self._identity)
        row = np.array([lane])
        self.emulator.restore(lane, saved["console"].tobytes())
        self._remaining[lane] = saved["remaining"]
        self._distance[row] = saved["distance"]
        for name, array in self._standstill.arrays().items():
            array[row] = saved[f"standstill.{name}"]
        self._random.state[row] = saved["random"]
        self._memory[lane] = saved["memory"]
        game = {field.name: saved[f"state.{field.name}"] for field in fields(GameState)}
        self._state.put(row, GameState(**game))
        random.bit_generator.state = facts["random"]
        observation = from_parts(self.observation.space, saved)
        return Restored(observation, bool(facts["over"]), self._infos(row, self._state.take(row)))

    def screen(self, lane: int) -> NDArray[np.uint8]:
        """Return one lane's picture, RGB uint8 ``[240, 256, 3]``."""
        return self.emulator.screen(lane)

    def close(self) -> None:
        """Give the emulator back."""
        self.emulator.close()


def _at_last_castle(state: GameState) -> NDArray[np.bool_]:
    at_last: NDArray[np.bool_] = (state.world == 8) & (state.stage == 4)
    return at_last


# Wrong worlds such as the minus world count on beyond 8; every byte has a name.
_STAGE_NAMES = np.array([[f"{world}-{stage}" for stage in range(256)] for world in range(256)], object)
