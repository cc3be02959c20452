"""Super Mario Bros. as Gymnasium environments.

Importing this package registers the IDs::

    import gymnasium, mario_envs
    env = gymnasium.make("MarioScore-1-1-ContinuousFrames-v0")
"""

from mario_envs.env import MarioEnv
from mario_envs.plugins.hookspecs import hookimpl
from mario_envs.registration import register_all
from mario_envs.vector_env import MarioVectorEnv

__all__ = ["MarioEnv", "MarioVectorEnv", "hookimpl"]

register_all()
