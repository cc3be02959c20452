"""The empty replay of a resumed run, filled before the first update."""

from __future__ import annotations

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit


class RefillReplay(BaseCallback):
    """Fills the empty replay of a resumed run with the agent's own actions before the first update.

    Without it Stable-Baselines3, whose step count is past ``learning_starts``, would update on a handful of
    transitions over and over.
    """

    def _on_training_start(self) -> None:
        model, env = self.model, self.training_env
        assert isinstance(model, OffPolicyAlgorithm)
        assert model.replay_buffer is not None
        steps = -(-model.learning_starts // env.num_envs)
        if steps:
            model.collect_rollouts(
                env,
                self.locals["callback"],
                TrainFreq(steps, TrainFrequencyUnit.STEP),
                model.replay_buffer,
                model.action_noise,
            )

    def _on_step(self) -> bool:
        return True
