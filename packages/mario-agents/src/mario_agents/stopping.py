"""When training stops: minutes or frames are used up, a level of a curriculum is over, or someone asked."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch.utils.hooks import RemovableHandle

from mario_agents.interruption import Interruption
from mario_agents.schedules import Budget


class UpdateCutShort(Exception):  # noqa: N818 -- not an error: someone asked for it
    """Leaves an on-policy update between two minibatches."""


class StopTraining(BaseCallback):
    """Ends training after the step in which the minutes ran out or SIGINT or SIGTERM came.

    A level of a curriculum, and a budget of frames, end between an update and the next rollout: nothing that
    was played is lost.

    An on-policy update can take minutes on pictures. It is left after its current minibatch by
    :class:`UpdateCutShort`, which comes out of ``learn``; the agent is whole then and can be saved.

    Used as a context manager, it takes the two signals over; a second one acts as it always does, for a user
    who will not wait for the checkpoint.

    Args:
        budget: minutes and frames.
        level_is_over: asked before each rollout.

    Attributes:
        reason: ``"steps"``, ``"level"``, ``"minutes"``, ``"frames"``, ``"SIGINT"`` or ``"SIGTERM"``.
    """

    def __init__(self, budget: Budget, level_is_over: Callable[[], bool] = lambda: False) -> None:
        super().__init__()
        self.reason = "steps"
        self._budget = budget
        self._level_is_over = level_is_over
        self._ended: str | None = None
        self._hook: RemovableHandle | None = None
        self._interruption = Interruption("saving after this step; again to leave without saving")

    def __enter__(self) -> StopTraining:
        self._interruption.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interruption.__exit__(kind, error, trace)

    def _on_training_start(self) -> None:
        if isinstance(self.model, OnPolicyAlgorithm):
            self._hook = self.model.policy.optimizer.register_step_post_hook(self._after_minibatch)

    def _on_training_end(self) -> None:
        if self._hook is not None:
            self._hook.remove()

    def _after_minibatch(self, *_: object) -> None:
        if not self._on_step():
            raise UpdateCutShort

    def wanted(self) -> bool:
        """Tell whether to stop, and note the reason."""
        return not self._on_step()

    def _on_rollout_start(self) -> None:
        if self._budget.frames is not None and self._budget.played() >= self._budget.frames:
            self._ended = "frames"
        elif self._level_is_over():
            self._ended = "level"

    def _on_step(self) -> bool:
        if self._interruption.reason is not None:
            self.reason = self._interruption.reason
            return False
        if self._budget.seconds is not None and self._budget.elapsed >= self._budget.seconds:
            self.reason = "minutes"
            return False
        if self._ended is not None:
            self.reason = self._ended
            return False
        return True
