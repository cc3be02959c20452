"""The solutions that come along: a movie for each stage, as ``mario-agents search`` found it."""
