"""A batch of Gymnasium lanes in the shape that Stable-Baselines3 samples from."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.envs.registration import EnvSpec, load_env_creator
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray
from stable_baselines3.common.vec_env.base_vec_env import VecEnv, VecEnvIndices, VecEnvObs, VecEnvStepReturn

from mario_agents.sampling.hold_counts import HoldCounts
from mario_agents.sampling.skipping import MOST_FAILURES, TROUBLE, SkipTrouble, check_numbers, say


def make_lanes(
    spec: EnvSpec,
    lanes: int,
    env_kwargs: Mapping[str, Any],
    infos: Collection[str] | None = None,
    *,
    skip: bool = False,
) -> LaneVecEnv:
    """Make a batch of environments that start the next episode in the step that ends one.

    The environment's own batch is used where it has one that resets in the same step; others (Gymnasium's
    CartPole resets one step late) run lane by lane.

    Args:
        spec: the environment's registration.
        lanes: number of environments in the batch, at least 1.
        env_kwargs: keyword arguments of the environment.
        infos: see :class:`LaneVecEnv`.
        skip: drop the episodes of environments that fail, and go on; see :class:`SkipTrouble`.
    """
    autoreset: dict[str, Any] = {"autoreset_mode": AutoresetMode.SAME_STEP}
    if _batch_can_reset_in_step(spec):
        options: dict[str, Any] = {**autoreset, **env_kwargs}
        batch = gymnasium.make_vec(spec, num_envs=lanes, **options)
        return LaneVecEnv(batch, infos, skip=skip)
    batch = gymnasium.make_vec(
        spec,
        num_envs=lanes,
        vectorization_mode="sync",
        vector_kwargs=autoreset,
        wrappers=[SkipTrouble] if skip else [],
        **env_kwargs,
    )
    return LaneVecEnv(batch, infos)


def _batch_can_reset_in_step(spec: EnvSpec) -> bool:
    entry_point = spec.vector_entry_point
    if entry_point is None:
        return False
    creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
    return "autoreset_mode" in inspect.signature(creator).parameters


class LaneVecEnv(VecEnv):
    """Stable-Baselines3's ``VecEnv`` over a :class:`gymnasium.vector.VectorEnv`.

    One call of the batch serves all lanes. At an episode's end the returned observation is the next episode's
    first, and the lane's info is that of the last step with ``terminal_observation`` and
    ``TimeLimit.truncated`` added, from which the algorithms bootstrap.

    Args:
        batch: a vector environment whose autoreset mode is ``SAME_STEP``.
        infos: names of the infos to pass on, beside those of an episode's last step; None is all. A dict per
            lane and step is costly.
        skip: where the batch raises or gives numbers that are not finite, mark the step in all of its lanes
            with the info :data:`~mario_agents.sampling.skipping.TROUBLE` and begin their next episodes: what
            raised in a batch of its own cannot be told to be one lane's.

    Attributes:
        batch: the vector environment.
        holds: how long buttons were held, where the batch tells of that.

    Example:
        >>> batch = gymnasium.make_vec("Pendulum-v1", num_envs=2, vectorization_mode="sync",
        ...                            vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP})
        >>> lanes = LaneVecEnv(batch)
        >>> lanes.reset().shape
        (2, 3)
    """

    def __init__(
        self, batch: VectorEnv[Any, Any, Any], infos: Collection[str] | None = None, *, skip: bool = False
    ) -> None:
        if batch.metadata.get("autoreset_mode") is not AutoresetMode.SAME_STEP:
            raise ValueError("the batch must reset in the same step (autoreset_mode SAME_STEP)")
        self.batch, self._infos = batch, infos
        self.holds = HoldCounts()
        self._skip, self._failures = skip, 0
        self._actions: NDArray[Any] | None = None
        self._last_observations: VecEnvObs | None = None
        super().__init__(batch.num_envs, batch.single_observation_space, batch.single_action_space)

    def reset(self) -> VecEnvObs:
        """Start a new episode in every lane, with the seeds given to :meth:`seed`."""
        options = self._options[0] or None
        # The base class is annotated with one seed; every batch of Gymnasium takes a list.
        seeds: Any = list(self._seeds)
        observations, infos = self.batch.reset(seed=seeds, options=options)
        self.reset_infos = split_infos(infos, self.num_envs)
        self._reset_seeds()
        self._reset_options()
        return self._own(observations)

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions, first axis lanes, for :meth:`step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step every lane once.

        Returns:
            Observations, float64 rewards ``[lanes]``, bool dones ``[lanes]`` and one info dict per lane.
        """
        try:
            observations, rewards, terminated, truncated, infos = self.batch.step(self._actions)
            if self._skip:
                check_numbers(observations, rewards)
        except Exception as error:  # environments raise what they like
            self._failures += 1
            if not self._skip or self._failures >= MOST_FAILURES:
                raise
            return self._skipped(say(error))
        dones, told = self._told(range(self.num_envs), terminated, truncated, infos)
        return self._own(observations), np.array(rewards, np.float64), dones, told

    def _told(
        self,
        lanes: Sequence[int],
        terminated: NDArray[np.bool_],
        truncated: NDArray[np.bool_],
        batch_infos: Mapping[str, Any],
    ) -> tuple[NDArray[np.bool_], list[dict[str, Any]]]:
        """Return what Stable-Baselines3 is told of steps of some lanes: dones, and an info dict of each."""
        dones = np.logical_or(terminated, truncated)
        self.holds.add(batch_infos)
        passed_on = batch_infos
        if self._infos is not None:
            named = (key for name in self._infos for key in (name, f"_{name}"))
            passed_on = {key: batch_infos[key] for key in named if key in batch_infos}
        infos = split_infos(passed_on, len(lanes))
        ended = np.flatnonzero(dones).tolist()
        if ended:
            self._failures = 0
            final_infos = split_infos(batch_infos.get("final_info", {}), len(lanes))
        for row in ended:
            for key in ("final_obs", "final_info"):
                infos[row].pop(key, None)
            self.reset_infos[lanes[row]] = infos[row]
            infos[row] = final_infos[row]
            infos[row]["terminal_observation"] = _lane_of(batch_infos["final_obs"], row)
            infos[row]["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
        return dones, infos

    @property
    def can_send(self) -> bool:
        """Whether the batch steps some of its lanes while others are under way."""
        return hasattr(self.batch, "send") and hasattr(self.batch, "recv")

    def send(self, actions: NDArray[Any], lanes: NDArray[np.intp]) -> None:
        """Begin a step in some lanes and return at once, where :attr:`can_send`.

        Args:
            actions: one row for each of ``lanes``.
            lanes: ``[n]`` lanes, none of which is under way.
        """
        batch: Any = self.batch
        batch.send(actions, lanes)

    def recv(
        self, min_lanes: int
    ) -> tuple[NDArray[np.intp], VecEnvObs, NDArray[np.float64], NDArray[np.bool_], list[dict[str, Any]]]:
        """Wait for at least so many of the lanes that were sent.

        Returns:
            The lanes, intp ``[m]``, and what :meth:`step_wait` returns, of them only.
        """
        batch: Any = self.batch
        lanes, observations, rewards, terminated, truncated, infos = batch.recv(min_lanes)
        dones, told = self._told(lanes.tolist(), terminated, truncated, infos)
        return lanes, observations, np.array(rewards, np.float64), dones, told

    def _skipped(self, trouble: str) -> VecEnvStepReturn:
        observations = self._own(self.batch.reset()[0])
        infos = [
            {
                TROUBLE: trouble,
                "terminal_observation": _lane_of(observations, lane),
                "TimeLimit.truncated": True,
            }
            for lane in range(self.num_envs)
        ]
        return observations, np.zeros(self.num_envs), np.ones(self.num_envs, bool), infos

    def _own(self, observations: VecEnvObs) -> VecEnvObs:
        # The algorithms still read the previous observations after the step that follows them; a batch that
        # writes into one buffer would change them under their hands.
        if self._last_observations is not None and _share_memory(observations, self._last_observations):
            observations = _copy(observations)
        self._last_observations = observations
        return observations

    def close(self) -> None:
        """Close the batch."""
        self.batch.close()

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return the batch's attribute, once per lane: lanes of one batch are alike."""
        value = getattr(self.batch if hasattr(self.batch, attr_name) else self.batch.unwrapped, attr_name)
        return [value for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Refuse: lanes of one batch have no attributes of their own."""
        raise NotImplementedError("lanes of one batch cannot be set apart; pass options when the env is made")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Refuse: lanes of one batch have no methods of their own."""
        raise NotImplementedError(f"lanes of one batch have no method {method_name!r} of their own")

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Return False per lane: single-environment wrappers do not apply to a batch."""
        return [False for _ in self._get_indices(indices)]

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """Return each lane's RGB picture, uint8 ``[height, width, 3]``."""
        pictures: Any = self.batch.render()
        return [None] * self.num_envs if pictures is None else list(pictures)


def split_infos(infos: Mapping[str, Any], lanes: int) -> list[dict[str, Any]]:
    """Turn Gymnasium's info of a batch (arrays, each with a ``_key`` mask) into one dict per lane.

    Arrays become Python values in one call each, so that the cost is a dict write per lane and key.

    >>> infos = {"x": np.array([7, 0]), "_x": np.array([True, False])}
    >>> split_infos(infos, lanes=2)
    [{'x': 7}, {}]
    """
    split: list[dict[str, Any]] = [{} for _ in range(lanes)]
    for key, column in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue
        present = infos.get(f"_{key}")
        values: Iterable[Any]
        if isinstance(column, Mapping):
            values = split_infos(column, lanes)
        elif isinstance(column, np.ndarray) and column.ndim == 1:
            values = column.tolist()
        else:
            values = column
        if present is None or present.all():
            for lane_info, value in zip(split, values, strict=True):
                lane_info[key] = value
        else:
            for lane_info, value, is_present in zip(split, values, present, strict=True):
                if is_present:
                    lane_info[key] = value
    return split


def _lane_of(observations: Any, lane: int) -> Any:
    if isinstance(observations, Mapping):
        return {key: _lane_of(part, lane) for key, part in observations.items()}
    return observations[lane]


def _share_memory(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping):
        return any(_share_memory(a[key], b[key]) for key in a)
    return bool(np.may_share_memory(a, b))


def _copy(observations: Any) -> Any:
    if isinstance(observations, Mapping):
        return {key: part.copy() for key, part in observations.items()}
    return observations.copy()
