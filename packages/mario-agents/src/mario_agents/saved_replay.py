"""The replay beside its checkpoint: ``step-….replay.npz``, the newest checkpoint's only."""

from __future__ import annotations

import zipfile
from pathlib import Path

from mario_agents.atomic import open_atomically
from mario_agents.checkpoints import CheckpointError, checkpoint_name, why_not_written
from mario_agents.storage.saved import SavedArrays, write_arrays
from mario_agents.storage.store import Store

_ENDING = ".replay.npz"


def replay_of(checkpoint: Path) -> Path:
    """Return where the replay of a checkpoint lies, if it was saved.

    >>> replay_of(Path("step-000050000.safetensors")).name
    'step-000050000.replay.npz'
    """
    return checkpoint.with_name(checkpoint.stem + _ENDING)


def save_replay(folder: Path, store: Store, steps: int) -> None:
    """Write the replay of a checkpoint that is written next.

    Args:
        folder: of the checkpoints.
        store: what to write.
        steps: environment steps of the checkpoint.

    Raises:
        CheckpointError: the disk refused it; what was there is as it was.
    """
    path = replay_of(folder / checkpoint_name(steps))
    try:
        with open_atomically(path) as file:
            write_arrays(file, store.save())
    except OSError as error:
        raise CheckpointError(why_not_written(path, error)) from error


def drop_replays(checkpoint: Path) -> None:
    """Delete the replays of all other checkpoints; called when this one is whole."""
    for path in checkpoint.parent.glob(f"step-*{_ENDING}"):
        if path != replay_of(checkpoint):
            path.unlink()


def restore_replay(path: Path, store: Store) -> None:
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
            f"{path} is damaged or not this run's replay ({' '.join(str(error).split())}); delete it to go "
            "on with an empty one"
        ) from error
