"""Errors of choosing and running plugins."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

_LONG_LIST = 16


class PluginError(RuntimeError):
    """A plugin misbehaved; the message names it, its distribution and version."""


class UnknownChoiceError(ValueError):
    """A key, setting or option that does not exist; the message names the nearest that does."""


def unknown(what: str, given: object, valid: Iterable[str]) -> UnknownChoiceError:
    """Build the error for an unknown choice; a short list of valid ones is given whole.

    >>> str(unknown("reward", "scroe", ["score", "original"]))
    "unknown reward 'scroe'; did you mean 'score'? Valid: original, score"
    """
    names = sorted(valid)
    near = get_close_matches(str(given), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    listing = f"Valid: {', '.join(names) or 'none'}" if len(names) <= _LONG_LIST else ""
    return UnknownChoiceError(f"unknown {what} {given!r}; {hint}{listing}".rstrip(" ;"))
