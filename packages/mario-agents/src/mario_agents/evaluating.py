"""``mario-agents evaluate``: our checkpoint, mario-eval's runner, ``RUN/evaluation``."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from mario_agents.acting import find_checkpoint
from mario_agents.checkpoints import read_checkpoint
from mario_agents.errors import AgentsError
from mario_agents.threads import set_threads
from mario_agents.zoo.shipped import find_shipped


def evaluate(
    path: Path,
    *,
    episodes: int,
    seed: int,
    deterministic: bool,
    lanes: int,
    out: Path | None = None,
    report: Path | None = None,
) -> dict[str, Any]:
    """Evaluate a run's newest checkpoint on the environment that it was trained on.

    Args:
        path: a run folder, a checkpoint (then ``out`` must be given), or ``zoo:NAME``.
        episodes: how many.
        seed: episodes' seeds are derived from it.
        deterministic: the most likely action instead of a sampled one.
        lanes: environments side by side.
        out: the evaluation folder; if None ``path/evaluation``, or none for ``zoo:NAME``, of which nothing is
            kept then.
        report: an HTML file to write about the run and its evaluation; for ``zoo:NAME`` it needs ``out``.

    Returns:
        mario-eval's summary, with ``folder`` (None if nothing was kept), ``checkpoint`` and, if one was
        written, ``report``.

    Raises:
        AgentsError: mario-eval is missing, refuses, or the folder exists.
    """
    if find_spec("mario_eval") is None:
        raise AgentsError('evaluation needs mario-eval: pip install "mario-agents[mario]"')
    import mario_eval

    checkpoint = find_checkpoint(path)
    if out is None and path.is_dir():
        out = path / "evaluation"
    elif out is None and (report is not None or find_shipped(path) is None):
        raise AgentsError(f"{path} has no folder of its own; say where the evaluation goes: --out DIR")
    if out is not None and out.exists() and any(out.iterdir()):
        raise AgentsError(f"{out} exists; keep it and give another folder with --out DIR, or delete it")
    config = read_checkpoint(checkpoint)[0].config
    set_threads(config)
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("episodes", total=episodes)
            result = mario_eval.evaluate(
                checkpoint,
                config.env_id,
                episodes=episodes,
                seed=seed,
                lanes=lanes,
                out=out,
                env_kwargs=config.env_kwargs,
                deterministic=deterministic,
                policy_name=str(path) if find_shipped(path) else None,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        folder = None if out is None else str(out)
        summary = {"folder": folder, "checkpoint": str(checkpoint), **result.summary()}
        if report is not None and out is not None:
            folders = [path] if out.parent == path else [out]
            summary["report"] = str(mario_eval.write_report(folders, report))
    except (mario_eval.EvaluationError, mario_eval.RecordingError) as error:
        raise AgentsError(str(error)) from error
    return summary
