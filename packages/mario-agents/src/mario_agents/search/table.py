"""Rows of texts as a table that people read in a terminal."""

from __future__ import annotations

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as lines, each column as wide as its widest cell.

    >>> print(aligned([("stage", "frames"), ("1-1", "1,362")]))
    stage  frames
      1-1   1,362
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )
