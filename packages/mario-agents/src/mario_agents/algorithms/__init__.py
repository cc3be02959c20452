"""The algorithms that can be trained by name."""
