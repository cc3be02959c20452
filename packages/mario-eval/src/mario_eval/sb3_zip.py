"""Loads a Stable-Baselines3 zip as a policy: only if asked to, because that runs code in the file."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mario_eval.errors import EvaluationError


class Sb3Policy:
    """Acts as a loaded Stable-Baselines3 model does, recurrent ones included.

    Args:
        model: the algorithm.
        deterministic: the most likely action instead of a sampled one.
    """

    def __init__(self, model: Any, deterministic: bool) -> None:
        self._model, self._deterministic = model, deterministic
        self._state: Any = None
        self._seeded = False

    def begin_episodes(self, lanes: NDArray[np.int64], seeds: NDArray[np.int64]) -> None:
        """Seed the sampling of actions once: all lanes draw from the model's one generator."""
        if not self._seeded:
            self._model.set_random_seed(int(seeds[0]))
            self._seeded = True

    def __call__(self, observations: Any, episode_starts: NDArray[np.bool_]) -> Any:
        """Return one action per lane."""
        actions, self._state = self._model.predict(
            observations, self._state, episode_starts, deterministic=self._deterministic
        )
        return actions


def load_sb3_zip(
    path: Path, algorithm: str | None, env: VectorEnv[Any, Any, Any], deterministic: bool
) -> Sb3Policy:
    """Load a zip that Stable-Baselines3 or sb3-contrib saved.

    Args:
        path: the file.
        algorithm: its class, such as ``"PPO"``; None refuses.
        env: the lanes it will act in.
        deterministic: the most likely action instead of a sampled one.

    Raises:
        EvaluationError: it was not asked for, there is no such algorithm, or the file cannot be loaded or is
            of an agent for other spaces.
    """
    if algorithm is None:
        raise EvaluationError(
            f"{path} is a zip, and loading a Stable-Baselines3 zip runs code that it contains; "
            "if you trust its author, name its algorithm: --sb3-zip PPO"
        )
    for module_name in ("stable_baselines3", "sb3_contrib"):
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError:
            continue
        if hasattr(module, algorithm):
            break
    else:
        raise EvaluationError(
            f"no algorithm {algorithm!r} in stable_baselines3 or sb3_contrib; write its class name, as PPO, "
            'and install them: pip install "mario-eval[sb3]"'
        )
    try:
        model = getattr(module, algorithm).load(path, device="cpu")
        # Pictures may have their channels first or last, so that spaces differ which fit: trying tells.
        model.predict(env.single_observation_space.sample())
    except Exception as error:  # whatever is in the file may fail in any way
        why = " ".join(str(error).split()) or type(error).__name__
        raise EvaluationError(f"{path} cannot be loaded as {algorithm}: {why}") from error
    if model.action_space != env.single_action_space:
        raise EvaluationError(
            f"{path} was made for the action space {model.action_space}, not for {env.single_action_space}"
        )
    return Sb3Policy(model, deterministic)
