"""The trained agents that come with this package, by name: ``zoo:NAME`` wherever a run may be given."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mario_agents.checkpoint_header import read_document
from mario_agents.errors import AgentsError, did_you_mean

#: What stands before the name of a shipped agent where a path could stand.
PREFIX = "zoo:"

_ROOM = Path(__file__).with_name("agents")


def shipped() -> dict[str, Path]:
    """Return every shipped agent's checkpoint by name, in the order of names."""
    return {path.stem: path for path in sorted(_ROOM.glob("*.safetensors"))}


def find_shipped(path: Path) -> Path | None:
    """Return the checkpoint that ``zoo:NAME`` means, or None if ``path`` is not of that form.

    Raises:
        AgentsError: no agent has that name; the message tells the nearest, or all.

    Example:
        >>> find_shipped(Path("runs/1-1")) is None
        True
    """
    text = str(path)
    if not text.startswith(PREFIX):
        return None
    agents, name = shipped(), text.removeprefix(PREFIX)
    if name not in agents:
        raise AgentsError(f"no shipped agent {name!r}{did_you_mean(name, agents)}; see mario-agents zoo")
    return agents[name]


def describe_shipped() -> list[dict[str, Any]]:
    """Describe every shipped agent as a dict that JSON can hold.

    Returns:
        ``name``, ``algorithm``, ``env_id``, ``env_kwargs``, and of its training ``steps``, ``frames``,
        ``seconds`` and ``seed``.
    """
    entries = []
    for name, path in shipped().items():
        document = read_document(path)
        if document is None:
            raise AgentsError(f"{path} is damaged; install mario-agents anew")
        config = document["config"]
        entries.append(
            {
                "name": name,
                **{key: config[key] for key in ("algorithm", "env_id", "env_kwargs")},
                "steps": document["counters"]["num_timesteps"],
                **{key: document[key] for key in ("frames", "seconds")},
                "seed": config["seed"],
            }
        )
    return entries
