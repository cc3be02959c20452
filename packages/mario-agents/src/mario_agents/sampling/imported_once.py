"""What the process imports that actors are forked from, once for all of them: torch alone takes seconds."""

import signal

from mario_agents.quiet_import import import_sb3_quietly

# Ctrl-C in a terminal reaches this process and its actors, too; the learner decides what becomes of them.
signal.signal(signal.SIGINT, signal.SIG_IGN)
import_sb3_quietly()

import torch._dynamo  # noqa: E402, F401 -- the first optimiser of a process imports it

import mario_agents.sampling.actor_process  # noqa: E402, F401
