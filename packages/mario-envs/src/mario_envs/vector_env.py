"""Super Mario Bros. as a :class:`gymnasium.vector.VectorEnv`: the same step over N lanes."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium.core import RenderFrame
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space, create_empty_array
from numpy.typing import NDArray

from mario_envs.actions.base import ActionError, to_array
from mario_envs.buttons import BUTTON_NAMES
from mario_envs.env import EPISODE_INFO
from mario_envs.lanes import Lanes, Step
from mario_envs.rendering import FPS, RENDER_MODES, Renderer
from mario_envs.settings import Settings


class MarioVectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """A batch of lanes of the game, equal to as many :class:`~mario_envs.env.MarioEnv` step for step.

    Make it with ``gymnasium.make_vec(id, num_envs=N)``. Infos are Gymnasium's dict of arrays with masks.

    Args:
        num_envs: number of lanes.
        render_mode: as for the single environment, but "human" needs one lane; ``render()`` returns a tuple,
            one entry per lane.
        autoreset_mode: Gymnasium's; with "Disabled", ``reset(options={"reset_mask": …})`` resets some lanes.
        **settings: see :class:`mario_envs.settings.Settings`.

    Example:
        >>> import gymnasium, mario_envs
        >>> envs = gymnasium.make_vec("MarioScore-1-1-DiscreteFrames-v0", num_envs=2)
        >>> observations, infos = envs.reset(seed=0)
        >>> observations.shape, infos["x"]
        ((2, 4, 84, 84), array([40, 40]))
        >>> envs.close()
    """

    metadata: dict[str, Any] = {  # noqa: RUF012 (declared so by Gymnasium)
        "render_modes": list(RENDER_MODES),
        "render_fps": FPS,
        "episode_info": EPISODE_INFO,
        "buttons": BUTTON_NAMES,
    }

    def __init__(
        self,
        num_envs: int = 1,
        render_mode: str | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
        **settings: Any,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, not {num_envs!r}")
        if render_mode == "human" and num_envs > 1:
            raise ValueError('render_mode="human" shows one lane only: use num_envs=1')
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self.autoreset_mode}
        self._lanes = Lanes(Settings.from_kwargs(settings), num_envs)
        self._renderer = Renderer(render_mode, self._lanes.screen)
        self.render_mode = render_mode
        self.num_envs = num_envs
        self.single_action_space = self._lanes.action.space
        self.single_observation_space = self._lanes.observation.space
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self._randoms = [seeding.np_random(None)[0] for _ in range(num_envs)]
        self._everyone = np.arange(num_envs)
        self._begun = np.zeros(num_envs, bool)
        self._over = np.zeros(num_envs, bool)
        self._to_begin: list[int] = []
        self._observations = create_empty_array(self.single_observation_space, num_envs)
        # What all lanes saw last, where it is not in there yet: the next step mostly makes that needless.
        self._newest: Any = None

    @property
    def provenance(self) -> dict[str, Any]:
        """JSON-able: the ROM's hash and revision and the plugins' keys, versions and options."""
        return self._lanes.provenance

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin episodes in all lanes, or where ``options["reset_mask"]``, bool ``[num_envs]``, is true.

        Args:
            seed: one for lane 0, counted up for the others; or one per lane, None to go on with its stream.
            options: see above.
        """
        if seed is None or isinstance(seed, int):
            seeds: list[int | None] = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed must be one number or {self.num_envs} of them, not {len(seeds)}")
        mask = np.asarray((options or {}).get("reset_mask", np.ones(self.num_envs, bool)))
        if mask.shape != (self.num_envs,) or mask.dtype != bool or not mask.any():
            raise ValueError(
                f"reset_mask must be a bool array of shape ({self.num_envs},) with one True at least"
            )

        if self._lanes.on_their_way:
            raise ValueError(f"lanes {sorted(self._lanes.on_their_way)} are on their way: call recv() first")
        self._to_begin = []
        self._settle()
        infos: dict[str, Any] = {}
        for lane in np.flatnonzero(mask):
            if seeds[lane] is not None:
                self._randoms[lane] = seeding.np_random(seeds[lane])[0]
            _merge(infos, self._begin(int(lane)), np.array([lane]), self.num_envs)
        return _rows(self._observations, slice(None)), infos

    def step(
        self, actions: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Play one step in every lane; a lane whose episode ended does what the autoreset mode says.

        Raises:
            ActionError: an action has a wrong shape, is not finite or is outside a discrete space; no
                frame has run then.
            ResetNeeded: a lane's episode is over and the autoreset mode is "Disabled".
        """
        lanes = self._everyone
        actions = self._checked(actions, lanes)
        playing = np.flatnonzero(~self._over)
        step = self._lanes.step(playing, actions[playing], self._renderer.on_frame) if len(playing) else None
        rewards, terminated, truncated, infos = self._collect(lanes, playing, step)
        newest = self._observations if self._newest is None else self._newest
        return _rows(newest, slice(None)), rewards, terminated, truncated, infos

    def send(self, actions: Any, lanes: NDArray[np.intp]) -> None:
        """Begin one step in some lanes and return at once, as EnvPool does.

        Lanes of ContinuousFrames take steps of different length; with :meth:`recv` they do not wait for each
        other. Not for rendering.

        Args:
            actions: one row for each of ``lanes``.
            lanes: ``[n]`` different lane numbers, none of which was sent and not yet received.

        Raises:
            ActionError, ResetNeeded: as :meth:`step`.
            ValueError: a lane is on its way already.
            EmulatorError: the emulator has no asynchronous runs.
        """
        lanes = np.asarray(lanes, np.intp)
        self._check_not_sent(lanes.tolist())
        actions = self._checked(actions, lanes)
        self._settle()
        over = self._over[lanes]
        if not over.all():
            self._lanes.send(lanes[~over], actions[~over])
        self._to_begin += lanes[over].tolist()

    def recv(
        self, min_lanes: int = 1
    ) -> tuple[
        NDArray[np.intp], Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]
    ]:
        """Wait for at least ``min_lanes`` of the lanes that were sent, all if there are fewer.

        Returns:
            The lanes, intp ``[m]``, then what :meth:`step` returns, with one row for each of them.
        """
        begin, self._to_begin = np.array(self._to_begin, np.intp), []
        step: Step | None = None
        lanes = begin
        if self._lanes.on_their_way:
            done, step = self._lanes.recv(max(min_lanes - len(begin), 0))
            lanes = np.concatenate([begin, done])
        rewards, terminated, truncated, infos = self._collect(lanes, np.arange(len(begin), len(lanes)), step)
        return lanes, _rows(self._observations, lanes), rewards, terminated, truncated, infos

    def _checked(self, actions: Any, lanes: NDArray[np.intp]) -> NDArray[Any]:
        """Return the actions as an array, one row for each of ``lanes``, none of which needs a reset."""
        over = self._over[lanes] & (self.autoreset_mode is not AutoresetMode.NEXT_STEP)
        stuck = lanes[over | ~self._begun[lanes]].tolist()
        if stuck:
            raise gymnasium.error.ResetNeeded(
                f"episodes of lanes {stuck} are over or not begun: call reset()"
            )
        array = to_array(actions)
        if array.shape[:1] != (len(lanes),):
            raise ActionError(f"there must be one action for each of {len(lanes)} lanes, not {array.shape}")
        return array

    def _collect(
        self, lanes: NDArray[np.intp], rows: NDArray[np.intp], step: Step | None
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Take over a step of ``lanes[rows]``; the other lanes' episodes begin.

        Returns:
            Rewards, flags and infos, one row for each of ``lanes``.
        """
        infos: dict[str, Any] = {}
        all_play = step is not None and lanes is self._everyone and len(rows) == len(lanes)
        if step is not None and all_play and not (step.terminated | step.truncated).any():
            # The usual step, in as few calls as it takes.
            self._newest = step.observations
            _merge(infos, step.infos, rows, len(lanes))
            return step.rewards, step.terminated, step.truncated, infos
        rewards = np.zeros(len(lanes))
        terminated, truncated = np.zeros(len(lanes), bool), np.zeros(len(lanes), bool)
        if step is not None:
            rewards[rows], terminated[rows], truncated[rows] = step.rewards, step.terminated, step.truncated
            over = step.terminated | step.truncated
            self._over[lanes[rows]] = over
            self._newest = None
            _write(self._observations, lanes[rows], step.observations)
            if self.autoreset_mode is AutoresetMode.SAME_STEP and over.any():
                self._restart(lanes, rows, step.infos, infos)
            else:
                _merge(infos, step.infos, rows, len(lanes))
        begin = np.ones(len(lanes), bool)
        begin[rows] = False
        for row in np.flatnonzero(begin):
            _merge(infos, self._begin(int(lanes[row])), np.array([row]), len(lanes))
        return rewards, terminated, truncated, infos

    def _settle(self) -> None:
        """Take over what all lanes saw last, before lanes go ways of their own."""
        if self._newest is not None:
            _write(self._observations, slice(None), self._newest)
            self._newest = None

    def _restart(
        self, lanes: NDArray[np.intp], rows: NDArray[np.intp], stepped: dict[str, Any], infos: dict[str, Any]
    ) -> None:
        """Begin anew where episodes ended; what they ended with goes into final_obs and final_info."""
        over = self._over[lanes[rows]]
        going, ended = rows[~over], rows[over]
        if len(going):
            _merge(infos, _rows(stepped, ~over), going, len(lanes))
        final_obs = np.full(len(lanes), None, dtype=object)
        for row in ended:
            final_obs[row] = _rows(self._observations, int(lanes[row]))
        final_info: dict[str, Any] = {}
        _merge(final_info, _rows(stepped, over), ended, len(lanes))
        mask = np.zeros(len(lanes), bool)
        mask[ended] = True
        infos.update(final_obs=final_obs, _final_obs=mask, final_info=final_info, _final_info=mask.copy())
        for row in ended:
            _merge(infos, self._begin(int(lanes[row])), np.array([row]), len(lanes))

    def _begin(self, lane: int) -> dict[str, Any]:
        """Begin an episode in one lane; return its infos, one row."""
        self._renderer.forget(lane)
        observations, infos = self._lanes.begin(lane, self._randoms[lane], self._renderer.on_frame)
        _write(self._observations, np.array([lane]), observations)
        self._begun[lane], self._over[lane] = True, False
        return infos

    def save_state(self, lane: int) -> bytes:
        """Return one lane's whole state; see :meth:`mario_envs.env.MarioEnv.save_state`."""
        if not self._begun[lane]:
            raise gymnasium.error.ResetNeeded("there is nothing to save before reset()")
        self._check_not_sent([lane])
        self._settle()
        observation, over = _rows(self._observations, lane), bool(self._over[lane])
        return self._lanes.save_state(lane, observation, over, self._randoms[lane])

    def restore_state(self, lane: int, state: bytes) -> tuple[Any, dict[str, Any]]:
        """Put one lane back; see :meth:`mario_envs.env.MarioEnv.restore_state`.

        Returns:
            All lanes' observations, and the infos of this one.
        """
        self._check_not_sent([lane])
        self._settle()
        restored = self._lanes.restore_state(lane, state, self._randoms[lane])
        infos: dict[str, Any] = {}
        _merge(infos, restored.infos, np.array([lane]), self.num_envs)
        self._begun[lane], self._over[lane] = True, restored.over
        _write(self._observations, np.array([lane]), _add_axis(restored.observation))
        self._renderer.forget(lane)
        return _rows(self._observations, slice(None)), infos

    def _check_not_sent(self, lanes: list[int]) -> None:
        busy = sorted(self._lanes.on_their_way.union(self._to_begin).intersection(lanes))
        if busy:
            raise ValueError(f"lanes {busy} were sent and not yet received: call recv() first")

    def render(self) -> tuple[RenderFrame, ...] | None:
        """Return what the render mode says, one entry per lane."""
        if self.render_mode in (None, "human"):
            return None
        return tuple(self._renderer.render(lane) for lane in range(self.num_envs))  # type: ignore[misc]

    def close_extras(self, **kwargs: Any) -> None:
        """Free the emulator and close the window."""
        self._renderer.close()
        self._lanes.close()


def _write(batch: Any, lanes: NDArray[np.intp] | slice, rows: Any) -> None:
    """Write rows into a batch of observations, array or dict of arrays, in place."""
    if isinstance(batch, dict):
        for name, part in batch.items():
            _write(part, lanes, rows[name])
    else:
        batch[lanes] = rows


def _add_axis(observation: Any) -> Any:
    """Return one lane's observation as a batch of one."""
    if isinstance(observation, dict):
        return {name: _add_axis(part) for name, part in observation.items()}
    return observation[None]


def _rows(batch: Any, which: Any) -> Any:
    """Return a copy of some rows of an array, or of each array in a dict."""
    if isinstance(batch, dict):
        return {name: _rows(part, which) for name, part in batch.items()}
    return np.array(batch[which])


def _merge(infos: dict[str, Any], part: dict[str, Any], lanes: NDArray[np.intp], num_envs: int) -> None:
    """Write the infos of some lanes, rising, into Gymnasium's form: arrays of all lanes, masks ``_name``.

    Takes the arrays over as they are where they have all lanes.
    """
    everyone = np.ones(num_envs, bool) if len(lanes) == num_envs else None
    for name, rows in part.items():
        if isinstance(rows, dict):
            _merge(infos.setdefault(name, {}), rows, lanes, num_envs)
        elif everyone is not None:
            infos[name] = rows
        else:
            if name not in infos:
                blank = None if rows.dtype == object else 0
                infos[name] = np.full((num_envs, *rows.shape[1:]), blank, rows.dtype)
            infos[name][lanes] = rows
        mask = f"_{name}"
        if everyone is not None:
            infos[mask] = everyone
        else:
            infos.setdefault(mask, np.zeros(num_envs, bool))[lanes] = True
