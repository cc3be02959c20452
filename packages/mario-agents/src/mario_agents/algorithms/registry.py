"""Names of algorithms → the classes that they stand for: ours, Stable-Baselines3's and sb3-contrib's."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Literal

from mario_agents.errors import AgentsError, did_you_mean

if TYPE_CHECKING:
    from gymnasium import Space
    from stable_baselines3.common.base_class import BaseAlgorithm


@dataclass(frozen=True)
class Algorithm:
    """One algorithm that ``mario-agents train`` knows.

    Attributes:
        name: what the user types.
        class_path: ``module:Class``; imported when the class is first asked for, because torch takes seconds.
        action_spaces: names of the Gymnasium spaces that the class serves.
        summary: one line for ``mario-agents zoo``.
        discount_per: what its discounts count unless the user says otherwise.
    """

    name: str
    class_path: str
    action_spaces: tuple[str, ...]
    summary: str
    discount_per: Literal["step", "frame"] = "step"

    def load_class(self) -> type[BaseAlgorithm]:
        """Import and return the algorithm's class."""
        module, _, name = self.class_path.partition(":")
        algorithm_class: type[BaseAlgorithm] = getattr(import_module(module), name)
        return algorithm_class


_ANY_ACTION = ("Box", "Discrete", "MultiDiscrete", "MultiBinary")

ALGORITHMS: dict[str, Algorithm] = {
    algorithm.name: algorithm
    for algorithm in (
        Algorithm("ppo", "stable_baselines3:PPO", _ANY_ACTION, "on-policy, clipped; the place to start"),
        Algorithm("a2c", "stable_baselines3:A2C", _ANY_ACTION, "on-policy, one small step per rollout"),
        Algorithm(
            "recurrentppo", "sb3_contrib:RecurrentPPO", _ANY_ACTION, "PPO with an LSTM, for hidden state"
        ),
        Algorithm("dqn", "stable_baselines3:DQN", ("Discrete",), "off-policy Q-learning"),
        Algorithm("qrdqn", "sb3_contrib:QRDQN", ("Discrete",), "DQN that learns the return's distribution"),
        Algorithm("sac", "stable_baselines3:SAC", ("Box",), "off-policy, stochastic actor, entropy held"),
        Algorithm("td3", "stable_baselines3:TD3", ("Box",), "off-policy, deterministic actor, twin critics"),
        Algorithm("ddpg", "stable_baselines3:DDPG", ("Box",), "off-policy, deterministic actor, one critic"),
        Algorithm("tqc", "sb3_contrib:TQC", ("Box",), "SAC with truncated quantile critics"),
        Algorithm(
            "ppo_max",
            "mario_agents.algorithms.ppo_max:PPOMax",
            _ANY_ACTION,
            "PPO with every known stabiliser, a ratio for each button, heads for holds",
            discount_per="frame",
        ),
        Algorithm(
            "ppo_q",
            "mario_agents.algorithms.ppo_q:PPOQ",
            ("Box",),
            "on- or off-policy, actor driven through Q inside PPO's clipped ratio",
            discount_per="frame",
        ),
        Algorithm("crossq", "sb3_contrib:CrossQ", ("Box",), "SAC with batch-normalised critics, no targets"),
    )
}


def find_algorithm(name: str) -> Algorithm:
    """Return the algorithm of that name, in any case.

    Raises:
        AgentsError: there is none; the message names the nearest.
    """
    try:
        return ALGORITHMS[name.lower()]
    except KeyError:
        raise AgentsError(f"unknown algorithm {name!r}{did_you_mean(name, ALGORITHMS)}") from None


def check_action_space(algorithm: Algorithm, space: Space[object]) -> None:
    """Refuse an action space that the algorithm cannot serve.

    Raises:
        AgentsError: the message names the algorithms that can.
    """
    kind = type(space).__name__
    if kind in algorithm.action_spaces:
        return
    able = [other.name for other in ALGORITHMS.values() if kind in other.action_spaces]
    advice = f"use one of: {', '.join(able)}" if able else "no algorithm here serves it"
    raise AgentsError(
        f"{algorithm.name} acts in {' or '.join(algorithm.action_spaces)}, not in {kind}; {advice}"
    )
