"""Finding a way through a stage by search: go back to a saved place, try something, keep what is new."""
