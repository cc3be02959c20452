"""What is descended against references written otherwise, and what is paid against what it is for."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from mario_agents.storage.returns import Discount, advantages
from mario_agents.teaching.discriminator.losses import (
    discriminator_loss,
    gradient_penalty,
    likeness_rewards,
)
from torch.nn.functional import binary_cross_entropy_with_logits

Numbers = st.integers(1, 9).flatmap(lambda size: arrays(np.float64, size, elements=st.floats(-8, 8)))


@given(Numbers, Numbers)
def test_the_loss_is_the_cross_entropy_of_who_was_seen(shown: Any, played: Any) -> None:
    found = discriminator_loss(torch.tensor(shown), torch.tensor(played)).item()
    parts = [
        binary_cross_entropy_with_logits(torch.tensor(logits), torch.full((len(logits),), label).double())
        for logits, label in ((shown, 1.0), (played, 0.0))
    ]
    assert found == pytest.approx(sum(part.item() for part in parts) / 2)
    assert found >= 0


@given(st.integers(1, 20), st.integers(1, 20))
def test_it_is_least_at_the_log_ratio_of_how_often_each_shows_a_pair(shown: int, played: int) -> None:
    # One pair, seen in `shown` of 20 sights of the demonstrator's, the rest far away; likewise the agent's.
    def loss(f: float) -> torch.Tensor:
        there = torch.tensor(f, dtype=torch.float64, requires_grad=True)
        elsewhere = torch.full((20,), 50.0, dtype=torch.float64)
        shown_f = torch.cat([there.expand(shown), elsewhere[shown:]])
        played_f = torch.cat([there.expand(played), -elsewhere[played:]])
        discriminator_loss(shown_f, played_f).backward()
        assert there.grad is not None
        return there.grad

    assert loss(np.log(shown / played)).item() == pytest.approx(0.0, abs=1e-9)
    assert loss(np.log(shown / played) + 0.1).item() > 0 > loss(np.log(shown / played) - 0.1).item()


@given(arrays(np.float64, (3, 2), elements=st.floats(-2, 2)), st.floats(-2, 2))
def test_the_penalty_is_the_mean_squared_slope_and_has_one_itself(x: Any, weight: float) -> None:
    w = torch.tensor(weight, dtype=torch.float64, requires_grad=True)
    parts = {"a": torch.tensor(x, requires_grad=True), "b": torch.tensor(x[:, :1], requires_grad=True)}
    f = w * (parts["a"] ** 2).sum(dim=1) + 3 * parts["b"].sum(dim=1)
    found = gradient_penalty(f, parts)
    slopes = (2 * weight * x) ** 2
    assert found.item() == pytest.approx(slopes.sum() / 3 + 9)
    found.backward()
    assert w.grad is not None
    assert w.grad.item() == pytest.approx((8 * weight * x**2).sum() / 3)


@st.composite
def _episodes(draw: st.DrawFn) -> dict[str, Any]:
    """Decisions of any lengths, whose episodes end here and there, or are cut."""
    steps = draw(st.integers(1, 12))
    ends = draw(
        st.lists(st.sampled_from(["", "", "terminated", "truncated"]), min_size=steps, max_size=steps)
    )
    frames = draw(st.lists(st.integers(1, 60), min_size=steps, max_size=steps))
    terminated = np.array([end == "terminated" for end in ends])
    truncated = np.array([end == "truncated" for end in ends])
    return {"frames": np.array(frames), "terminated": terminated, "truncated": truncated}


@given(_episodes(), st.floats(-5, 5), st.floats(0, 0.999), st.booleans())
def test_what_is_alike_everywhere_is_worth_the_same_everywhere(
    episodes: dict[str, Any], f: float, gamma: float, per_frame: bool
) -> None:
    """No longer and no shorter decision or life is to be preferred, however large or small f is."""
    discount = Discount(gamma, per_frame=per_frame)
    frames, terminated = episodes["frames"], episodes["terminated"]
    like = np.full(len(frames), f)
    rewards = likeness_rewards(like, like, discount.powers(frames)[0], terminated)
    _, returns = advantages(
        discount, rewards=rewards, values=like, next_values=like, truncated=episodes["truncated"],
        terminated=terminated, frames=frames,
    )  # fmt: skip
    assert returns == pytest.approx(like)


@given(_episodes(), st.data())
def test_returns_lie_where_likeness_does(episodes: dict[str, Any], data: st.DataObject) -> None:
    size = len(episodes["frames"])
    f, stays = (data.draw(arrays(np.float64, size, elements=st.floats(-5, 5))) for _ in range(2))
    discount = Discount(0.97)
    rewards = likeness_rewards(f, stays, discount.powers(episodes["frames"])[0], episodes["terminated"])
    between = np.full(size, (f.min() + f.max()) / 2)
    _, returns = advantages(discount, rewards=rewards, values=between, next_values=between, **episodes)
    assert returns.min() >= min(f.min(), stays.min()) - 1e-9
    assert returns.max() <= max(f.max(), stays.max()) + 1e-9
