"""Where the C++ machine was not built, everything runs on nes-py and says so once."""

import subprocess
import sys
import textwrap

BLOCKED = """
    import sys, warnings
    sys.modules["mario_envs._native"] = None  # what an extension that was not built looks like to import
    import gymnasium, mario_envs
    from mario_envs.emulators.protocol import EmulatorError
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        envs = [gymnasium.make("MarioScore-1-1-DiscreteFrames-v0") for _ in range(2)]
    print([str(w.message) for w in caught if "nes-py" in str(w.message)])
    print(envs[0].unwrapped.provenance["emulator"]["key"])
    envs[0].reset(seed=0)
    print(envs[0].step(1)[4]["frames"])
    try:
        gymnasium.make("MarioScore-1-1-DiscreteFrames-v0", emulator="native")
    except EmulatorError as error:
        print(error)
"""


def test_nes_py_takes_over_and_one_warning_says_why():
    script = [sys.executable, "-c", textwrap.dedent(BLOCKED)]
    warned, key, frames, refused = subprocess.run(
        script, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert warned.count("without its C++ emulator") == 1
    assert key == "builtin/nes-py"
    assert frames == "4"
    assert "C++17 compiler" in refused
