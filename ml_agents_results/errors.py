"""What can go wrong, in the words of the user: each error says what happened and what helps.

`exit_code` is what the command line ends with (see docs/cli.md).
"""

import re

_OPTION = re.compile(r"--(?:no-)?([a-z]+(?:-[a-z]+)*)")
_SWITCHES = ("force", "allow_code_execution", "retry_failed", "skip_broken")


class ResultsError(Exception):
    """The root of every error this package raises on purpose.

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
    """A value that may not enter the database; the message names field, value and rule.

    `record_number` is the place of its record, from 0, among those that were saved together.
    """

    record_number: int | None = None


class InvalidFileError(ResultsError):
    """A file that cannot be read as what it was taken for."""


class DuplicateError(ResultsError):
    """Two different things under one key."""


class OutputError(ResultsError):
    """An output that cannot be written."""


class UsageError(ResultsError):
    """A call that makes no sense as it was put."""

    exit_code = 2


class NotFoundError(ResultsError):
    """No such experiment, run or database."""

    exit_code = 3


class DatabaseError(ResultsError):
    """The database refuses: not writable, full, unreachable."""

    exit_code = 4


class SchemaError(DatabaseError):
    """The schema is not the one this version works on: older, newer or somebody else's."""


class DatabaseLockedError(DatabaseError):
    """Another process holds the database longer than we are willing to wait."""


class MovedDatabaseError(DatabaseError):
    """The file was moved, deleted or replaced while it was open."""


class CorruptDatabaseError(DatabaseError):
    """The file is damaged or no database at all."""
