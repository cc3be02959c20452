"""Policies: what the runner asks of one, the baselines, and how a name or a file becomes one."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
from gymnasium import spaces
from gymnasium.vector import VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array
from numpy.typing import NDArray

from mario_eval.checkpoints import ZOO, find_in_zoo, load_checkpoint
from mario_eval.errors import EvaluationError
from mario_eval.sb3_zip import load_sb3_zip

#: Policies that need no file: what a trained policy should be compared with.
BASELINES = ("random", "noop")


@runtime_checkable
class Policy(Protocol):
    """Chooses actions for a batch of lanes; any callable with this signature is a policy.

    The loop that calls it::

        observations, _ = lanes.reset(...)
        episode_starts = ones(lanes)
        while episodes remain:
            actions = policy(observations, episode_starts)
            observations, rewards, terminated, truncated, infos = lanes.step(actions)
            episode_starts = lanes that were reset because their episode ended

    A policy may also have a method ``begin_episodes(lanes, seeds)`` (two int64 arrays of equal length),
    called before the first action of each new episode. A stochastic policy that draws from a generator per
    lane, seeded there, acts the same whatever the number of lanes.

    >>> lean = lambda observations, episode_starts: (observations[:, 2] > 0).astype(int)  # for CartPole-v1
    >>> isinstance(lean, Policy)
    True
    """

    def __call__(self, observations: Any, episode_starts: NDArray[np.bool_]) -> Any:
        """Return one action per lane.

        Args:
            observations: a batch of the environment's observation space, first axis lanes
                (an array, or a dict or tuple of arrays for such spaces).
            episode_starts: bool ``[lanes]``, True where this is the first observation of an episode; a
                recurrent policy clears its state there.

        Returns:
            A batch of the action space, first axis lanes.
        """


class RandomPolicy:
    """Samples every action uniformly from the action space, each lane from a generator of its own.

    Args:
        action_space: the action space of one lane.
        lanes: number of lanes.
    """

    def __init__(self, action_space: spaces.Space[Any], lanes: int) -> None:
        self._spaces = [copy.deepcopy(action_space) for _ in range(lanes)]
        self.begin_episodes(np.arange(lanes), np.arange(lanes))

    def begin_episodes(self, lanes: NDArray[np.int64], seeds: NDArray[np.int64]) -> None:
        """Start a new sequence of actions in each given lane."""
        for lane, seed in zip(lanes, seeds, strict=True):
            self._spaces[int(lane)].seed(int(seed))

    def __call__(self, observations: Any, episode_starts: NDArray[np.bool_]) -> Any:
        """Return random actions; the observations are not looked at."""
        return batch_actions(self._spaces[0], [space.sample() for space in self._spaces])


class ConstantPolicy:
    """Repeats one action for ever: the "noop" baseline, or any scripted constant.

    Args:
        action_space: the action space of one lane.
        action: the action.
        lanes: number of lanes.
    """

    def __init__(self, action_space: spaces.Space[Any], action: Any, lanes: int) -> None:
        self._actions = batch_actions(action_space, [action] * lanes)

    def __call__(self, observations: Any, episode_starts: NDArray[np.bool_]) -> Any:
        """Return the constant; the observations are not looked at."""
        return copy.deepcopy(self._actions)


def batch_actions(space: spaces.Space[Any], actions: Iterable[Any]) -> Any:
    """Stack single actions into a batch of ``space``, first axis lanes.

    >>> batch_actions(spaces.Discrete(3), [2, 0])
    array([2, 0])
    """
    actions = list(actions)
    empty: Any = create_empty_array(space, n=len(actions), fn=np.zeros)
    return concatenate(space, actions, empty)


def noop_action(space: spaces.Space[Any]) -> Any:
    """Return the action that does nothing: the first choice of a discrete space, zero elsewhere.

    Zero is clipped into a box that does not hold it. Environments are free to mean something by it: CartPole
    has no action that does nothing.

    >>> noop_action(spaces.Discrete(4, start=1))
    1

    Raises:
        EvaluationError: the space has no obvious such action.
    """
    match space:
        case spaces.Discrete():
            return int(space.start)
        case spaces.Box():
            return np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)
        case spaces.MultiDiscrete() | spaces.MultiBinary():
            return np.zeros(space.shape, space.dtype)
        case _:
            raise EvaluationError(f"no action of {space} is known to do nothing; give a policy of your own")


def load_policy(
    name: str | Path,
    env: VectorEnv[Any, Any, Any],
    *,
    deterministic: bool = False,
    sb3_algorithm: str | None = None,
) -> Policy:
    """Make a policy from what the command line calls POLICY.

    Args:
        name: ``random``, ``noop``, ``zoo:NAME`` (one that an installed plugin ships), ``module:callable`` (a
            function is the policy; a class is called with ``env`` to make it), or the path of a checkpoint
            that an installed plugin can read.
        env: the lanes it will act in; its single spaces and ``num_envs`` are what a loader needs.
        deterministic: ask a checkpoint's loader for the most likely action instead of a sampled one.
        sb3_algorithm: class name such as ``"PPO"``: allows ``name`` to be a Stable-Baselines3 zip of that
            algorithm. Loading such a file runs code that it contains, so this must be asked for.

    Raises:
        EvaluationError: nothing answers to the name; the message tells the nearest choice.
    """
    text = str(name)
    if text == "random":
        return RandomPolicy(env.single_action_space, env.num_envs)
    if text == "noop":
        return ConstantPolicy(env.single_action_space, noop_action(env.single_action_space), env.num_envs)
    path = find_checkpoint(name)
    if path is not None and path.suffix == ".zip":
        return checked(load_sb3_zip(path, sb3_algorithm, env, deterministic), text)
    if path is not None:
        return checked(load_checkpoint(path, env, deterministic), text)
    if ":" in text:
        return _import_policy(text, env)
    nearest = get_close_matches(text, BASELINES, n=1)
    hint = (
        f"did you mean {nearest[0]!r}?"
        if nearest
        else "give random, noop, zoo:NAME, module:callable or a checkpoint's path"
    )
    raise EvaluationError(f"no policy or file {text!r}: {hint}")


def find_checkpoint(name: str | Path) -> Path | None:
    """Return the file or folder that a policy's name means, or None if it means none.

    Raises:
        EvaluationError: ``zoo:NAME`` that no plugin ships; the message tells the names there are.
    """
    text = str(name)
    # Baselines come before paths: a folder called random must not change what random means.
    if text in BASELINES:
        return None
    if text.startswith(ZOO):
        return find_in_zoo(text.removeprefix(ZOO))
    return Path(name) if Path(name).exists() else None


def _import_policy(text: str, env: VectorEnv[Any, Any, Any]) -> Policy:
    module_name, _, attribute = text.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise EvaluationError(
            f"policy {text!r}: module {module_name!r} cannot be imported: {error}"
        ) from error
    for part in attribute.split("."):
        if not hasattr(found, part):
            nearest = get_close_matches(part, dir(found), n=1)
            hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
            raise EvaluationError(f"policy {text!r}: {module_name} has no {part!r}{hint}")
        found = getattr(found, part)
    policy: Any = found
    return checked(policy(env) if inspect.isclass(found) else policy, text)


def checked(policy: Any, name: str) -> Policy:
    """Return what was loaded if it can be called.

    Raises:
        EvaluationError: it cannot.
    """
    if not isinstance(policy, Policy):
        raise EvaluationError(
            f"policy {name!r} is {type(policy).__name__}, not a callable (observations, episode_starts)"
        )
    return policy
