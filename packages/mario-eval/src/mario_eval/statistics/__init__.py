"""Statistics of recordings."""
