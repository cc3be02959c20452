"""Train, resume, watch and evaluate agents on any Gymnasium environment.

Importing this package is cheap: torch and Stable-Baselines3 load with the modules that need them, and with
the first use of :class:`PPOMax` or :class:`PPOQ`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mario_agents.algorithms.ppo_max import PPOMax as PPOMax
    from mario_agents.algorithms.ppo_q import PPOQ as PPOQ

__version__ = "0.1.0"
__all__ = ["PPOQ", "PPOMax", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "PPOMax":
        from mario_agents.algorithms.ppo_max import PPOMax

        return PPOMax
    if name == "PPOQ":
        from mario_agents.algorithms.ppo_q import PPOQ

        return PPOQ
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
