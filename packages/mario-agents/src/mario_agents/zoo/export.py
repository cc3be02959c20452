"""Makes of a run one file to give away: what is needed to act, without what only training needs."""

from __future__ import annotations

from pathlib import Path

from mario_agents.acting import find_checkpoint
from mario_agents.checkpoints import LEARNING_ONLY, read_checkpoint, write_checkpoint
from mario_agents.errors import AgentsError

#: Versions that a reader of the file may need; the run's manifest has those of everything installed.
_VERSIONS = (
    "python", "torch", "stable-baselines3", "sb3-contrib", "gymnasium", "numpy", "mario-agents",
    "mario-envs", "gym-super-mario-bros", "nes-py",
)  # fmt: skip


def export(run: Path, out: Path, *, half: bool = False) -> Path:
    """Write the newest checkpoint of a run without its optimisers' state: a third of its size, or less.

    The file is a checkpoint like any other. An actor goes without its critics, and acts only; training that
    goes on from another begins with fresh optimisers.

    Args:
        run: a run folder or a checkpoint.
        out: the file to write, ``NAME.safetensors``; not there yet. Its name is the agent's.
        half: write weights as float16, in half the size; what is sampled then differs in the fourth digit.

    Raises:
        AgentsError: there is no whole checkpoint, or ``out`` has another suffix, exists or cannot be written.

    Example::

        export(Path("runs/1-1"), Path("1-1-ppo-discrete.safetensors"))
    """
    if out.suffix != ".safetensors":
        raise AgentsError(f"an agent is written as NAME.safetensors, not {out.name}")
    if out.exists():
        raise AgentsError(f"{out} exists; give another name or delete it")
    info, tensors = read_checkpoint(find_checkpoint(run))
    # Among several actors the critics choose who acts.
    actors = (info.config.hyperparams.get("policy_kwargs") or {}).get("n_actors", 1)
    acts_only = actors == 1 and any(name.startswith(LEARNING_ONLY) for name in tensors)
    left_out = LEARNING_ONLY if acts_only else ()
    kept = {
        name: tensor.half() if half and tensor.is_floating_point() else tensor
        for name, tensor in tensors.items()
        if "/state/" not in name and not name.startswith(left_out)
    }
    shared = {name: other for name, other in info.same_as.items() if name in kept and other in kept}
    versions = {name: info.versions[name] for name in _VERSIONS if name in info.versions}
    lighter = info.model_copy(update={"same_as": shared, "versions": versions, "acts_only": acts_only})
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_checkpoint(out, lighter, {name: kept[name] for name in kept if name not in shared})
    except OSError as error:
        raise AgentsError(f"{out} cannot be written: {error.strerror or error}") from error
    return out
