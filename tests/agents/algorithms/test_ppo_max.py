"""PPO-max as Stable-Baselines3's users know an algorithm, and what each of its switches does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium import spaces
from mario_agents import PPOMax, experiment
from mario_agents import hyperparams as hp
from mario_agents.algorithms.ppo_max.moments import NormalizedFeatures
from mario_agents.algorithms.registry import find_algorithm
from mario_agents.checkpoints import load_model, read_checkpoint
from mario_agents.configure import configure_run
from mario_agents.errors import AgentsError
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.utils import LinearSchedule

from .conftest import Count
from .test_ppo_max_equals import BUTTONS, Walk, lanes

SMALL: dict[str, Any] = {"n_steps": 16, "batch_size": 16, "n_epochs": 2, "seed": 1, "device": "cpu"}
VECTOR = Walk.observation_space
NET = {"net_arch": [8]}


class Pictured(Walk):
    """With other observations."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__()
        self.observation_space = space  # type: ignore[assignment]

    def _observe(self) -> Any:
        return self.observation_space.sample()


@pytest.mark.parametrize("head", ["plain", "gaussian", "hybrid"])
def test_learns_saves_and_comes_back(head: str, tmp_path: Path) -> None:
    count = Count()
    network = {**NET, "head": head}
    model = PPOMax("MlpPolicy", lanes(), policy_kwargs=network, tensorboard_log=str(tmp_path), **SMALL)
    model.learn(128, count)
    assert (model.num_timesteps, count.steps, count.rollouts, model._n_updates) == (128, 64, 4, 8)
    assert list(tmp_path.glob("PPOMax_1/events*"))

    model.save(tmp_path / "model.zip")
    again = PPOMax.load(tmp_path / "model.zip", env=lanes())
    observations = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    actions, _ = model.predict(observations, deterministic=True)
    np.testing.assert_array_equal(actions, again.predict(observations, deterministic=True)[0])
    assert torch.equal(model.policy.value_net.scale, again.policy.value_net.scale)
    assert again.learn(32, reset_num_timesteps=False).num_timesteps == 160

    policy = type(model.policy)
    model.policy.save(tmp_path / "policy.zip")
    alone = policy.load(tmp_path / "policy.zip")
    np.testing.assert_array_equal(actions, alone.predict(observations, deterministic=True)[0])


@pytest.mark.parametrize(
    ("policy", "space"),
    [
        ("CnnPolicy", spaces.Box(0, 255, (4, 36, 36), np.uint8)),
        (
            "MultiInputPolicy",
            spaces.Dict({"tiles": spaces.MultiBinary((2, 5, 5)), "vector": Walk.observation_space}),
        ),
    ],
)
@pytest.mark.parametrize("shared", [True, False])
def test_serves_pictures_and_dicts(policy: str, space: spaces.Space[Any], shared: bool) -> None:
    network = {**NET, "share_features_extractor": shared, "head": "hybrid"}
    model = PPOMax(policy, Pictured(space), policy_kwargs=network, **SMALL).learn(32)
    assert Walk().action_space.contains(model.predict(space.sample())[0])
    normalized = [one for one in model.policy.modules() if isinstance(one, NormalizedFeatures)]
    assert len(normalized) == (1 if shared else 2)
    assert all(one.moments.count == 32 for one in normalized)


def test_features_moments_change_after_the_update_and_not_within() -> None:
    """The first ratio of an update is 1: whoever played had the moments that the update has."""
    seen: list[torch.Tensor] = []

    class Watched(PPOMax):
        def _old_log_probs(self, rollout: Any) -> torch.Tensor:
            old = super()._old_log_probs(rollout)
            assert torch.allclose(old.sum(dim=1), rollout.old_log_prob, atol=1e-5)
            seen.append(self.policy.features_extractor.moments.count.clone())  # type: ignore[union-attr, operator]
            return old

    Watched("MlpPolicy", lanes(), policy_kwargs={**NET, "head": "hybrid"}, **SMALL).learn(96)
    assert seen == [0, 32, 64]


def test_rewards_of_any_size_teach_the_same() -> None:
    """Scaled, a hundred times the reward is worth the same; the values that are told are not scaled."""

    class Rich(Walk):
        def step(self, action: Any) -> Any:
            observation, reward, *rest = super().step(action)
            return observation, 100.0 * reward, *rest

    def trained(env: type[Walk], scale: bool) -> PPOMax:
        return PPOMax(
            "MlpPolicy", make_vec_env(env, 2, seed=5), scale_rewards=scale, normalize_advantage=False,
            policy_kwargs=NET, **SMALL,
        ).learn(32 * 8)  # fmt: skip

    poor, rich = trained(Walk, True), trained(Rich, True)
    scale = rich.policy.value_net.scale / poor.policy.value_net.scale
    assert scale.item() == pytest.approx(100.0, rel=0.1)
    # Not equal: the first values, of the untrained layer, are alike, and are worth less to the rich.
    seen = np.random.default_rng(0).uniform(-1, 1, (50, 3)).astype(np.float32)
    (acts, _), (acts_rich, _) = (model.predict(seen, deterministic=True) for model in (poor, rich))
    np.testing.assert_allclose(acts, acts_rich, atol=0.02)
    assert trained(Rich, False).policy.value_net.scale == 1.0


def test_entropy_bonus_and_learning_rate_fall_as_scheduled() -> None:
    model = PPOMax(
        "MlpPolicy", lanes(), learning_rate=LinearSchedule(1e-3, 1e-4, 1.0),
        ent_coef=LinearSchedule(0.1, 0.0, 1.0), policy_kwargs=NET, **SMALL,
    ).learn(64)  # fmt: skip
    assert model.logger.name_to_value["train/learning_rate"] == pytest.approx(1e-4)
    assert model.logger.name_to_value["train/ent_coef"] == pytest.approx(0.0)
    start = PPOMax("MlpPolicy", lanes(), **SMALL)
    assert start._ent_coef == pytest.approx(0.01)
    assert start.policy.optimizer.param_groups[0]["lr"] == pytest.approx(3e-4)


def test_the_entropy_bonus_raises_entropy() -> None:
    def entropy(ent_coef: float) -> float:
        model = PPOMax(
            "MlpPolicy", lanes(), ent_coef=ent_coef, learning_rate=1e-2,
            policy_kwargs={**NET, "head": "gaussian", "log_std_init": -2.0}, **SMALL,
        ).learn(128)  # fmt: skip
        return model.policy.log_std.mean().item()

    assert entropy(1.0) > entropy(0.0) + 0.1


def test_gradients_are_clipped_or_not() -> None:
    norms: list[float] = []

    def norm_of(max_grad_norm: float | None) -> float:
        model = PPOMax("MlpPolicy", lanes(), max_grad_norm=max_grad_norm, policy_kwargs=NET, **SMALL)
        norms.clear()

        def see(*_: object) -> None:
            parts = [part.grad.norm() for part in model.policy.parameters() if part.grad is not None]
            norms.append(float(torch.stack(parts).norm()))

        model.policy.optimizer.register_step_pre_hook(see)
        model.learn(32)
        return max(norms)

    assert norm_of(None) > 0.02
    assert norm_of(0.01) == pytest.approx(0.01, rel=1e-3)


def test_the_network_begins_as_it_is_told() -> None:
    policy = PPOMax("MlpPolicy", lanes(), policy_kwargs={"net_arch": [8]}, **SMALL).policy
    first = policy.mlp_extractor.policy_net[0].weight  # type: ignore[union-attr]
    gram = (first.T @ first).detach()  # type: ignore[operator]
    assert torch.allclose(gram, 2.0 * torch.eye(3), atol=1e-5)  # orthogonal, gain √2
    assert isinstance(policy.mlp_extractor.policy_net[1], torch.nn.Tanh)
    assert policy.optimizer.param_groups[0]["eps"] == 1e-5
    wide = {"head": "gaussian", "log_std_init": -1.5, "state_dependent_std": True}
    policy = PPOMax("MlpPolicy", lanes(), policy_kwargs=wide, **SMALL).policy
    policy.get_distribution(torch.rand(4, 3))
    assert torch.allclose(policy.action_dist.gaussian.log_std, torch.full((4, 2), -1.5), atol=0.1)  # type: ignore[union-attr]
    assert not torch.equal(*policy.action_dist.gaussian.log_std[:2])  # type: ignore[union-attr]


def test_a_mode_is_likely_and_actions_are_within_the_box() -> None:
    space = spaces.Box(np.array([0.0, -2.0], np.float32), np.array([1.0, 6.0], np.float32))
    for head in ("gaussian", "hybrid"):
        model = PPOMax("MlpPolicy", lanes(space), policy_kwargs={**NET, "head": head}, **SMALL).learn(32)
        for deterministic in (True, False):
            actions, _ = model.predict(np.zeros((50, 3), np.float32), deterministic=deterministic)
            assert all(space.contains(action) for action in actions)
            assert (len(np.unique(actions, axis=0)) == 1) is deterministic


def test_holds_get_the_hybrid_head_and_fixed_frames_keep_their_own() -> None:
    tiles = spaces.Dict({"tiles": spaces.MultiBinary((7, 13, 16)), "vector": VECTOR})
    for env_id, head in (("ContinuousFrames", "hybrid"), ("DiscreteFrames", None)):
        chosen = hp.choose(find_algorithm("ppo_max"), f"MarioScore-1-1-{env_id}-v0", tiles)
        assert chosen["policy_kwargs"].get("head") == head
        assert chosen["policy_kwargs"]["net_arch"] == [256, 256]


def test_what_cannot_be_is_refused_in_one_line() -> None:
    hybrid = {"policy_kwargs": {"head": "hybrid"}}
    below = spaces.Box(-2.0, 0.0, (2,), np.float32)
    for arguments, space, words in (
        ({"ratio": "each"}, BUTTONS, "ratio must be one of joint, per-button, not 'each'"),
        ({"use_sde": True}, BUTTONS, "use_sde needs ratio joint"),
        ({"policy_kwargs": {"head": "beta"}}, BUTTONS, "head must be one of plain, gaussian, hybrid, not 'b"),
        (hybrid, spaces.Discrete(2), "hybrid head acts in a Box, not in Discrete"),
        (hybrid, below, "a Box that reaches above 0"),
    ):
        with pytest.raises(AgentsError, match=words) as refusal:
            PPOMax("MlpPolicy", lanes(space), **{**SMALL, **arguments})  # type: ignore[arg-type]
        assert "\n" not in str(refusal.value)


def test_numbers_that_are_none_stop_before_they_touch_a_weight() -> None:
    class Broken(Walk):
        def step(self, action: Any) -> Any:
            observation, _, *rest = super().step(action)
            return observation, float("nan"), *rest

    model = PPOMax("MlpPolicy", make_vec_env(Broken, 2), **SMALL)
    before = {name: part.clone() for name, part in model.policy.state_dict().items()}
    with pytest.raises(AgentsError, match="the returns are not finite in update 1"):
        model.learn(32)
    assert all(torch.equal(part, before[name]) for name, part in model.policy.state_dict().items())


def test_moments_travel_with_the_weights(tmp_path: Path) -> None:
    """Through shared memory to actors that lag, and into the checkpoint; frames count."""
    config = configure_run(
        "ppo_max", "Pendulum-v1", steps=300, seed=1, lanes=2, sampler="async", order="bounded:1",
        overrides={"n_steps": 50, "batch_size": 50, "n_epochs": 1,
                                    "policy_kwargs": {**NET, "head": "gaussian"}},
    )  # fmt: skip
    assert config.discount_per == "frame"
    outcome = experiment.train(config, tmp_path / "run")
    _, tensors = read_checkpoint(outcome.checkpoint)
    counted = tensors["policy/features_extractor.moments.count"].item()
    assert counted == outcome.steps
    pendulum = gymnasium.make("Pendulum-v1")
    model, _ = load_model(
        outcome.checkpoint, observation_space=pendulum.observation_space, action_space=pendulum.action_space
    )
    assert model.policy.features_extractor.moments.count == counted  # type: ignore[union-attr]
