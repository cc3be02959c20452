"""The command line ``mario-agents``. Commands import what they need: ``--help`` must not wait for torch."""

from __future__ import annotations

import json
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mario_agents.errors import AgentsError
from mario_agents.interruption import INTERRUPTED
from mario_agents.quiet_import import import_sb3_quietly

if TYPE_CHECKING:
    from mario_agents.experiment import Outcome

app = typer.Typer(
    name="mario-agents",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="""Train agents on any Gymnasium environment, go on with them, watch them and evaluate them.

    A first agent, in half a minute:

        mario-agents train ppo --env CartPole-v1 --steps 20000 --out runs/pole

        mario-agents play runs/pole --video pole.mp4
    """,
)

Run = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="A run folder, one checkpoint file of it, or zoo:NAME (see `mario-agents zoo`)."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Deterministic = Annotated[
    bool, typer.Option("--deterministic/--sampled", help="Most likely action, or one sampled as in training.")
]

# Of search and of polish.
DrawSeed = Annotated[int, typer.Option(min=0, max=2**31 - 1, help="Of everything that is drawn.")]
Consoles = Annotated[int, typer.Option(min=1, help="Consoles side by side.")]
Cores = Annotated[int, typer.Option(min=0, help="Processor cores to use; 0 is all.")]
OwnRom = Annotated[Path | None, typer.Option(metavar="PATH", help="A ROM of your own.")]


@app.command()
def train(
    algorithm: Annotated[str, typer.Argument(metavar="ALGO", help="See `mario-agents zoo`.")],
    env: Annotated[str, typer.Option("--env", metavar="ID", help="Gymnasium ID, or module:ID.")],
    steps: Annotated[int, typer.Option(min=1, help="Environment steps, all lanes together.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="New run folder.")],
    minutes: Annotated[
        float | None, typer.Option(help="Stop after so many minutes if that is sooner.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many emulated frames if that is sooner.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**31 - 1, help="Drawn and recorded if not given.")
    ] = None,
    lanes: Annotated[int | None, typer.Option(min=1, help="Environments stepped together.")] = None,
    sampler: Annotated[
        str,
        typer.Option(
            help="sync: sample, then train; async: actors in processes of their own; ray: in a Ray cluster."
        ),
    ] = "sync",
    address: Annotated[
        str | None,
        typer.Option(metavar="ADDR", help="Ray cluster: HOST:PORT, or auto; else Ray is started here."),
    ] = None,
    order: Annotated[
        str, typer.Option(help="How far data may lag behind: strict, bounded:K versions, or free.")
    ] = "strict",
    actors: Annotated[int, typer.Option(min=1, help="Actors that share the lanes evenly.")] = 1,
    pace: Annotated[
        str, typer.Option(help="together: an actor's lanes step at once; own: none waits for another.")
    ] = "together",
    store: Annotated[
        str | None, typer.Option(help="segments (whole) or transitions (cut); chosen by algorithm.")
    ] = None,
    pools: Annotated[int, typer.Option(min=1, help="Make a replay of so many; train as one fills.")] = 1,
    discount_per: Annotated[
        str | None, typer.Option(help="What gamma counts: step or frame; chosen by algorithm.")
    ] = None,
    patience: Annotated[
        float, typer.Option(help="Seconds after which an async actor that does not move counts as stuck.")
    ] = 60.0,
    on_trouble: Annotated[
        str,
        typer.Option(help="If an environment raises, gives NaN or hangs: stop, skip or restart."),
    ] = "stop",
    exact_resume: Annotated[
        bool,
        typer.Option(
            help="At checkpoints of a strict run, begin episodes anew: resume equals an unbroken run."
        ),
    ] = True,
    save_replay: Annotated[
        bool, typer.Option(help="Save the replay with the newest checkpoint; else resume refills it.")
    ] = True,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="A hyper-parameter; VALUE is YAML or lin_START[_END]."
        ),
    ] = None,
    env_option: Annotated[
        list[str] | None,
        typer.Option(
            "--env-option", metavar="KEY=VALUE", help="A keyword argument of the environment, in YAML."
        ),
    ] = None,
    curriculum: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yml",
            help="Levels to learn first: a list of {until: SHARE, env: {…}}, or {backward: {movie: 1-4, …}}.",
        ),
    ] = None,
    cloning: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yml", help="Learn from demonstrations first: {demonstrations: [1-1.movie, …], …}."
        ),
    ] = None,
    demonstrations: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yml", help="Replay these, too: {demonstrations: [1-1.movie, …], share: 0.25}."
        ),
    ] = None,
    imitation: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yml", help="Imitate own good episodes, avoid the bad: {imitate: W, avoid: W, …}."
        ),
    ] = None,
    discriminator: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yml",
            help="Be rewarded for looking as demonstrated: {demonstrations: [1-1.movie, …], task: W, …}.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    threads: Annotated[int | None, typer.Option(min=1, help="torch threads; chosen by observation.")] = None,
    checkpoints: Annotated[int, typer.Option(min=1, help="Checkpoints saved over the budget.")] = 20,
    keep: Annotated[int, typer.Option(min=1, help="Newest checkpoints kept on disk.")] = 3,
    as_json: Json = False,
) -> None:
    """Train a new agent.

    Stops at --steps, --minutes or --frames, whichever is first; steps and frames are rounded up to whole
    rollouts. Ctrl-C saves a checkpoint and says how to go on.

    Example: mario-agents train ppo --env MarioScore-1-1-DiscreteFrames-v0 --steps 500000 --out runs/1-1
    --set gamma=0.95 --set learning_rate=lin_2.5e-4
    """
    import_sb3_quietly()
    from mario_agents import experiment
    from mario_agents.configure import configure_run
    from mario_agents.curriculum import read_curriculum
    from mario_agents.teaching.cloning.settings import read_cloning
    from mario_agents.teaching.discriminator.settings import read_discriminator
    from mario_agents.teaching.replayed.settings import read_replayed
    from mario_agents.teaching.self_imitation.settings import read_imitation

    _check_minutes(minutes)
    config = configure_run(
        algorithm,
        env,
        steps=steps,
        minutes=minutes,
        frames=frames,
        seed=seed,
        lanes=lanes,
        sampler=sampler,
        address=address,
        order=order,
        actors=actors,
        pace=pace,
        store=store,
        pools=pools,
        discount_per=discount_per,
        patience=patience,
        on_trouble=on_trouble,
        exact_resume=exact_resume,
        save_replay=save_replay,
        overrides=_pairs(set_, "--set"),
        env_kwargs=_pairs(env_option, "--env-option"),
        curriculum=() if curriculum is None else read_curriculum(curriculum),
        cloning=None if cloning is None else read_cloning(cloning),
        demonstrations=None if demonstrations is None else read_replayed(demonstrations),
        imitation=None if imitation is None else read_imitation(imitation),
        discriminator=None if discriminator is None else read_discriminator(discriminator),
        device=device,
        threads=threads,
        checkpoints=checkpoints,
        keep=keep,
    )
    _finish(experiment.train(config, out), as_json)


@app.command()
def resume(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps to add; else what is left of the budget.")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="Minutes to add; else what is left.")] = None,
    frames: Annotated[int | None, typer.Option(min=1, help="Frames to add; else what is left.")] = None,
    as_json: Json = False,
) -> None:
    """Go on with a run from its newest checkpoint.

    Example: mario-agents resume runs/1-1 --minutes 10
    """
    import_sb3_quietly()
    from mario_agents import experiment

    _check_minutes(minutes)
    _finish(experiment.resume(run, steps=steps, minutes=minutes, frames=frames), as_json)


def _check_minutes(minutes: float | None) -> None:
    if minutes is not None and minutes <= 0:
        raise AgentsError(f"--minutes must be above 0, not {minutes:g}")


def _finish(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        fields = {
            key: str(value) if isinstance(value, Path) else value for key, value in vars(outcome).items()
        }
        print(json.dumps(fields))
    else:
        means = "".join(f", {name} {mean:,.2f}" for name, mean in outcome.means.items())
        print(
            f"{outcome.steps:,} steps, {outcome.frames:,} frames, {outcome.episodes:,} episodes in "
            f"{outcome.seconds / 60:.1f} minutes, {outcome.frames_per_second:,.0f} frames/s{means}"
        )
        print(f"checkpoint: {outcome.checkpoint}")
    if outcome.interrupted:
        from mario_agents.experiment import resume_command

        print(f"stopped by {outcome.stopped_by}; to go on: {resume_command(outcome.run)}", file=sys.stderr)
        raise typer.Exit(INTERRUPTED)


@app.command()
def play(
    run: Run,
    episodes: Annotated[int, typer.Option(min=1)] = 1,
    video: Annotated[
        Path | None, typer.Option(metavar="FILE.mp4", help="Write a video, open no window.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the first episode; the next has one more.")
    ] = None,
    deterministic: Deterministic = False,
    as_json: Json = False,
) -> None:
    """Watch the newest checkpoint play, in a window or as a video file.

    Example: mario-agents play runs/1-1 --episodes 3 --video best.mp4

    Example: mario-agents play zoo:1-1-ppo-discrete
    """
    import_sb3_quietly()
    from mario_agents.playing import play as play_episodes

    played = []
    for episode in play_episodes(run, episodes=episodes, seed=seed, deterministic=deterministic, video=video):
        played.append({"return": episode.returns, "steps": episode.steps, **episode.infos})
        if not as_json:
            infos = "".join(f", {name} {value}" for name, value in episode.infos.items())
            print(f"episode {len(played)}: return {episode.returns:,.2f}, {episode.steps:,} steps{infos}")
    if as_json:
        print(json.dumps({"episodes": played, "video": None if video is None else str(video)}, default=str))
    elif video is not None:
        print(f"video: {video}")


@app.command()
def evaluate(
    run: Run,
    episodes: Annotated[int, typer.Option(min=1)] = 100,
    seed: Annotated[int, typer.Option(min=0, help="Every episode's seed is derived from it.")] = 0,
    deterministic: Deterministic = False,
    lanes: Annotated[int, typer.Option(min=1, help="Environments side by side.")] = 8,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Default: RUN/evaluation; of zoo:NAME nothing is kept."),
    ] = None,
    report: Annotated[Path | None, typer.Option(metavar="FILE.html", help="Write a report, too.")] = None,
    as_json: Json = False,
) -> None:
    """Play many episodes with mario-eval and keep what happened in RUN/evaluation.

    Example: mario-agents evaluate runs/1-1 --episodes 100 --seed 1 --report runs/1-1/report.html

    Example: mario-agents evaluate zoo:1-1-ppo-discrete --episodes 100
    """
    import_sb3_quietly()
    from mario_agents.evaluating import evaluate as evaluate_run

    summary = evaluate_run(
        run, episodes=episodes, seed=seed, deterministic=deterministic, lanes=lanes, out=out, report=report
    )
    if as_json:
        print(json.dumps(summary))
        return
    for name, value in summary.items():
        if value is not None:
            print(f"{name}: {_brief(value)}")


def _brief(measure: Any) -> str:
    """Shorten one measure of mario-eval's summary to a line.

    >>> _brief({"value": 0.35, "low": 0.18, "high": 0.57})
    '0.35 (95 % interval 0.18 to 0.57)'
    """
    if not isinstance(measure, dict):
        return str(measure)
    if "iqm" in measure:
        return f"interquartile mean {_brief(measure['iqm'])}"
    if {"value", "low", "high"} <= measure.keys():
        value, low, high = (f"{measure[key]:,.2f}" for key in ("value", "low", "high"))
        return f"{value} (95 % interval {low} to {high})"
    return ", ".join(f"{name} {value:,.2f}" for name, value in measure.items())


@app.command()
def export(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="NAME.safetensors", help="New file.")],
    half: Annotated[bool, typer.Option("--half", help="Weights of 16 bits: half the size.")] = False,
) -> None:
    """Write the newest checkpoint as one small file to give away: all that acting needs.

    mario-agents and mario-eval take the file wherever they take a run. The state of the optimisers is left
    out, and the critics of an actor.

    Example: mario-agents export runs/1-1 --out 1-1-ppo-discrete.safetensors
    """
    import_sb3_quietly()
    from mario_agents.zoo.export import export as export_run

    written = export_run(run, out, half=half)
    print(f"{written}: {written.stat().st_size / 1000:,.0f} kB")


@app.command()
def zoo(
    env: Annotated[
        str | None, typer.Option("--env", metavar="ID", help="Show the values for this environment.")
    ] = None,
    algorithm: Annotated[str | None, typer.Option("--algo", help="Only this algorithm.")] = None,
    env_option: Annotated[
        list[str] | None, typer.Option("--env-option", metavar="KEY=VALUE", help="As for train.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the trained agents that come along, and the algorithms to train others with.

    Of the algorithms it tells what they can act in, and with --env the hyper-parameters chosen for it. With
    --env or --algo the agents are left out.

    Example: mario-agents zoo

    Example: mario-agents zoo --env CartPole-v1 --algo ppo
    """
    from mario_agents.zoo.algorithms import describe
    from mario_agents.zoo.shipped import PREFIX, describe_shipped

    entries = describe(env, algorithm, _pairs(env_option, "--env-option"))
    agents = describe_shipped() if env is None and algorithm is None else []
    if as_json:
        print(json.dumps({"agents": agents, "algorithms": entries}))
        return
    for agent in agents:
        print(
            f"{PREFIX}{agent['name']:<24} {agent['algorithm']} on {agent['env_id']}, "
            f"{agent['frames']:,} frames"
        )
    if agents:
        print("\nAlgorithms:")
    for entry in entries:
        print(f"{entry['name']:<13} {', '.join(entry['action_spaces']):<42} {entry['summary']}")
        for key, value in entry.get("hyperparams", {}).items():
            print(f"    {key}: {value}")
        if "refused" in entry:
            print(f"    not for this environment: {entry['refused']}")


@app.command()
def search(
    stages: Annotated[list[str], typer.Argument(metavar="STAGE…", help="1-1 to 8-4, or all.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="For movies; the same again goes on.")],
    goal: Annotated[
        str, typer.Option(help="clear: any way through; score: the most points; speed: the fewest frames.")
    ] = "clear",
    action: Annotated[
        str | None,
        typer.Option(
            metavar="YAML", help="Try this action's decisions alone, for an environment to play: see below."
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="At most so long for each stage, all calls together; else 5.")
    ] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="At most so many emulated frames for each stage.")
    ] = None,
    seed: DrawSeed = 0,
    lanes: Consoles = 64,
    threads: Cores = 0,
    rom: OwnRom = None,
    as_json: Json = False,
) -> None:
    """Search for a way through stages, and keep it as movies.

    It goes back to places that it knows and tries buttons there, with no idea of what the stage is like.
    Every solution is proved by playing it from the stage's start. To watch: mario-envs movie play
    DIR/1-1.movie

    Ctrl-C saves, and the same command goes on. A seed finds the same again, with any number of threads, as
    far as frames go. Exits with 1 if a stage is not solved.

    Without --action it changes buttons in any frame, which an environment may not be able to. With it, given
    as an environment is given its own, every movie is made of decisions that --action can express.

    Example: mario-agents search 1-1 4-4 --out solutions

    Example: mario-agents search all --minutes 1 --out solutions

    Example: mario-agents search 1-1 --goal score --minutes 10 --out points

    Example: mario-agents search 1-1 --out held --action '{continuous-frames: {min_frames: 8}}'
    """
    _need_mario_envs("searching")
    from mario_agents.search.command import search as search_stages

    _check_minutes(minutes)
    raise typer.Exit(
        search_stages(
            stages,
            goal=goal,
            action=action,
            minutes=minutes,
            frames=frames,
            seed=seed,
            lanes=lanes,
            threads=threads,
            rom=rom,
            out=out,
            as_json=as_json,
        )
    )


@app.command()
def polish(
    movies: Annotated[list[Path], typer.Argument(metavar="MOVIE…", help="Each clears a stage.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="For the polished ones, under their names.")],
    goal: Annotated[
        str,
        typer.Option(
            help="hand: the fewest controller changes; score: the most points; speed: the fewest frames."
        ),
    ] = "hand",
    minutes: Annotated[float | None, typer.Option(help="At most so long for each movie; else 5.")] = None,
    frames: Annotated[
        int | None, typer.Option(min=1, help="At most so many emulated frames for each movie.")
    ] = None,
    seed: DrawSeed = 0,
    lanes: Consoles = 32,
    threads: Cores = 0,
    rom: OwnRom = None,
    as_json: Json = False,
) -> None:
    """Make movies that clear their stages better: a calmer hand, more points, or fewer frames.

    It tries small edits of the buttons, and keeps those with which the stage is cleared and the movie is no
    worse. What is written was proved by playing it, and is never worse than what came in.

    Ends sooner if 5,000 edits in a row made nothing better. Ctrl-C saves what is best so far. A seed finds
    the same again, with any number of threads, as far as frames go.

    Example: mario-agents polish solutions/1-1.movie --out polished

    Example: mario-agents polish solutions/*.movie --goal speed --minutes 1 --out fast
    """
    _need_mario_envs("polishing")
    from mario_agents.search.polish.command import polish as polish_movies

    _check_minutes(minutes)
    raise typer.Exit(
        polish_movies(
            movies,
            goal=goal,
            minutes=minutes,
            frames=frames,
            seed=seed,
            lanes=lanes,
            threads=threads,
            rom=rom,
            out=out,
            as_json=as_json,
        )
    )


@app.command()
def demonstrate(
    movies: Annotated[list[Path], typer.Argument(metavar="MOVIE…", help="Each of a stage.")],
    env: Annotated[str, typer.Option("--env", metavar="ID", help="Of mario-envs, with ContinuousFrames.")],
    minari: Annotated[
        str, typer.Option(metavar="NAME", help="New dataset, such as mario/1-1-v0; in MINARI_DATASETS_PATH.")
    ],
    env_option: Annotated[
        list[str] | None, typer.Option("--env-option", metavar="KEY=VALUE", help="As for train.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of what the environment draws.")] = 0,
    as_json: Json = False,
) -> None:
    """Play movies in an environment, and write what is seen, done and earned as a Minari dataset.

    Other libraries learn from those: each movie becomes an episode of the decisions that play it. They exist
    with the action's min_frames: 1.

    Example: mario-agents demonstrate solutions/*.movie --env MarioScore-1-1-ContinuousFrames-v0
    --env-option 'action={continuous-frames: {min_frames: 1}}' --minari mario/solutions-v0
    """
    import_sb3_quietly()
    from mario_agents.teaching.minari_dataset import write_minari

    written = write_minari(minari, movies, env, _pairs(env_option, "--env-option"), seed)
    if as_json:
        print(json.dumps({key: str(v) if isinstance(v, Path) else v for key, v in vars(written).items()}))
    else:
        print(f"{written.path}: {written.episodes:,} episodes, {written.steps:,} steps")


def _need_mario_envs(doing: str) -> None:
    if find_spec("mario_envs") is None:
        raise AgentsError(f'{doing} needs mario-envs: pip install "mario-agents[mario]"')


def _pairs(texts: list[str] | None, option: str) -> dict[str, Any]:
    if not texts:
        return {}
    import_sb3_quietly()
    from mario_agents.hyperparams import read_value

    pairs = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not key or not equals:
            raise AgentsError(f"{option} takes KEY=VALUE, not {text!r}")
        pairs[key] = read_value(value)
    return pairs


def main() -> None:
    """Run the command line; a user's mistake is one line on stderr and exit status 1."""
    try:
        app()
    except AgentsError as error:
        print(f"mario-agents: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except OSError as error:
        print(f"mario-agents: {error}", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
