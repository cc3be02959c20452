"""A recording that goes on until it is closed, of episodes that somebody else begins and plays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from numpy.typing import NDArray

from mario_eval.manifest import new_manifest, now
from mario_eval.recorders.folder import RecordingFolder
from mario_eval.recorders.recorder import Recorder


class RecordingSession:
    """The folder and the recorder of such a recording, with episodes numbered as they begin.

    Args:
        out: the evaluation folder to create.
        spec: what Gymnasium knows about the environment, if anything.
        action_space: of one lane.
        batched: the batch of it.
        lanes: number of lanes.
        metadata: of the environment.
        policy_name: who plays.
        step_infos: infos to record at each step.

    Attributes:
        folder: the writing end.
        recorder: give it every step.
    """

    def __init__(
        self,
        out: Path,
        *,
        spec: EnvSpec | None,
        action_space: spaces.Space[Any],
        batched: spaces.Space[Any],
        lanes: int,
        metadata: Mapping[str, Any],
        policy_name: str,
        step_infos: Sequence[str],
    ) -> None:
        manifest = new_manifest(
            spec,
            None if spec is None else spec.id,
            {} if spec is None else _env_kwargs(spec),
            policy={"name": policy_name},
            lanes=lanes,
            render_fps=metadata.get("render_fps"),
        )
        self.folder = RecordingFolder(out, manifest)
        self.recorder = Recorder(
            action_space,
            batched,
            lanes,
            folder=self.folder,
            episode_infos=tuple(metadata.get("episode_info", ())),
            step_infos=step_infos,
        )
        self._begun = 0
        self._closed = False

    def begin(self, lanes: NDArray[np.intp], seeds: Sequence[int | None]) -> None:
        """Begin an episode in each of the given lanes."""
        self.recorder.begin(lanes, range(self._begun, self._begun + len(lanes)), seeds)
        self._begun += len(lanes)

    def close(self) -> None:
        """Finish the recording; a second call does nothing."""
        if self._closed:
            return
        self._closed = True
        self.folder.manifest |= {"ended": now(), "end": "complete"}
        try:
            self.folder.flush()
            self.folder.write_manifest()
        finally:
            self.folder.close()


def _env_kwargs(spec: EnvSpec) -> dict[str, Any]:
    """Return the environment's own arguments; those that only shape a batch are no part of a replay."""
    shaping = ("num_envs", "vectorization_mode", "vector_kwargs", "wrappers", "autoreset_mode", "render_mode")
    return {name: value for name, value in spec.kwargs.items() if name not in shaping}
