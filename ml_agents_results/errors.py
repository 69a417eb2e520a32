"""Errors for users: each says what happened and what helps.

`exit_code` is the exit code of the command line (docs/cli.md).
"""

import re

_OPTION = re.compile(r"--(?:no-)?([a-z]+(?:-[a-z]+)*)")
_SWITCHES = ("force", "allow_code_execution", "retry_failed", "skip_broken")


class ResultsError(Exception):
    """Base class of the errors that this package raises on purpose.

    `hint` names what to do next, in the words of the command line, which shows it on a line of its
    own. Tracebacks show it as a note, with arguments of Python instead of options.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    @property
    def hint(self) -> str | None:
        return self._hint

    @hint.setter
    def hint(self, hint: str | None) -> None:
        self._hint = hint
        self.__notes__ = [f"Hint: {_in_python(hint)}"] if hint else []


def _in_python(hint: str) -> str:
    """The hint with options as arguments; commands stay commands."""
    text, command, rest = hint.partition("ml-agents ")

    def argument(option: re.Match[str]) -> str:
        name = option[1].replace("-", "_")
        return f"{name}=True" if name in _SWITCHES else name

    return _OPTION.sub(argument, text) + command + rest


class InvalidRecordError(ResultsError):
    """A value that cannot be recorded; the message names field, value and rule.

    `record_number` is the index of its record among those that were saved together.
    """

    record_number: int | None = None


class InvalidFileError(ResultsError):
    """A file that cannot be read as the format it should have."""


class DuplicateError(ResultsError):
    """Two different things under one key."""


class OutputError(ResultsError):
    """An output that cannot be written."""


class NothingToCompareError(ResultsError):
    """The selected runs belong to fewer than two variants."""


class UsageError(ResultsError):
    """A call that makes no sense: an unknown choice, or options that contradict each other."""

    exit_code = 2


class NotFoundError(ResultsError):
    """No such experiment, run or database."""

    exit_code = 3


class DatabaseError(ResultsError):
    """The database cannot be used: not writable, full, unreachable."""

    exit_code = 4


class SchemaError(DatabaseError):
    """The schema is older or newer than this version needs, or belongs to another program."""


class DatabaseLockedError(DatabaseError):
    """Another process keeps the database locked for longer than `connection_timeout`."""


class TimeLimitError(DatabaseError):
    """A read took longer than it may."""


class MovedDatabaseError(DatabaseError):
    """The file was moved, deleted or replaced while it was open."""


class CorruptDatabaseError(DatabaseError):
    """The file is damaged, or is not a database."""
