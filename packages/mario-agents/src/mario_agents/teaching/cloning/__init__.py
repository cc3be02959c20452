"""Behaviour cloning: to act as demonstrations did, before any reward; README.md here has the maths."""
