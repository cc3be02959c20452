"""Environments that fail now and then: the step is marked, the episode dropped, and the lane goes on."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np

from mario_agents.storage.segment import to_leaves

#: What marks a step that failed, in its info; the value says what happened.
TROUBLE = "trouble"
#: A lane that fails so often without finishing an episode in between will not get better.
MOST_FAILURES = 5


class SkipTrouble(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Ends an episode where the environment raises or gives numbers that are not finite.

    The step that failed is truncated and has reward 0, the observation before it, and the info
    :data:`TROUBLE`; it is marked so that nobody learns from it. The lane's next episode begins as usual.

    Args:
        env: one environment.

    Example:
        >>> env = SkipTrouble(gymnasium.make("CartPole-v1", disable_env_checker=True))
        >>> _ = env.reset(seed=0)
        >>> env.unwrapped.length = float("nan")
        >>> observation, reward, terminated, truncated, info = env.step(0)
        >>> truncated, info["trouble"]
        (True, 'gave an observation that is not finite')
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        self._failures = 0
        self._last: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, Any]:
        """Begin an episode; what raises is tried again.

        Raises:
            Exception: the environment's own, when it failed too often.
        """
        while True:
            try:
                observation, info = self.env.reset(seed=seed, options=options)
                check_numbers(observation)
            except Exception as error:  # environments raise what they like
                self._count(error)
            else:
                self._last = observation
                return observation, info

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Play one step.

        Raises:
            Exception: the environment's own, when it failed too often.
        """
        try:
            observation, reward, terminated, truncated, info = self.env.step(action)
            check_numbers(observation, reward)
        except Exception as error:  # environments raise what they like
            self._count(error)
            return self._last, 0.0, False, True, {TROUBLE: say(error)}
        if terminated or truncated:
            self._failures = 0
        self._last = observation
        return observation, reward, terminated, truncated, info

    def _count(self, error: Exception) -> None:
        self._failures += 1
        if self._failures >= MOST_FAILURES:
            raise error


class NotFiniteError(ValueError):
    """An environment gave a number that is none."""


def check_numbers(observations: Any, rewards: Any = 0.0) -> None:
    """Refuse numbers that are not finite.

    Args:
        observations: of one lane or of a batch.
        rewards: likewise.

    Raises:
        NotFiniteError: says which of them.
    """
    for name, part in [("reward", np.asarray(rewards)), *to_leaves(observations).items()]:
        if part.dtype.kind == "f" and not np.isfinite(part).all():
            what = "a reward" if name == "reward" else f"an observation {name}".rstrip()
            raise NotFiniteError(f"gave {what} that is not finite")


def say(error: Exception) -> str:
    """Say in one line what an environment raised.

    >>> say(RuntimeError("the console caught fire"))
    'RuntimeError: the console caught fire'
    """
    text = " ".join(str(error).split())
    return text if isinstance(error, NotFiniteError) else f"{type(error).__name__}: {text}"
