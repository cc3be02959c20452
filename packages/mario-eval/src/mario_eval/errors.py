"""The errors that a user can do something about; the command line prints their one line and nothing else."""


class EvaluationError(Exception):
    """An evaluation cannot be done as asked; the message says what is wrong and what to do."""


class RecordingError(EvaluationError):
    """A folder holds no recording that can be read, or may not be written to."""
