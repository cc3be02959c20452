"""Learning from examples: what others did, and the agent's own best; beside any algorithm that can."""
