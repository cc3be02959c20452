"""Which emulator runs where nobody chose one."""

from __future__ import annotations

import warnings
from functools import cache

from mario_envs.emulators import native


@cache
def default_emulator() -> str:
    """Return the key of our own machine, or of nes-py where it was not built; says so once per process."""
    if native.available():
        return "builtin/native"
    warnings.warn(
        "mario-envs was installed without its C++ emulator and uses nes-py, some hundred times slower; "
        "reinstall it where a C++17 compiler is present",
        stacklevel=2,
    )
    return "builtin/nes-py"
