"""What a user can mend."""

from __future__ import annotations


class ExperimentError(ValueError):
    """One line that says what is wrong and what to do."""
