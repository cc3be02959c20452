"""One checkpoint is one safetensors file: every tensor of the agent, and a JSON document that rebuilds it.

Nothing is pickled, so that loading a stranger's file runs none of its code. The file's metadata holds

- ``mario_agents``: the JSON document (:class:`CheckpointInfo`),
- ``sha256``: a digest over that document and all tensors, because safetensors has no checksum of its own.

Tensor names are ``policy/NAME``, ``OPTIMISER/state/INDEX/SLOT`` and ``variable/NAME``. Names that share one
storage (a features extractor used by actor and critic) are stored once and listed under ``same_as``.
"""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from gymnasium import spaces
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.save_util import recursive_getattr

from mario_agents.algorithms.registry import find_algorithm
from mario_agents.atomic import write_atomically
from mario_agents.checkpoint_header import DOCUMENT_KEY
from mario_agents.config import TrainConfig
from mario_agents.errors import AgentsError
from mario_agents.hyperparams import build
from mario_agents.sampling.spaces_only import SpacesOnlyVecEnv
from mario_agents.schedules import Budget

FORMAT_VERSION = 1
#: Networks that learn and do not act, where one actor acts: a file that is to act alone goes without.
LEARNING_ONLY = ("policy/anchor.", "policy/critic.", "policy/critic_target.", "policy/actor_target.")
#: What an algorithm counts beside its tensors; ``_n_calls`` paces DQN's target network.
_COUNTERS = ("num_timesteps", "_episode_num", "_n_updates", "_n_calls")


class CheckpointError(AgentsError):
    """A checkpoint cannot be written, or cannot be trusted; the message says why."""


class CheckpointInfo(BaseModel):
    """The JSON document inside a checkpoint."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = Field(description="layout of the file; 1")
    config: TrainConfig = Field(description="the run that made it")
    observation_space: str = Field(description="one lane's observation space, as Gymnasium prints it")
    action_space: str = Field(description="one lane's action space, as Gymnasium prints it")
    counters: dict[str, int] = Field(
        description="the algorithm's own counters; num_timesteps is steps so far"
    )
    frames: int = Field(ge=0, description="frames so far")
    episodes: int = Field(ge=0, description="finished episodes so far")
    seconds: float = Field(ge=0, description="seconds of training so far")
    policy_version: int = Field(default=0, ge=0, description="of the weights; a replay holds older ones")
    level: int = Field(default=0, ge=0, description="of the curriculum; a replay holds its rewards")
    successes: list[bool] = Field(
        default=[], description="which of the level's latest episodes cleared, oldest first"
    )
    optimisers: dict[str, list[dict[str, Any]]] = Field(description="parameter groups without the parameters")
    same_as: dict[str, str] = Field(description="tensors stored under another name")
    acts_only: bool = Field(default=False, description="what learns and does not act was left out")
    versions: dict[str, str] = Field(description="distributions that wrote it")

    @property
    def steps(self) -> int:
        """Environment steps so far, summed over lanes."""
        return self.counters["num_timesteps"]


def checkpoint_name(steps: int) -> str:
    """Return the file name for a number of steps; names sort as steps do.

    >>> checkpoint_name(50_000)
    'step-000050000.safetensors'
    """
    return f"step-{steps:09d}.safetensors"


def list_checkpoints(folder: Path) -> list[Path]:
    """Return a run's checkpoints, oldest first."""
    return sorted(folder.glob("step-*.safetensors"))


def save_checkpoint(
    folder: Path,
    model: BaseAlgorithm,
    config: TrainConfig,
    *,
    frames: int,
    episodes: int,
    seconds: float,
    versions: Mapping[str, str],
    policy_version: int = 0,
    level: int = 0,
    successes: Iterable[bool] = (),
) -> Path:
    """Write a checkpoint, then delete all but the newest ``config.keep``.

    Raises:
        CheckpointError: the disk refused it; the earlier checkpoints are as they were.
    """
    tensors, optimisers = _collect(model)
    stored, same_as = _store_once(tensors)
    info = CheckpointInfo(
        format_version=FORMAT_VERSION,
        config=config,
        observation_space=str(model.observation_space),
        action_space=str(model.action_space),
        counters={name: getattr(model, name) for name in _COUNTERS if hasattr(model, name)},
        frames=frames,
        episodes=episodes,
        seconds=seconds,
        policy_version=policy_version,
        level=level,
        successes=list(successes),
        optimisers=optimisers,
        same_as=same_as,
        versions=dict(versions),
    )
    path = folder / checkpoint_name(info.steps)
    try:
        write_checkpoint(path, info, stored)
    except OSError as error:
        raise CheckpointError(why_not_written(path, error)) from error
    for old in list_checkpoints(folder)[: -config.keep]:
        old.unlink()
    return path


def write_checkpoint(path: Path, info: CheckpointInfo, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write one file from its parts, as :func:`read_checkpoint` gives them.

    Args:
        path: the file; its folder exists.
        info: the document.
        tensors: all but those that ``info.same_as`` names.

    Raises:
        OSError: the disk refused it; what was there is as it was.
    """
    document = info.model_dump_json()
    metadata = {DOCUMENT_KEY: document, "sha256": _digest(document, tensors)}
    write_atomically(path, save_tensors(dict(tensors), metadata))


def why_not_written(path: Path, error: OSError) -> str:
    """Say in one line what the disk refused, and what to do.

    Args:
        path: a checkpoint, or what belongs to one.
        error: what the system said.
    """
    earlier = list_checkpoints(path.parent)
    kept = f"the last checkpoint, {earlier[-1]}, is whole" if earlier else "there is no earlier checkpoint"
    advice = (
        "free some space and resume" if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG) else "resume"
    )
    return f"{path} could not be written ({error.strerror}); {kept}; {advice} from it"


def _collect(model: BaseAlgorithm) -> tuple[dict[str, torch.Tensor], dict[str, list[dict[str, Any]]]]:
    tensors: dict[str, torch.Tensor] = {}
    optimisers: dict[str, list[dict[str, Any]]] = {}
    for name, state in model.get_parameters().items():
        if "param_groups" in state:
            optimisers[name] = state["param_groups"]
            for index, slots in state["state"].items():
                tensors |= {f"{name}/state/{index}/{slot}": tensor for slot, tensor in slots.items()}
        else:
            tensors |= {f"{name}/{key}": tensor for key, tensor in state.items()}
    for name in _variables(model):
        tensors[f"variable/{name}"] = recursive_getattr(model, name).detach()
    return tensors, optimisers


def _variables(model: BaseAlgorithm) -> list[str]:
    # SAC's entropy coefficient: a tensor of the algorithm, not of its policy.
    return [name for name in model._get_torch_save_params()[1] if getattr(model, name, None) is not None]


def _store_once(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    stored: dict[str, torch.Tensor] = {}
    same_as: dict[str, str] = {}
    first_name: dict[tuple[int, torch.Size, tuple[int, ...]], str] = {}
    for name, tensor in tensors.items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride())
        if tensor.numel() and place in first_name:
            same_as[name] = first_name[place]
        else:
            first_name[place] = name
            stored[name] = tensor.detach().cpu().contiguous().clone()
    return stored, same_as


def _digest(document: str, tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(document.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


def read_checkpoint(path: Path) -> tuple[CheckpointInfo, dict[str, torch.Tensor]]:
    """Read and verify a checkpoint without building anything from it.

    Returns:
        The document, and all tensors by name on the CPU, shared ones under each of their names.

    Raises:
        CheckpointError: the file is missing, damaged, foreign or of a newer format.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be read: {error.strerror}") from error
    try:
        tensors = load_tensors(content)
        header_end = 8 + int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8:header_end]).get("__metadata__") or {}
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} is not a whole safetensors file: {error}") from error
    document = metadata.get(DOCUMENT_KEY)
    if document is None:
        raise CheckpointError(f"{path} is a safetensors file, but not a checkpoint of mario-agents")
    if metadata.get("sha256") != _digest(document, tensors):
        raise CheckpointError(f"{path} is damaged: its contents do not match its SHA-256")
    version = json.loads(document).get("format_version")
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path} has checkpoint format {version}, this mario-agents reads {FORMAT_VERSION}: install the "
            "version that wrote it or a newer one"
        )
    try:
        info = CheckpointInfo.model_validate_json(document)
    except ValidationError as error:
        raise CheckpointError(f"{path}: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}") from error
    missing = set(info.same_as.values()) - tensors.keys()
    if missing:
        raise CheckpointError(f"{path} lacks the tensors {', '.join(sorted(missing))}")
    tensors |= {name: tensors[other] for name, other in info.same_as.items()}
    return info, tensors


def load_model(
    path: Path,
    env: Any = None,
    *,
    observation_space: spaces.Space[Any] | None = None,
    action_space: spaces.Space[Any] | None = None,
    device: str = "auto",
    seed: int | None = None,
    budget: Budget | None = None,
) -> tuple[BaseAlgorithm, CheckpointInfo]:
    """Rebuild the agent that a checkpoint holds: policy, optimisers and counters.

    Give either ``env``, the lanes to go on training in, or both spaces, to act only.

    Raises:
        CheckpointError: as :func:`read_checkpoint`, or the file was made for other spaces or another network.
    """
    info, tensors = read_checkpoint(path)
    if info.acts_only and env is not None:
        raise CheckpointError(
            f"{path} was exported to act and has no critics; go on with the run it was made of"
        )
    if env is None:
        if observation_space is None or action_space is None:
            raise TypeError("give env, or observation_space and action_space")
        env = SpacesOnlyVecEnv(observation_space, action_space)
    hyperparams = dict(info.config.hyperparams)
    try:
        model = build(
            find_algorithm(info.config.algorithm),
            hyperparams if observation_space is None else _without_storage(hyperparams),
            info.config.policy,
            env,
            budget or Budget(),
            device=device,
            seed=seed,
        )
    except Exception as error:
        # A network for a dict of observations cannot even be made for a vector.
        _check_spaces(info, env, path)
        raise CheckpointError(f"{path} cannot be rebuilt: {' '.join(str(error).split())}") from error
    _check_spaces(info, model, path)  # the model's, because pictures have their channels first there
    _fill(model, info, tensors, path)
    return model, info


def _check_spaces(info: CheckpointInfo, given: Any, path: Path) -> None:
    for what, stored, space in (
        ("observation", info.observation_space, given.observation_space),
        ("action", info.action_space, given.action_space),
    ):
        if stored != str(space):
            raise CheckpointError(f"{path} was made for the {what} space {stored}, not for {space}")


def _without_storage(hyperparams: dict[str, Any]) -> dict[str, Any]:
    # To act, no replay or rollout is needed; a pixel replay would take gigabytes.
    if "buffer_size" in hyperparams:
        return {**hyperparams, "buffer_size": 1}
    return {key: 2 if key in ("n_steps", "batch_size") else value for key, value in hyperparams.items()}


def _fill(
    model: BaseAlgorithm, info: CheckpointInfo, tensors: Mapping[str, torch.Tensor], path: Path
) -> None:
    expected, _ = _collect(model)
    fixed = {name for name in expected if "/state/" not in name}
    for name in fixed | tensors.keys():
        if name not in tensors:
            if info.acts_only and name.startswith(LEARNING_ONLY):
                continue
            raise CheckpointError(f"{path} lacks the tensor {name}")
        if name in expected and expected[name].shape != tensors[name].shape:
            found, needed = list(tensors[name].shape), list(expected[name].shape)
            raise CheckpointError(f"{path}: {name} has shape {found}, the agent needs {needed}")
    parameters: dict[str, dict[str, Any]] = {}
    for name, state in model.get_parameters().items():
        if "param_groups" in state:
            optimiser = recursive_getattr(model, name)
            shapes = [weight.shape for group in optimiser.param_groups for weight in group["params"]]
            parameters[name] = _optimiser_state(name, state, shapes, info, tensors, path)
        else:
            parameters[name] = {key: tensors.get(f"{name}/{key}", begun) for key, begun in state.items()}
    # SB3's annotation says tensors where its documentation and its code say state dicts.
    model.set_parameters(parameters, exact_match=True)  # type: ignore[arg-type]
    for name in _variables(model):
        recursive_getattr(model, name).data.copy_(tensors[f"variable/{name}"])
    for name, count in info.counters.items():
        if name in _COUNTERS and hasattr(model, name):
            setattr(model, name, count)
    if model.use_sde:
        # As BaseAlgorithm.load does: the noise matrix is not a parameter.
        model.policy.reset_noise()  # type: ignore[operator]


def _optimiser_state(
    name: str,
    fresh: dict[str, Any],
    shapes: list[torch.Size],
    info: CheckpointInfo,
    tensors: Mapping[str, torch.Tensor],
    path: Path,
) -> dict[str, Any]:
    groups = info.optimisers.get(name, [])
    wanted = fresh["param_groups"]
    if [group.get("params") for group in groups] != [group["params"] for group in wanted]:
        raise CheckpointError(f"{path}: the parameters of {name} are not those of this agent")
    prefix = f"{name}/state/"
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key in (key for key in tensors if key.startswith(prefix)):
        index, _, slot = key.removeprefix(prefix).partition("/")
        # torch would take any shape here and fail at the first update.
        if not index.isdecimal() or int(index) >= len(shapes):
            raise CheckpointError(f"{path}: {key} belongs to no parameter of this agent")
        if tensors[key].shape not in (shapes[int(index)], torch.Size([])):
            raise CheckpointError(f"{path}: {key} has not the shape of its parameter")
        state.setdefault(int(index), {})[slot] = tensors[key].clone()
    # JSON has no tuples; the fresh optimiser tells which values were (Adam's betas).
    merged = [
        {
            key: tuple(group[key]) if isinstance(value, tuple) else group[key]
            for key, value in fresh_group.items()
            if key in group
        }
        for group, fresh_group in zip(groups, wanted, strict=True)
    ]
    return {"state": state, "param_groups": merged}
