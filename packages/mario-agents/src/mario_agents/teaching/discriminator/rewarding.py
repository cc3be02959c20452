"""A discriminator learns to tell what was demonstrated from what was played, and pays for likeness."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from stable_baselines3.common.base_class import BaseAlgorithm
from torch import Tensor

from mario_agents.algorithms.finite import check_finite
from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError
from mario_agents.sampling.block import Block
from mario_agents.storage.replay import stacks_of
from mario_agents.storage.returns import Discount
from mario_agents.storage.saved import SavedArrays, grouped
from mario_agents.storage.segment import Leaves, Segment
from mario_agents.storage.transitions import TransitionStore
from mario_agents.teaching.discriminator import losses
from mario_agents.teaching.discriminator.network import Discriminator
from mario_agents.teaching.discriminator.sights import read_sights

#: Latest decisions whose lengths are kept, to look at movies by.
_LENGTHS = 1_000
#: Pairs that are judged at once where there is no gradient.
_CHUNK = 1024
_BY_STEP = Discount(1.0)


class RewardLikeness:
    """Judges what actors played before an algorithm learns from it; knows nothing of actions.

    The loop that calls it::

        while training:
            blocks = sampler.collect(…)
            store.add(likeness.reward(blocks))        # learns first, then pays
            algorithm.train()

    Args:
        config: the run's settings, with those of the discriminator.
        learner: the algorithm.
        discount: γ, per step or per frame.

    Attributes:
        network: the discriminator.
        rng: where minibatches and intervals are drawn from.

    Raises:
        AgentsError: a demonstration cannot be used, or γ is 1.
    """

    def __init__(self, config: TrainConfig, learner: BaseAlgorithm, discount: Discount) -> None:
        assert config.discriminator is not None
        if discount.gamma >= 1:
            raise AgentsError("--discriminator needs a gamma below 1: what ends is judged for ever after")
        self._settings = config.discriminator
        self._learner, self._discount = learner, discount
        space = learner.observation_space
        self._demonstrations = [
            read_sights(Path(name), config.env_id, config.env_kwargs, space)
            for name in self._settings.demonstrations
        ]
        self.network = Discriminator(space, self._settings.keys).to(learner.device)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=self._settings.learning_rate)
        self._stacks = stacks_of(space)
        self._played = TransitionStore(self._settings.capacity, self._stacks)
        self._shown: TransitionStore | None = None
        self._lengths = np.zeros(0, np.int32)
        self._since_shown, self._owed, self._updates = 0, 0.0, 0
        self.rng = np.random.default_rng(config.seed)

    def begin_anew(self, seed: int) -> None:
        """Draw from another stream, and look at the demonstrations anew, as a resumed run does."""
        self.rng, self._shown = np.random.default_rng(seed), None

    def reward(self, blocks: Sequence[Block]) -> list[Block]:
        """Learn to tell apart, then return the blocks with rewards for their likeness."""
        for block in blocks:
            for segment in block.segments():
                self._see(segment)
        if len(self._played):
            if self._shown is None or self._since_shown >= self._settings.renew:
                self._look()
            while self._owed >= 1:
                self._learn()
        return [self._rewarded(block) for block in blocks]

    def _see(self, segment: Segment) -> None:
        self._played.add(self._narrow(segment))
        # Of what ends an episode the environment may count more frames than were decided on.
        self._lengths = np.concatenate([self._lengths, segment.frames[~segment.done]])[-_LENGTHS:]
        self._since_shown += len(segment)
        self._owed += len(segment) * self._settings.updates / self._settings.batch_size

    def _narrow(self, segment: Segment) -> Segment:
        """Leave out what the discriminator does not see."""
        seen = {key: segment.observations[key] for key in self.network.keys}
        return replace(segment, observations=seen)

    def _look(self) -> None:
        lengths = self._lengths if len(self._lengths) else np.ones(1, np.int32)
        episodes = [episode for one in self._demonstrations for episode in one.look(lengths, self.rng)]
        self._shown = TransitionStore(sum(len(episode) for episode in episodes), self._stacks)
        for episode in episodes:
            self._shown.add(self._narrow(episode))
        self._since_shown = 0

    def _learn(self) -> None:
        assert self._shown is not None
        self._owed -= 1
        self._updates += 1
        pairs = self._draw(self._shown)
        for part in pairs.values():
            part.requires_grad_(True)
        shown, played = self.network(pairs), self.network(self._draw(self._played))
        told_apart = losses.discriminator_loss(shown, played)
        steepness = losses.gradient_penalty(shown, pairs)
        loss = told_apart + self._settings.penalty * steepness
        check_finite(
            loss,
            "loss of the discriminator is not finite",
            self._updates,
            "a smaller learning_rate of the discriminator",
        )
        self._optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call] # as torch has it
        self._optimizer.step()
        for name, figure in (
            ("loss", told_apart),
            ("penalty", steepness),
            ("accuracy_demonstrated", (shown > 0).float().mean()),
            ("accuracy_played", (played < 0).float().mean()),
        ):
            self._learner.logger.record_mean(f"discriminator/{name}", figure.item())

    def _draw(self, store: TransitionStore) -> dict[str, Tensor]:
        """Return a minibatch of pairs; of each draw that ended an episode also that it stays so."""
        batch = store.sample(self._settings.batch_size, _BY_STEP, self.rng)
        ended = batch.terminated
        before = {
            key: np.concatenate([part, batch.next_observations[key][ended]])
            for key, part in batch.observations.items()
        }
        after = {key: np.concatenate([part, part[ended]]) for key, part in batch.next_observations.items()}
        return self.network.pairs(before, after)

    def _rewarded(self, block: Block) -> Block:
        segments = [self._narrow(segment) for segment in block.segments(whole=True)]
        before, after = (
            {
                key: np.concatenate([one.observations[key][getattr(one, moment)] for one in segments])
                for key in self.network.keys
            }
            for moment in ("now", "next")
        )
        ended = np.concatenate([segment.terminated for segment in segments])
        stays = np.zeros(len(ended))
        last = {key: part[ended] for key, part in after.items()}
        stays[ended] = self._likeness(last, last)
        by_lane = block.lanes, block.steps
        paid = losses.likeness_rewards(
            self._likeness(before, after).reshape(by_lane).T,
            stays.reshape(by_lane).T,
            self._discount.powers(block.frames)[0],
            block.terminated,
        )
        self._learner.logger.record_mean("discriminator/reward", float(paid.mean()))
        return replace(block, rewards=self._settings.reward * paid + self._settings.task * block.rewards)

    @torch.no_grad()
    def _likeness(self, before: Leaves, after: Leaves) -> NDArray[np.float64]:
        number = len(next(iter(before.values())))
        found = np.zeros(number)
        for first in range(0, number, _CHUNK):
            rows = slice(first, first + _CHUNK)
            pairs = self.network.pairs(
                *({key: part[rows] for key, part in one.items()} for one in (before, after))
            )
            found[rows] = self.network(pairs).cpu().numpy()
        return found

    def save(self) -> Iterator[tuple[str, NDArray[Any]]]:
        """Give all that :meth:`restore` needs, by name; demonstrations are looked at anew."""
        yield "counts", np.array([self._since_shown, self._updates], np.int64)
        yield "owed", np.array(self._owed)
        yield "lengths", self._lengths
        for name, weights in self.network.state_dict().items():
            yield f"network/{name}", weights.cpu().numpy()
        for index, slots in self._optimizer.state_dict()["state"].items():
            yield from ((f"optimiser/{index}/{slot}", part.cpu().numpy()) for slot, part in slots.items())
        yield from grouped("played/", self._played.save())

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another of the same settings saved.

        Raises:
            KeyError, ValueError: it is of another network.
        """
        self._since_shown, self._updates = saved["counts"].tolist()
        self._owed, self._lengths = float(saved["owed"]), saved["lengths"]
        weights = self.network.state_dict()
        self.network.load_state_dict(
            {name: _like(saved[f"network/{name}"], weight) for name, weight in weights.items()}
        )
        state: dict[int, dict[str, Tensor]] = {}
        parameters = list(self.network.parameters())
        for name in saved.names("optimiser/"):
            index, _, slot = name.partition("/")
            like = parameters[int(index)] if slot != "step" else torch.zeros(())
            state.setdefault(int(index), {})[slot] = _like(saved[f"optimiser/{name}"], like)
        self._optimizer.load_state_dict({**self._optimizer.state_dict(), "state": state})
        self._played.restore(saved.under("played/"))


def _like(array: NDArray[Any], tensor: Tensor) -> Tensor:
    if array.shape != tuple(tensor.shape):
        raise ValueError(f"an array of shape {array.shape} where {tuple(tensor.shape)} is needed")
    return torch.as_tensor(array)
