"""The documented columns of a recording, and the version that names them. README.md has the same tables."""

from __future__ import annotations

#: Raised when a column changes its meaning or goes; new columns do not raise it.
SCHEMA_VERSION = 1

#: Keys in the Parquet files' own metadata that tell our files from others.
VERSION_KEY, TABLE_KEY = b"mario_eval_schema", b"mario_eval_table"

#: Columns that every row of ``episodes/`` has.
EPISODE_COLUMNS = (
    "episode",
    "seed",
    "lane",
    "return",
    "steps",
    "frames",
    "seconds",
    "terminated",
    "truncated",
)

#: Columns that every row of ``steps/`` has.
STEP_COLUMNS = ("episode", "step", "action", "reward", "frames")

#: Prefix of the columns that hold one reward term: of a step in ``steps``, summed over it in ``episodes``.
TERM_PREFIX = "reward_terms/"

#: Prefix of the columns of ``episodes`` that hold an info of the last step.
END_PREFIX = "end/"

#: Infos that are recorded at each step by default, where the environment has them: those that a report reads,
#: as each costs every step of every lane a little. Any others are the user's choice.
STEP_INFOS = ("x", "y", "area", "score", "pressed", "discount")
