"""Hyper-parameters by algorithm and environment: YAML, later entries over earlier, ``--set`` over all."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any, Literal

import numpy as np
import yaml
from gymnasium import spaces
from pydantic import ConfigDict, TypeAdapter, ValidationError
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines3.common.preprocessing import is_image_space

from mario_agents.algorithms.registry import Algorithm
from mario_agents.errors import AgentsError, did_you_mean
from mario_agents.schedules import Budget, is_schedule, parse_schedule

Kind = Literal["image", "vector", "dict"]

#: Settings that our files may hold beside the constructor arguments of the algorithm.
OUR_KEYS = ("lanes", "policy")
#: Likewise, of the replay; not every algorithm has them.
REPLAY_KEYS = ("priority_exponent", "priority_correction")
#: Constructor arguments that a run decides itself.
_TAKEN_KEYS = frozenset(
    {
        "self",
        "env",
        "seed",
        "device",
        "verbose",
        "tensorboard_log",
        "_init_setup_model",
        "supported_action_spaces",
    }
)
_ANY_CLASS = ConfigDict(arbitrary_types_allowed=True)
_POLICY_PREFIX: dict[Kind, str] = {"image": "Cnn", "vector": "Mlp", "dict": "MultiInput"}


def observation_kind(space: spaces.Space[Any]) -> Kind:
    """Tell which kind of network an observation needs.

    >>> observation_kind(spaces.Box(0, 255, (4, 84, 84), np.uint8))
    'image'
    """
    if isinstance(space, spaces.Dict):
        return "dict"
    return "image" if is_image_space(space) else "vector"


def default_policy(algorithm: Algorithm, kind: Kind) -> str:
    """Return the name of the algorithm's policy for one kind of observation.

    Raises:
        AgentsError: the algorithm has none.
    """
    aliases = algorithm.load_class().policy_aliases
    for alias in aliases:
        if alias.startswith(_POLICY_PREFIX[kind]):
            return alias
    raise AgentsError(f"{algorithm.name} has no policy for {kind} observations; it has {', '.join(aliases)}")


def constructor_keys(algorithm: Algorithm) -> list[str]:
    """Return the names that ``--set`` accepts for an algorithm."""
    arguments = inspect.signature(algorithm.load_class().__init__).parameters
    return [*OUR_KEYS, *(name for name in arguments if name not in _TAKEN_KEYS and name not in OUR_KEYS)]


def choose(
    algorithm: Algorithm, env_id: str, space: spaces.Space[Any], overrides: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return the hyper-parameters for one algorithm on one environment.

    Every entry of the algorithm's file whose pattern matches is applied in the file's order. A pattern is an
    fnmatch pattern on the ID without its module; ``PATTERN @image`` (or vector, dict) matches that kind of
    observation only. ``policy_kwargs`` are merged, everything else is replaced.

    Args:
        algorithm: whose file to read.
        env_id: with or without ``module:``.
        space: observation space of one lane.
        overrides: what the user set; goes over all.

    Raises:
        AgentsError: an override is not a hyper-parameter of the algorithm; the message names the nearest.
    """
    kind = observation_kind(space)
    name = env_id.rpartition(":")[2]
    chosen: dict[str, Any] = {"lanes": 1, "policy": default_policy(algorithm, kind)}
    text = (files(__name__) / f"{algorithm.name}.yml").read_text(encoding="utf-8")
    for key, values in yaml.safe_load(text).items():
        pattern, _, only_kind = key.partition(" @")
        if fnmatchcase(name, pattern) and only_kind in ("", kind):
            _apply(chosen, values)
    valid = [*constructor_keys(algorithm), *REPLAY_KEYS]
    for key in overrides or {}:
        if key not in valid:
            raise AgentsError(f"{algorithm.name} has no hyper-parameter {key!r}{did_you_mean(key, valid)}")
    _apply(chosen, overrides or {})
    policies = algorithm.load_class().policy_aliases
    if chosen["policy"] not in policies:
        unknown = str(chosen["policy"])
        raise AgentsError(f"{algorithm.name} has no policy {unknown!r}{did_you_mean(unknown, policies)}")
    return chosen


def read_value(text: str) -> Any:
    """Read one value as YAML does, and ``1e-4``, which YAML 1.1 takes for text, as a number.

    >>> read_value("1e-4"), read_value("{net_arch: [64]}"), read_value("lin_1e-4")
    (0.0001, {'net_arch': [64]}, 'lin_1e-4')

    Raises:
        AgentsError: the text is not YAML.
    """
    try:
        return _number_or(yaml.safe_load(text))
    except yaml.YAMLError:
        raise AgentsError(f"cannot read {text!r} as a YAML value") from None


def _number_or(value: Any) -> Any:
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _apply(chosen: dict[str, Any], values: Mapping[str, Any]) -> None:
    for key, written in values.items():
        value = _number_or(written)
        if key == "policy_kwargs" and isinstance(value, Mapping):
            chosen[key] = {**chosen.get(key, {}), **value}
        else:
            chosen[key] = value


def to_arguments(
    algorithm: Algorithm,
    hyperparams: Mapping[str, Any],
    action_space: spaces.Space[Any],
    budget: Budget,
) -> dict[str, Any]:
    """Turn values as written into constructor arguments: schedules, action noise, the activation.

    Each value must fit the type that the constructor is annotated with; Stable-Baselines3 itself would fail
    at the first update.

    Raises:
        AgentsError: a value cannot be read or does not fit.
    """
    signature = inspect.signature(algorithm.load_class().__init__, eval_str=True)
    arguments: dict[str, Any] = {}
    for key, written in hyperparams.items():
        value: Any = written
        if is_schedule(written):
            value = parse_schedule(written, budget)
        elif key == "action_noise" and isinstance(written, str):
            value = _parse_noise(written, action_space)
        elif key == "policy_kwargs" and isinstance(written, Mapping):
            value = _policy_arguments(written)
        wanted = signature.parameters[key].annotation
        try:
            arguments[key] = TypeAdapter(wanted, config=_ANY_CLASS).validate_python(value)
        except ValidationError:
            name = getattr(wanted, "__name__", str(wanted)) if isinstance(wanted, type) else str(wanted)
            raise AgentsError(f"{algorithm.name}: {key} must be {name}, not {written!r}") from None
    return arguments


def _parse_noise(text: str, action_space: spaces.Space[Any]) -> ActionNoise:
    kind, _, size = text.partition("_")
    noises: dict[str, type[ActionNoise]] = {"normal": NormalActionNoise, "ou": OrnsteinUhlenbeckActionNoise}
    try:
        noise, sigma = noises[kind], float(size)
    except (KeyError, ValueError):
        raise AgentsError(
            f"action_noise {text!r} is not normal_SIGMA or ou_SIGMA, such as normal_0.1"
        ) from None
    shape = action_space.shape or ()
    return noise(np.zeros(shape), np.full(shape, sigma))  # type: ignore[call-arg] # both take mean and sigma


def _policy_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    from torch import nn

    from mario_agents.algorithms.features import FEATURES

    activations = {"relu": nn.ReLU, "tanh": nn.Tanh, "elu": nn.ELU, "silu": nn.SiLU}
    arguments = dict(values)
    for key, classes in (("activation_fn", activations), ("features_extractor_class", FEATURES)):
        name = arguments.pop(key, None)
        if name is not None:  # null is the policy's own
            if name not in classes:
                raise AgentsError(f"unknown {key} {name!r}{did_you_mean(str(name), classes)}")
            arguments[key] = classes[name]
    return arguments


def build(
    algorithm: Algorithm,
    hyperparams: Mapping[str, Any],
    policy: str,
    env: Any,
    budget: Budget,
    **settings: Any,
) -> BaseAlgorithm:
    """Construct the algorithm.

    Args:
        algorithm: what to construct.
        hyperparams: constructor arguments as written in YAML.
        policy: Stable-Baselines3 policy name.
        env: lanes, or an environment of the same spaces.
        budget: what schedules follow beside steps.
        **settings: further constructor arguments: seed, device.

    Raises:
        AgentsError: Stable-Baselines3 refuses a value; the message is its own.
    """
    algorithm_class = algorithm.load_class()
    try:
        arguments = to_arguments(algorithm, hyperparams, env.action_space, budget)
        return algorithm_class(policy=policy, env=env, **arguments, **settings)
    except AgentsError:
        raise
    except (AssertionError, TypeError, ValueError) as error:
        reason = str(error).replace("\n", " ")
        raise AgentsError(f"{algorithm.name} refuses its hyper-parameters: {reason}") from error
