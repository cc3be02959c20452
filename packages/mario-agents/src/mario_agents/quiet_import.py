"""Import Stable-Baselines3 without the notice of the unmaintained ``gym``."""

from __future__ import annotations

import sys


def import_sb3_quietly() -> None:
    """Import Stable-Baselines3 as if ``gym`` were not installed.

    gym-super-mario-bros 7 brings ``gym`` along; Stable-Baselines3 imports it if it finds it, and it prints
    four lines about its end to stderr. Gymnasium environments need nothing of it. It can still be imported
    later.
    """
    if "stable_baselines3" in sys.modules or "gym" in sys.modules:
        return
    sys.modules["gym"] = None  # type: ignore[assignment] # documented: makes `import gym` an ImportError
    try:
        import stable_baselines3  # noqa: F401
    finally:
        del sys.modules["gym"]
