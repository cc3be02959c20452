"""Our own rewards, actions, observations and emulators, registered as any plugin's are."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mario_envs.actions.base import Action
from mario_envs.actions.continuous_frames import ContinuousFrames
from mario_envs.actions.discrete_frames import DiscreteFrames
from mario_envs.emulators.native import NativeEmulator
from mario_envs.emulators.nes_py import NesPyEmulator
from mario_envs.emulators.protocol import Emulator
from mario_envs.observations.base import Observation
from mario_envs.observations.frames import Frames
from mario_envs.observations.tiles import Tiles
from mario_envs.plugins.hookspecs import hookimpl
from mario_envs.rewards.base import Reward
from mario_envs.rewards.original import OriginalReward
from mario_envs.rewards.score import ScoreReward


@hookimpl
def mario_envs_register_rewards() -> Mapping[str, Callable[..., Reward]]:
    """Register the manual's reward and the original library's."""
    return {"score": ScoreReward, "original": OriginalReward}


@hookimpl
def mario_envs_register_actions() -> Mapping[str, Callable[..., Action]]:
    """Register six hold times, and choices of button sets."""
    return {"continuous-frames": ContinuousFrames, "discrete-frames": DiscreteFrames}


@hookimpl
def mario_envs_register_observations() -> Mapping[str, Callable[..., Observation]]:
    """Register pictures and tiles."""
    return {"frames": Frames, "tiles": Tiles}


@hookimpl
def mario_envs_register_emulators() -> Mapping[str, Callable[..., Emulator]]:
    """Register our own machine and the reference emulator."""
    return {"native": NativeEmulator, "nes-py": NesPyEmulator}
