"""From policies and environments to transitions."""
