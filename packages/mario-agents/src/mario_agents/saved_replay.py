"""What lies beside the newest checkpoint: ``step-….replay.npz``, ``.memory.npz``, ``.discriminator.npz``."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from mario_agents.atomic import open_atomically
from mario_agents.checkpoints import CheckpointError, checkpoint_name, why_not_written
from mario_agents.storage.saved import SavedArrays, write_arrays

#: The replay of an off-policy algorithm, what self-imitation remembers, or the discriminator.
Kind = Literal["replay", "memory", "discriminator"]


class Saved(Protocol):
    """What can be saved and restored, as :class:`~mario_agents.storage.store.Store` tells."""

    def save(self) -> Iterable[tuple[str, NDArray[Any]]]:
        """Give everything that :meth:`restore` needs, by name."""
        ...

    def restore(self, saved: SavedArrays) -> None:
        """Take over what another saved."""
        ...


def replay_of(checkpoint: Path, kind: Kind = "replay") -> Path:
    """Return where the replay of a checkpoint lies, if it was saved.

    >>> replay_of(Path("step-000050000.safetensors")).name
    'step-000050000.replay.npz'
    """
    return checkpoint.with_name(f"{checkpoint.stem}.{kind}.npz")


def save_replay(folder: Path, store: Saved, steps: int, kind: Kind = "replay") -> None:
    """Write the replay of a checkpoint that is written next.

    Args:
        folder: of the checkpoints.
        store: what to write.
        steps: environment steps of the checkpoint.
        kind: of which it is.

    Raises:
        CheckpointError: the disk refused it; what was there is as it was.
    """
    path = replay_of(folder / checkpoint_name(steps), kind)
    try:
        with open_atomically(path) as file:
            write_arrays(file, store.save())
    except OSError as error:
        raise CheckpointError(why_not_written(path, error)) from error


def drop_replays(checkpoint: Path) -> None:
    """Delete what lies beside all other checkpoints; called when this one is whole."""
    for path in checkpoint.parent.glob("step-*.npz"):
        if path.name.partition(".")[0] != checkpoint.stem:
            path.unlink()


def restore_replay(path: Path, store: Saved) -> None:
    """Fill an empty store with a saved replay.

    Args:
        path: of the replay.
        store: of the kind and the capacity that was saved.

    Raises:
        CheckpointError: the file is damaged, or of another store.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            store.restore(SavedArrays(archive))
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointError(
            f"{path} is damaged or not this run's ({' '.join(str(error).split())}); delete it to go "
            "on with an empty one"
        ) from error
