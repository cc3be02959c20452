"""Plays episodes of a policy in a batch of lanes and records them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from mario_eval.policy import Policy
from mario_eval.protocols import Chance


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        folder: the evaluation folder, or None if none was asked for.
        episodes: one row per episode in order of episode number; README.md describes the columns.
        manifest: the document that ``manifest.json`` holds: command, versions, environment, policy, seed, when.
    """

    folder: Path | None
    episodes: pa.Table
    manifest: dict[str, Any]

    def summary(self) -> dict[str, Any]:
        """Return the statistics of the episodes as plain numbers that JSON can hold.

        Always has ``episodes`` (count), ``return`` and ``steps``, and ``clear_rate``, ``score``, ``distance`` where
        the environment reports them. Each measure is a dict with ``mean``, ``median``, ``iqm`` (each with
        ``low`` and ``high``, a 95 % interval) and ``quantiles``; ``clear_rate`` has ``value``, ``low``, ``high``.
        """
        raise NotImplementedError


def evaluate(
    policy: Policy | str | Path,
    env_id: str,
    *,
    episodes: int = 100,
    seed: int = 0,
    lanes: int = 8,
    out: Path | None = None,
    env_kwargs: Mapping[str, Any] | None = None,
    deterministic: bool = False,
    chance: Chance | None = None,
    clear_width: float | None = None,
    step_infos: Sequence[str] | None = None,
    policy_name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> EvaluationResult:
    """Play episodes of a policy and record them.

    Episode ``i`` is reset with its own seed, derived from ``(seed, i)``, and episodes are handed to lanes in
    order, so that results do not depend on ``lanes`` for a policy that is deterministic given its observation.

    Args:
        policy: a callable as :class:`~mario_eval.Policy` describes, or what :func:`~mario_eval.policy.load_policy`
            takes: ``"random"``, ``"noop"``, ``"module:callable"``, a checkpoint's path.
        env_id: a Gymnasium ID, or ``"module:ID"`` to import the module that registers it first.
        episodes: number of episodes, at least 1; the most that are played if ``clear_width`` is given.
        seed: any int of 0 or more.
        lanes: environments that run side by side.
        out: an evaluation folder to create; nothing is written if None. A folder with a recording is refused.
        env_kwargs: keyword arguments for the environment.
        deterministic: ask a checkpoint's loader for the most likely action; no effect on a callable.
        chance: random no-op starts and sticky actions; none by default.
        clear_width: stop as soon as the 95 % Wilson interval of the clear rate is narrower than this (0.1 is ten
            points). Only environments that report ``clear`` at an episode's end can use it.
        step_infos: info keys to record at each step, where the environment has them.
            :data:`~mario_eval.recorders.STEP_INFOS` by default.
        policy_name: the name of a callable in manifest and report; by default the one it has in Python.
        progress: called with (finished episodes, episodes) after every finished one.

    Returns:
        The episodes, with ``.summary()``.

    Raises:
        EvaluationError: an argument is wrong, the environment or the policy cannot be made; one line, naming the
            nearest valid choice.
        RecordingError: ``out`` cannot be written to, or holds a recording already.
    """
    raise NotImplementedError
