"""Which sampler, order and store an algorithm can use, each refusal in one line."""

from __future__ import annotations

from importlib.util import find_spec

from mario_agents.algorithms.registry import ALGORITHMS, Algorithm
from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError
from mario_agents.sampling.protocol import Order

#: Algorithms whose loss is known for each transition; see :mod:`mario_agents.algorithms.prioritised`.
BY_PRIORITY = ("dqn", "qrdqn")


def is_recurrent(algorithm: Algorithm) -> bool:
    """Tell whether an algorithm's networks have states, so that it learns from whole sequences."""
    return algorithm.name == "recurrentppo"


def is_off_policy(algorithm: Algorithm) -> bool:
    """Tell whether an algorithm learns from a replay."""
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm  # torch takes seconds

    return issubclass(algorithm.load_class(), OffPolicyAlgorithm)


def can_act_by_lanes(algorithm: Algorithm) -> bool:
    """Tell whether an algorithm plays by Stable-Baselines3's own loop, so that some of its lanes can act."""
    from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
    from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

    from mario_agents.algorithms.ppo_max import PPOMax  # notes frames beside that loop

    usual = (
        OnPolicyAlgorithm.collect_rollouts, OffPolicyAlgorithm.collect_rollouts, PPOMax.collect_rollouts
    )  # fmt: skip
    return getattr(algorithm.load_class(), "collect_rollouts", None) in usual


def ensemble_size(config: TrainConfig) -> int:
    """Return how many networks act side by side, each in lanes of its own: ``n_actors`` of the policy."""
    arguments = config.hyperparams.get("policy_kwargs")
    size = arguments.get("n_actors", 1) if isinstance(arguments, dict) else 1
    return size if isinstance(size, int) and size > 0 else 1  # anything else the policy refuses


def default_store(algorithm: Algorithm) -> str:
    """Return the store of an algorithm whose user named none: the one that is sampled fastest."""
    return "segments" if is_recurrent(algorithm) else "transitions"


def check_sampling(algorithm: Algorithm, config: TrainConfig) -> None:
    """Refuse settings that do not fit together.

    Raises:
        AgentsError: what does not fit, and what would.
    """
    off_policy = is_off_policy(algorithm)
    try:
        order = Order.parse(config.order)
    except ValueError as error:
        raise AgentsError(str(error)) from None
    if config.lanes % config.actors:
        raise AgentsError(
            f"{config.lanes} lanes cannot be divided evenly among {config.actors} actors: change --lanes or "
            "--actors"
        )
    if config.lanes // config.actors % ensemble_size(config):
        raise AgentsError(
            f"each actor's {config.lanes // config.actors} lanes cannot be dealt out evenly to the "
            f"{ensemble_size(config)} networks of n_actors: change --lanes, --actors or n_actors"
        )
    if config.sampler == "sync" and order.kind != "strict":
        raise AgentsError(f"--sampler sync is always strict; for --order {config.order} use --sampler async")
    if config.sampler == "ray" and find_spec("ray") is None:
        raise AgentsError("--sampler ray needs Ray: pip install 'mario-agents[ray]'")
    if config.address is not None and config.sampler != "ray":
        raise AgentsError(f"--address is that of a Ray cluster: it needs --sampler ray, not {config.sampler}")
    if config.sampler == "sync" and config.on_trouble == "restart":
        raise AgentsError(
            "--on-trouble restart needs --sampler async or ray, which can start an actor anew; or use skip"
        )
    if config.pace == "own":
        if order.kind == "strict":
            raise AgentsError(
                "--pace own plays what comes first, which --order strict forbids: use bounded:K or free, "
                "with --sampler async or ray"
            )
        in_all_lanes = config.hyperparams.get("use_sde") or ensemble_size(config) > 1
        if not can_act_by_lanes(algorithm) or in_all_lanes:
            raise AgentsError(
                f"{algorithm.name} acts in all lanes at once as it is set up here: leave --pace own out"
            )
        if config.on_trouble == "skip":
            raise AgentsError("--pace own cannot skip a step that failed: use --on-trouble stop or restart")
    if is_recurrent(algorithm):
        if config.imitation is not None:
            able = ", ".join(other.name for other in ALGORITHMS.values() if not is_recurrent(other))
            raise AgentsError(
                f"{algorithm.name} learns from whole sequences, not from single decisions that it "
                f"remembers: leave --imitation out, or use one of: {able}"
            )
        if config.store == "transitions":
            raise AgentsError(f"{algorithm.name} learns from whole sequences: use --store segments")
        if order.kind != "strict":
            raise AgentsError(
                f"{algorithm.name} keeps the states of the networks that played: use --order strict"
            )
    if config.hyperparams.get("correction") and order.kind != "strict":
        # On 1-1 in free order it went from 11 % cleared to none within 100,000 steps (docs/results.md).
        raise AgentsError(
            f"{algorithm.name}'s correction weighs what its policy of now played: use --order strict, or "
            "--set correction=0"
        )
    if config.pools > 1 and not off_policy:
        raise AgentsError(f"{algorithm.name} keeps no replay that could be made of pools: leave --pools out")
    if config.pools > 1 and config.hyperparams.get("buffer_size", 1_000_000) < config.pools:
        raise AgentsError(f"{config.pools} pools need a buffer_size of at least as many transitions")
    if config.priority_exponent > 0:
        if algorithm.name not in BY_PRIORITY:
            able = " and ".join(BY_PRIORITY)
            raise AgentsError(f"{algorithm.name} cannot learn from a prioritised replay, as {able} can")
        if config.store != "transitions" or config.pools > 1:
            raise AgentsError("a prioritised replay is one store: use --store transitions and no --pools")
    frequency = config.hyperparams.get("train_freq")
    if isinstance(frequency, list | tuple) and frequency[-1] == "episode":
        if config.lanes > 1:
            raise AgentsError(f"train_freq in episodes needs --lanes 1, not {config.lanes}")
        if order.kind != "strict":
            raise AgentsError("train_freq in episodes needs --order strict")
