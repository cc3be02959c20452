"""The one error that a user causes and can put right."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class AgentsError(ValueError):
    """What was wrong and what to do about it, in one line; the command line prints it without a traceback."""


def did_you_mean(wrong: str, valid: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the valid choice nearest to a wrong one, or all of them.

    >>> did_you_mean("pp0", ["ppo", "sac"])
    "; did you mean 'ppo'?"
    >>> did_you_mean("zzz", ["ppo", "sac"])
    '; valid: ppo, sac'
    """
    choices = list(valid)
    by_lower_case = {choice.lower(): choice for choice in choices}
    nearest = get_close_matches(wrong.lower(), by_lower_case, n=1, cutoff=0.5)
    if nearest:
        return f"; did you mean {by_lower_case[nearest[0]]!r}?"
    return f"; valid: {', '.join(sorted(choices))}" if len(choices) <= 40 else ""
