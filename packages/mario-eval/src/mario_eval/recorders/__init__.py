"""Recorders of episodes and steps."""
