"""Algorithms compared: what is run (protocol.yml), the running of it, its results and their tables."""
