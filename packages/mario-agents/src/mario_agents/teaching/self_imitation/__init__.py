"""Self-imitation and avoidance (the manual's R8), beside any algorithm; README.md here has the maths."""
