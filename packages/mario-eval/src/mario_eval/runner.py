"""Plays episodes of a policy in a batch of lanes and records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import iterate
from numpy.typing import NDArray

from mario_eval.checkpoints import trained_with
from mario_eval.environments import find_environment, make_lanes, provenance_of
from mario_eval.errors import EvaluationError
from mario_eval.manifest import new_manifest, now
from mario_eval.policy import Policy, batch_actions, find_checkpoint, load_policy, noop_action
from mario_eval.protocols import Chance
from mario_eval.recorders import STEP_INFOS, Recorder, RecordingFolder
from mario_eval.statistics.summary import summarise
from mario_eval.stopping import ClearRateStop


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        folder: the evaluation folder, or None if none was asked for.
        episodes: one row per episode in order of episode number; README.md describes the columns.
        manifest: the document that ``manifest.json`` holds: command, versions, environment, policy, seed,
            when.
    """

    folder: Path | None
    episodes: pa.Table
    manifest: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """Return the statistics of the episodes as plain numbers that JSON can hold.

        Always has ``episodes`` (count), ``return`` and ``steps``, and ``clear_rate``, ``score``, ``distance``
        where the environment reports them. Each measure is a dict with ``mean``, ``median``, ``iqm`` (each
        with ``low`` and ``high``, a 95 % interval) and ``quantiles``; ``clear_rate`` has ``value``, ``low``,
        ``high``. Of an environment that counts as solved from some return on, ``return`` has
        ``optimality_gap``, too.
        """
        threshold = self.manifest["env"].get("reward_threshold")
        return summarise(self.episodes, None if threshold is None else {"return": threshold})


def evaluate(
    policy: Policy | str | Path,
    env_id: str,
    *,
    episodes: int = 100,
    seed: int = 0,
    lanes: int = 8,
    processes: bool = False,
    out: Path | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    deterministic: bool = False,
    chance: Chance | None = None,
    clear_width: float | None = None,
    step_infos: Sequence[str] | None = None,
    policy_name: str | None = None,
    sb3_algorithm: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EvaluationResult:
    """Play episodes of a policy and record them.

    Episode ``i`` is reset with its own seed, derived from ``(seed, i)``, and episodes are handed to lanes in
    order, so that results do not depend on ``lanes`` for a policy that is deterministic given its
    observation.

    Args:
        policy: a callable as :class:`~mario_eval.Policy` describes, or what
            :func:`~mario_eval.policy.load_policy`
            takes: ``"random"``, ``"noop"``, ``"module:callable"``, a checkpoint's path, ``"zoo:NAME"``.
        env_id: a Gymnasium ID, or ``"module:ID"`` to import the module that registers it first.
        episodes: number of episodes, at least 1; the most that are played if ``clear_width`` is given.
        seed: any int of 0 or more.
        lanes: environments that run side by side.
        processes: give each lane a process of its own, for environments whose steps are slow.
        out: an evaluation folder to create; nothing is written if None. A folder with a recording is refused.
        env_kwargs: keyword arguments for the environment, over those that a checkpoint was trained with.
        deterministic: ask a checkpoint's loader for the most likely action; no effect on a callable.
        chance: random no-op starts and sticky actions; none by default.
        clear_width: stop as soon as the 95 % Wilson interval of the clear rate is narrower than this (0.1 is
            ten points). Only environments that report ``clear`` at an episode's end can use it.
        step_infos: info keys to record at each step, where the environment has them.
            :data:`~mario_eval.recorders.STEP_INFOS` by default.
        policy_name: the name of a callable in manifest and report; by default the one it has in Python.
        sb3_algorithm: allows ``policy`` to be a Stable-Baselines3 zip of this algorithm, such as ``"PPO"``;
            loading one runs code that it contains.
        progress: called with (finished episodes, episodes) after every finished one.

    Returns:
        The episodes, with ``.summary()``.

    Raises:
        EvaluationError: an argument is wrong, the environment or the policy cannot be made; one line, naming
            the nearest valid choice.
        RecordingError: ``out`` cannot be written to, or holds a recording already.
    """
    if episodes < 1 or lanes < 1 or seed < 0:
        raise EvaluationError(
            f"episodes ({episodes}) and lanes ({lanes}) must be 1 or more, the seed ({seed}) 0 or more"
        )
    if clear_width is not None and not 0 < clear_width < 1:
        raise EvaluationError(
            f"the width of the clear rate's interval must be between 0 and 1, not {clear_width}"
        )
    chance = chance or Chance()
    lanes = min(lanes, episodes)
    spec = find_environment(env_id)
    checkpoint = find_checkpoint(policy) if isinstance(policy, str | Path) else None
    env_kwargs = {**(trained_with(checkpoint, env_id) if checkpoint else {}), **(env_kwargs or {})}
    env = make_lanes(env_id, lanes, env_kwargs, processes=processes)
    with ExitStack() as stack:
        stack.callback(env.close)
        name = policy_name or (str(policy) if isinstance(policy, str | Path) else _name_of(policy))
        if isinstance(policy, str | Path):
            policy = load_policy(policy, env, deterministic=deterministic, sb3_algorithm=sb3_algorithm)
        episode_infos = tuple(env.metadata.get("episode_info", ()))
        if clear_width is not None and "clear" not in episode_infos:
            raise EvaluationError(f"{env_id} does not report `clear`; leave the stop by clear rate out")
        manifest = new_manifest(
            spec,
            env_id,
            env_kwargs,
            policy={"name": name, "deterministic": deterministic},
            seed=seed,
            episodes=episodes,
            lanes=lanes,
            chance=asdict(chance),
            clear_width=clear_width,
            render_fps=env.metadata.get("render_fps"),
            provenance=provenance_of(env),
        )
        folder = stack.enter_context(RecordingFolder(out, manifest)) if out is not None else None
        recorder = Recorder(
            env.single_action_space,
            env.action_space,
            lanes,
            folder=folder,
            episode_infos=episode_infos,
            step_infos=STEP_INFOS if step_infos is None else step_infos,
        )
        stop_rule = None if clear_width is None else ClearRateStop(clear_width)
        rows: list[dict[str, Any]] = []
        manifest["end"] = "interrupted"
        try:
            _play(env, policy, recorder, rows, episodes, seed, chance, stop_rule, progress)
            manifest["end"] = "complete" if len(rows) == episodes else "stopped: interval narrow enough"
        finally:
            manifest["ended"] = now()
            if folder is not None:
                folder.flush()
                folder.write_manifest()
    rows.sort(key=lambda row: int(row["episode"]))
    columns = dict.fromkeys(name for row in rows for name in row)
    table = pa.table({name: [row.get(name) for row in rows] for name in columns})
    return EvaluationResult(folder=out, episodes=table, manifest=manifest)


def episode_seeds(seed: int, episode: int) -> tuple[int, int, int]:
    """Return the seeds of one episode: of the environment, of the policy, of the added chance.

    >>> episode_seeds(0, 0) == episode_seeds(0, 0) != episode_seeds(0, 1)
    True
    """
    environment, policy, chance = np.random.SeedSequence([seed, episode]).generate_state(3)
    # Some environments take no more than 31 bits.
    return int(environment >> 1), int(policy >> 1), int(chance >> 1)


def _play(
    env: VectorEnv[Any, Any, Any],
    policy: Policy,
    recorder: Recorder,
    rows: list[dict[str, Any]],
    episodes: int,
    seed: int,
    chance: Chance,
    stop_rule: ClearRateStop | None,
    progress: Callable[[int, int], None] | None,
) -> None:
    """Play until every episode begun is finished, adding its row to ``rows``."""
    lanes = env.num_envs
    added = AddedChance(env, chance)
    begun = 0
    stop = False
    starts = np.ones(lanes, bool)
    observations: Any = None
    while True:
        if starts.any():
            waiting = np.flatnonzero(starts)
            new = waiting[: 0 if stop else episodes - begun]
            numbers = list(range(begun, begun + len(new)))
            begun += len(new)
            seeds = [episode_seeds(seed, number) for number in numbers]
            # A lane with no episode left is reset too, because a finished environment must not be stepped.
            reset_seeds: Any = [None] * lanes
            for lane, (environment_seed, _, _) in zip(new, seeds, strict=True):
                reset_seeds[int(lane)] = environment_seed
            observations, _ = env.reset(
                seed=reset_seeds, options=None if starts.all() else {"reset_mask": starts}
            )
            if hasattr(policy, "begin_episodes"):
                policy.begin_episodes(new, np.array([policy_seed for _, policy_seed, _ in seeds], np.int64))
            added.begin(new, [chance_seed for _, _, chance_seed in seeds])
            recorder.begin(new, numbers, [environment_seed for environment_seed, _, _ in seeds])

        actions = added.change(policy(observations, starts), starts)
        _check_shape(actions, env)
        observations, rewards, terminated, truncated, infos = env.step(actions)
        recorder.step(actions, rewards, terminated, truncated, infos)
        for row in recorder.finished():
            rows.append(row)
            if stop_rule is not None:
                stop = stop_rule.after(row["episode"], bool(row["clear"]))
            if progress is not None:
                progress(len(rows), episodes)
        starts = np.asarray(terminated) | np.asarray(truncated)
        if len(rows) == begun and (stop or begun == episodes):
            return


class AddedChance:
    """Applies a :class:`Chance` to the actions of a batch.

    Args:
        env: the batch.
        chance: what to add.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any], chance: Chance) -> None:
        self._chance = chance
        self._space, self._batched = env.single_action_space, env.action_space
        self._noop = noop_action(self._space) if chance.noop_max else None
        self._noops = np.zeros(env.num_envs, np.int64)
        self._generators = [np.random.default_rng(0) for _ in range(env.num_envs)]
        self._before: list[Any] = [None] * env.num_envs

    def begin(self, lanes: NDArray[np.intp], seeds: Sequence[int]) -> None:
        """Draw the number of no-op steps of each new episode."""
        for lane, seed in zip(lanes, seeds, strict=True):
            self._generators[lane] = np.random.default_rng(seed)
            self._noops[lane] = self._generators[lane].integers(0, self._chance.noop_max + 1)

    def change(self, actions: Any, starts: NDArray[np.bool_]) -> Any:
        """Return the actions that will run instead of those that the policy chose."""
        if not self._chance.noop_max and not self._chance.sticky:
            return actions
        changed = list(iterate(self._batched, actions))
        for lane, start in enumerate(starts):
            repeat = self._generators[lane].random() < self._chance.sticky
            if self._noops[lane] > 0:
                changed[lane] = self._noop
                self._noops[lane] -= 1
            elif repeat and not start:
                changed[lane] = self._before[lane]
        self._before = changed
        return batch_actions(self._space, changed)


def _check_shape(actions: Any, env: VectorEnv[Any, Any, Any]) -> None:
    expected = env.action_space.shape
    if expected is not None and np.shape(actions) != expected:
        raise EvaluationError(
            f"the policy returned actions of shape {np.shape(actions)}; "
            f"a batch for this environment has shape {expected}"
        )


def _name_of(policy: Any) -> str:
    return getattr(policy, "__qualname__", None) or type(policy).__qualname__
