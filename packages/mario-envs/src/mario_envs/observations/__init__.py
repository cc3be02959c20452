"""Observations: what a policy sees."""
