"""PPO-Q with several actors: stacked networks that each do what one would, in lanes of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents import PPOQ, experiment
from mario_agents.acting import load_agent
from mario_agents.algorithms.ppo_q.policies import PPOQActor, PPOQPolicy
from mario_agents.algorithms.ppo_q.rollout import Rollout
from mario_agents.configure import configure_run
from mario_agents.errors import AgentsError
from mario_agents.lane_sampling import sample_actions
from mario_agents.sampling.actor import Actor, Clock
from mario_agents.storage.returns import Discount
from mario_agents.storage.segment import Segment
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.type_aliases import TrainFreq, TrainFrequencyUnit

from .test_ppo_q import SMALL, Any6
from .test_ppo_q_equals import Empty

ACTORS, STATES, BUTTONS = 3, 24, 3
THREE = {"net_arch": [16, 16], "n_actors": ACTORS}


def state_of(stacked: PPOQActor, number: int, alone: PPOQActor) -> dict[str, torch.Tensor]:
    """Take one of the stacked networks out, laid out as an actor that is alone has it."""
    shapes = {name: part.shape for name, part in alone.state_dict().items()}
    parts = {name: part[number] for name, part in stacked.state_dict().items()}
    # Layers have their inputs first where they are stacked.
    return {
        name: part.T if part.T.shape == shapes[name] else part.reshape(shapes[name])
        for name, part in parts.items()
    }


def one_and_three(**settings: Any) -> tuple[list[PPOQ], PPOQ]:
    """Three algorithms with an actor each, and one with these three actors; critics are the same in all."""
    torch.manual_seed(5)
    kwargs = settings.pop("policy_kwargs", {})
    three = PPOQ("MlpPolicy", Empty(BUTTONS), policy_kwargs={**THREE, **kwargs}, **settings)
    alone = []
    for number in range(ACTORS):
        one = PPOQ("MlpPolicy", Empty(BUTTONS), policy_kwargs={**THREE, **kwargs, "n_actors": 1}, **settings)
        for name in ("critic", "critic_target"):
            getattr(one, name).load_state_dict(getattr(three, name).state_dict())
        for name in ("actor", "anchor"):
            getattr(one, name).load_state_dict(state_of(getattr(three, name), number, one.actor))
        alone.append(one)
    return alone, three


@pytest.fixture
def same_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each actor draw the same, whether it is alone or one of several."""
    noise = torch.randn(STATES, BUTTONS, generator=torch.Generator().manual_seed(6))
    monkeypatch.setattr(
        torch, "randn_like", lambda rows: noise.repeat(rows.shape[-2] // STATES, 1).expand(rows.shape)
    )


def states() -> torch.Tensor:
    return torch.randn(STATES, 5, generator=torch.Generator().manual_seed(7))


def actions() -> torch.Tensor:
    return torch.rand(STATES, BUTTONS, generator=torch.Generator().manual_seed(8)) * 2 - 1


@pytest.mark.parametrize("layer_norm", [True, False])
def test_stacked_actors_are_separate_ones_in_one_product(layer_norm: bool) -> None:
    """Values and gradients."""
    alone, three = one_and_three(policy_kwargs={"layer_norm": layer_norm})
    together = three.actor.gaussian(states())
    assert together.mean.shape == (ACTORS * STATES, BUTTONS)
    (together.mean.square() + together.log_std).sum().backward()
    for number, one in enumerate(alone):
        rows = slice(number * STATES, (number + 1) * STATES)
        expected = one.actor.gaussian(states())
        torch.testing.assert_close(together.mean[rows], expected.mean)
        torch.testing.assert_close(together.log_std[rows], expected.log_std)
        (expected.mean.square() + expected.log_std).sum().backward()
        for layer, stack in zip(one.actor.parameters(), three.actor.parameters(), strict=True):
            assert layer.grad is not None
            assert stack.grad is not None
            grad = stack.grad[number]
            grad = grad.T if grad.T.shape == layer.grad.shape else grad.reshape(layer.grad.shape)
            torch.testing.assert_close(grad, layer.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.usefixtures("same_noise")
@pytest.mark.parametrize("deterministic", [False, True])
def test_an_update_of_three_is_that_of_each(deterministic: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Losses, clip, KL and multiplier of each are its own; what another actor played is replay to it."""
    settings: dict[str, Any] = {
        "data": "on-policy", "ent_coef": 0.2, "clip_range": 0.02, "target_kl": 0.001, "learning_rate": 1e-2,
        "action_samples": 2, "mean_limit": 0.1, "policy_kwargs": {"deterministic": deterministic},
    }  # fmt: skip
    alone, three = one_and_three(**settings)
    players = torch.arange(STATES) % ACTORS

    class OneBatch:
        def __init__(self, players: torch.Tensor) -> None:
            self.players = players

        def draw(self, *_: object) -> tuple[torch.Tensor, ...]:
            return states(), actions(), states()[:, 0], self.players

    def train(model: PPOQ, players: torch.Tensor) -> dict[str, float]:
        monkeypatch.setattr(model, "_take_rollout", lambda _: OneBatch(players))
        model.set_logger(configure(None, []))
        model.train(gradient_steps=5, batch_size=STATES)
        return dict(model.logger.name_to_value)

    logged = train(three, players)
    theirs = [train(one, torch.where(players == i, 0, -1)) for i, one in enumerate(alone)]
    for number, one in enumerate(alone):
        for name, part in state_of(three.actor, number, one.actor).items():
            torch.testing.assert_close(part, one.actor.state_dict()[name], atol=1e-5, rtol=1e-4, msg=name)
        torch.testing.assert_close(three.log_kl_coef[number : number + 1], one.log_kl_coef)
        for button in range(BUTTONS):
            own = theirs[number][f"policy/mean/{button}"]
            assert logged[f"policy/actor_{number}/mean/{button}"] == pytest.approx(own, abs=1e-5)
    names = ["actor_loss", "q"] if deterministic else ["actor_loss", "q", "kl", "clip_fraction"]
    for name in names:
        mean = np.mean([each[f"train/{name}"] for each in theirs])
        assert logged[f"train/{name}"] == pytest.approx(mean, abs=1e-5), name
    if not deterministic:
        assert 0 < logged["train/clip_fraction"] < 1
    assert sum(logged[f"policy/actor_{number}/chosen"] for number in range(ACTORS)) == pytest.approx(1)


@pytest.mark.usefixtures("same_noise")
def test_what_follows_is_worth_what_it_is_to_the_actor_that_plays_there() -> None:
    alone, three = one_and_three()
    alpha, players = torch.tensor(0.3), torch.arange(STATES) % ACTORS
    theirs = [one._next_values(states(), alpha, actions()) for one in alone]
    values, costs = (torch.stack(column) for column in zip(*theirs, strict=True))
    found, found_costs = three._next_values(states(), alpha, actions(), players)
    torch.testing.assert_close(found, values[players, torch.arange(STATES)])
    torch.testing.assert_close(found_costs, costs[players, torch.arange(STATES)])
    # Of the replay nobody knows who played it: any actor, each as likely as another.
    torch.testing.assert_close(three._next_values(states(), alpha)[0], values.mean(dim=0))


def test_a_rollout_knows_who_played_by_its_lanes() -> None:
    def segment(lane: int) -> Segment:
        return Segment.from_steps(
            lane=lane, policy_version=0, observations={"": np.full((3, 1), lane)}, finals={},
            actions=np.zeros((2, 1), np.float32), rewards=np.zeros(2), terminated=np.zeros(2, bool),
            truncated=np.zeros(2, bool), frames=np.ones(2),
        )  # fmt: skip

    rollout = Rollout([segment(lane) for lane in range(4)], torch.device("cpu"), n_actors=2)
    judged = []

    def judge(observations: Any, _: Any, players: Any) -> Any:
        judged.append(torch.equal(players, observations[:, 0] % 2))
        return observations[:, 0], observations[:, 0]

    rollout.set_targets(Discount(0.9), judge, batch_size=3)
    assert judged == [True] * 3
    observations, _, _, players = rollout.draw(8, np.random.default_rng(0))
    assert torch.equal(players, observations[:, 0] % 2)


def test_actors_begin_apart_and_all_of_them_learn() -> None:
    model = PPOQ(
        "MlpPolicy", make_vec_env(Any6, 6), seed=1, **{**SMALL, "policy_kwargs": {**THREE, "net_arch": [8]}}
    )
    layers = [part for name, part in model.actor.named_parameters() if "weight" in name and part.ndim == 3]
    for layer in (model.actor.latent_pi[0].weight, model.actor.mu.weight):
        assert not torch.allclose(layer[0], layer[1])
        assert not torch.allclose(layer[1], layer[2])
    before = [layer.detach().clone() for layer in layers]
    model.learn(96)
    for layer, old in zip(layers, before, strict=True):
        for number in range(ACTORS):
            assert layer.shape[0] == ACTORS
            assert not torch.equal(layer[number], old[number])


@pytest.mark.parametrize(
    ("policy", "space"),
    [
        ("CnnPolicy", spaces.Box(0, 255, (4, 36, 36), np.uint8)),
        ("MultiInputPolicy", spaces.Dict({"tiles": spaces.MultiBinary((2, 5, 5))})),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_actors_share_the_features_of_pictures_and_dicts(
    policy: str, space: spaces.Space[Any], shared: bool
) -> None:
    kwargs = {"net_arch": [8], "n_actors": 2, "share_features_extractor": shared}
    model = PPOQ(
        policy, make_vec_env(lambda: Any6(space), 2), buffer_size=100, seed=1,
        **{**SMALL, "policy_kwargs": kwargs},
    )  # fmt: skip
    model.learn(32)
    assert Any6.action_space.contains(model.predict(space.sample())[0])


@pytest.mark.parametrize("number", [0, 1])
def test_each_lane_is_played_by_its_own_actor(number: int) -> None:
    """Also where an actor process has the second half of the lanes."""
    config = configure_run(
        "ppo_q", "Pendulum-v1", steps=100, seed=1, lanes=8, actors=2,
        overrides={"policy_kwargs": {"net_arch": [8], "n_actors": 2, "log_std_min": -20, "log_std_max": -20}},
    )  # fmt: skip
    actor = Actor(config, number, seed=1)
    block = actor.collect(TrainFreq(6, TrainFrequencyUnit.STEP), Clock(), lambda: True)
    actor.close()
    assert block is not None
    policy: Any = actor.model.policy
    for lane in range(block.lanes):
        seen = torch.as_tensor(block.observations[""][:-1, lane])
        with torch.no_grad():
            both = policy.actor.gaussian(seen).mean.tanh().view(2, -1).numpy()
        played = block.actions[:, lane, 0]
        player = (block.first_lane + lane) % 2
        np.testing.assert_allclose(played, both[player], atol=1e-5)
        assert not np.allclose(played, both[1 - player], atol=1e-2)


def scattered(model: PPOQ) -> PPOQ:
    """Make its actors differ, so that each is the best somewhere."""
    with torch.no_grad():
        for layer in (model.actor.mu.weight, *model.critic.q_networks.parameters()):
            layer.add_(torch.randn_like(layer))
    return model


@pytest.mark.parametrize("deterministic", [True, False])
def test_outside_of_training_the_actor_that_the_critics_value_most_acts(deterministic: bool) -> None:
    torch.manual_seed(2)
    model = scattered(
        PPOQ("MlpPolicy", Empty(BUTTONS), policy_kwargs={**THREE, "log_std_min": -20, "log_std_max": -20})
    )
    with torch.no_grad():
        offers = model.actor.gaussian(states()).mean.tanh().view(ACTORS, STATES, BUTTONS)
        values = torch.stack([model.critic(states(), offer).min(dim=0).values for offer in offers])
    best = values.argmax(dim=0)
    assert set(best.tolist()) == set(range(ACTORS))
    expected = offers[best, torch.arange(STATES)].numpy()
    acted, _ = model.predict(states().numpy(), deterministic=deterministic)
    np.testing.assert_allclose(acted, expected, atol=1e-4)
    drawn = sample_actions(model, states().numpy(), [np.random.default_rng(i) for i in range(STATES)])
    assert drawn is not None
    np.testing.assert_allclose(drawn, expected, atol=1e-4)


def test_what_it_samples_has_the_spread_of_the_actor_that_was_chosen() -> None:
    """Not the best of several samples, which would be a more careful policy than any of the actors."""
    torch.manual_seed(3)
    model = scattered(PPOQ("MlpPolicy", Empty(BUTTONS), policy_kwargs=THREE))
    with torch.no_grad():
        mean, log_std, _ = model.policy.get_action_dist_params(states()[:1])
        expected = (mean + log_std.exp() * torch.randn(20_000, BUTTONS)).tanh().numpy()
    acted, _ = model.predict(states()[:1].repeat(20_000, 1).numpy())
    for share in (0.05, 0.5, 0.95):
        np.testing.assert_allclose(
            np.quantile(acted, share, axis=0), np.quantile(expected, share, axis=0), atol=0.06
        )


def test_several_actors_are_saved_and_come_back(tmp_path: Path) -> None:
    model = PPOQ("MlpPolicy", make_vec_env(Any6, 6), seed=1, **{**SMALL, "policy_kwargs": THREE}).learn(96)
    model.save(tmp_path / "model.zip")
    again = PPOQ.load(tmp_path / "model.zip", env=make_vec_env(Any6, 6))
    observations = np.random.default_rng(1).uniform(-1, 1, (9, 3)).astype(np.float32)
    actions, _ = model.predict(observations, deterministic=True)
    np.testing.assert_array_equal(actions, again.predict(observations, deterministic=True)[0])
    assert torch.equal(model.log_kl_coef, again.log_kl_coef)
    assert model.log_kl_coef.shape == (ACTORS,)
    assert again.learn(96, reset_num_timesteps=False).num_timesteps == 192

    model.policy.save(str(tmp_path / "policy.zip"))
    alone = PPOQPolicy.load(str(tmp_path / "policy.zip"))
    np.testing.assert_array_equal(actions, alone.predict(observations, deterministic=True)[0])


def test_a_run_with_several_actors_is_loaded_to_act(tmp_path: Path) -> None:
    config = configure_run(
        "ppo_q", "Pendulum-v1", steps=128, seed=1, lanes=2,
        overrides={"train_freq": 32, "gradient_steps": 2, "policy_kwargs": {"net_arch": [8], "n_actors": 2}},
    )  # fmt: skip
    outcome = experiment.train(config, tmp_path / "run")
    observation = spaces.Box(-np.array([1, 1, 8], np.float32), np.array([1, 1, 8], np.float32))
    agent, _ = load_agent(outcome.run, observation, spaces.Box(-2.0, 2.0, (1,)), deterministic=True)
    seen = observation.sample()[None].repeat(3, axis=0)  # three lanes, which two actors could not share
    assert agent(seen, np.zeros(3, bool)).shape == (3, 1)


def test_lanes_that_cannot_be_dealt_out_are_refused() -> None:
    model = PPOQ("MlpPolicy", make_vec_env(Any6, 4), **{**SMALL, "policy_kwargs": THREE})
    with pytest.raises(AgentsError, match="4 lanes cannot be dealt out evenly to 3 actors"):
        model.learn(16)
    for wrong in (0, 2.5):
        with pytest.raises(AgentsError, match=f"n_actors must be a whole number, 1 at least, not {wrong}"):
            PPOQ("MlpPolicy", Empty(BUTTONS), policy_kwargs={"n_actors": wrong})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"actors": 2}, "each actor's 2 lanes cannot be dealt out evenly to the 4 networks of n_actors"),
        ({"sampler": "async", "order": "free", "pace": "own"}, "leave --pace own out"),
    ],
)
def test_samplers_that_cannot_deal_lanes_out_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(AgentsError, match=message):
        configure_run(
            "ppo_q", "Pendulum-v1", steps=100, seed=1, lanes=4,
            overrides={"policy_kwargs": {"n_actors": 4}}, **settings,
        )  # fmt: skip
