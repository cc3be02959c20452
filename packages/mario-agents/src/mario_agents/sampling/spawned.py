"""Where an actor process begins; light, because everything it names is imported before its first line."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.connection import Connection

from mario_agents.config import TrainConfig
from mario_agents.quiet_import import import_sb3_quietly


@dataclass(frozen=True)
class ActorOrder:
    """What an actor process is told when it is started, and when it shall begin anew.

    Attributes:
        config: the run's settings.
        number: which actor.
        seed: of its random streams and its first lane.
        first_step: what to count its steps from.
        weights: name of the shared weights.
        slots: name of its slots.
        slot_count: how many.
        slot_size: bytes of each.
    """

    config: TrainConfig
    number: int
    seed: int
    first_step: int
    weights: str
    slots: str
    slot_count: int
    slot_size: int


def begin(order: ActorOrder, learner: Connection) -> None:
    """Run an actor in this process.

    Args:
        order: what to play.
        learner: the pipe to the learner.
    """
    import_sb3_quietly()
    from mario_agents.sampling.actor_process import run_actor

    run_actor(order, learner)
