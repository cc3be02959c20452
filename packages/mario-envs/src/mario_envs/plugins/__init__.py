"""Plugins: the hooks, and what finds and chooses."""
