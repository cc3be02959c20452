"""Published ways to add chance to a deterministic game, so that a memorised route does not pass for skill."""

from __future__ import annotations

from dataclasses import dataclass

from mario_eval.errors import EvaluationError


@dataclass(frozen=True)
class Chance:
    """What is random in an evaluation besides the environment and the policy; nothing by default.

    Every draw comes from a generator seeded by the evaluation's seed and the episode's number, and the
    actions that really ran are recorded, so that an episode replays from its seed and its actions alone.

    Attributes:
        noop_max: each episode begins with 0 to this many steps that do nothing, drawn uniformly ("random
            no-op starts", Mnih et al. 2015, who used 30). 0 turns it off.
        sticky: probability in [0, 1) with which a step repeats the action of the step before instead of the
            policy's ("sticky actions", Machado et al. 2018, who advise 0.25). 0 turns it off.
    """

    noop_max: int = 0
    sticky: float = 0.0

    def __post_init__(self) -> None:
        if self.noop_max < 0:
            raise EvaluationError(f"no-op starts need a number of steps of 0 or more, not {self.noop_max}")
        if not 0 <= self.sticky < 1:
            raise EvaluationError(f"the sticky-action probability must be in [0, 1), not {self.sticky}")
