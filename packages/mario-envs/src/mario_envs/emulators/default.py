"""Which emulator runs where nobody chose one."""

from __future__ import annotations

import warnings
from functools import cache

from mario_envs.emulators import native


@cache
def default_emulator() -> str:
    """Return the key of our own machine or, where it was not built, of the slow one; says so once per process."""
    if native.available():
        return "builtin/native"
    warnings.warn(
        "mario-envs was installed without its C++ emulator and uses nes-py, which is some hundred times slower; "
        "reinstall it where a C++17 compiler is present",
        stacklevel=2,
    )
    return "builtin/nes-py"
