"""Imitation from observation alone, by a discriminator (the manual's G8); README.md here has the maths."""
