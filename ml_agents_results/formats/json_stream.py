"""A JSON document that is too large to hold, read value by value.

Other streaming parsers refuse the NaN and Infinity that Python programs write, and build every
value on the way. Here a value that nobody asks for costs a search for its end.
"""

import re
from collections.abc import Iterator
from typing import Any, Protocol

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log_source import BOM, LogSource

LONGEST_VALUE = 64 * 1024 * 1024
"""Bytes of one value that is taken; memory is bounded by it."""

_DEEPEST = 1100
"""Levels that are passed over. Parsers give up earlier."""

_CHUNK = 256 * 1024
_PATIENCE = 500
_LONGEST_NUMBER = 64 * 1024
_SPACE = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(rb"[^\s,:\]}\[{\"]*")
_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_BETWEEN = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+', re.DOTALL)


class Readable(Protocol):
    def read(self, size: int, /) -> bytes: ...


class JsonStream:
    """One JSON document, read once from beginning to end.

    For each value call one of `members`, `elements`, `value`, `raw` and `skip`; a value for which
    none is called is skipped.

    Args:
        part: The part of the source that messages name, such as a member of an archive.

    Raises:
        InvalidFileError: The document is broken or cut off, or a value that is taken is too long.
    """

    def __init__(self, source: LogSource, file: Readable, part: str = "") -> None:
        self._source = source
        self._file = file
        self._part = part
        self._buffer = b""
        self._at = 0
        self._untouched = False
        if self._ahead(3).startswith(BOM):
            self._at = 3

    @property
    def first(self) -> bytes:
        """The byte that the next value begins with: `{`, `[`, `"`, or one of a scalar."""
        return self._peek()

    def members(self) -> Iterator[str]:
        """The names in an object; at each, its value is next."""
        self._untouched = False
        self._expect(b"{")
        if self._peek() == b"}":
            self._at += 1
            return
        while True:
            if self._peek() != b'"':
                raise self._broken("a name in quotes is missing")
            name = self.parse(self._take(keep=True))
            self._expect(b":")
            yield from self._offered(str(name))
            if self._next_of(b"}"):
                return

    def elements(self) -> Iterator[int]:
        """The numbers, from 0, of the values in an array; at each, its value is next."""
        self._untouched = False
        self._expect(b"[")
        if self._peek() == b"]":
            self._at += 1
            return
        number = 0
        while True:
            yield from self._offered(number)
            if self._next_of(b"]"):
                return
            number += 1

    def value(self) -> Any:
        """The next value. NaN and Infinity are given as texts of that name."""
        return self.parse(self.raw())

    def raw(self) -> bytes:
        """The next value as it is written."""
        self._untouched = False
        return self._take(keep=True)

    def skip(self) -> None:
        """Skips the next value."""
        self._untouched = False
        self._take(keep=False)

    def finish(self) -> None:
        """Checks that nothing follows and that the file is complete."""
        if self._peek(end=True):
            raise self._broken("something follows the end of the document")

    def _offered(self, what: Any) -> Iterator[Any]:
        self._untouched = True
        yield what
        if self._untouched:
            self.skip()

    def _next_of(self, end: bytes) -> bool:
        """Whether the object or array ends here; otherwise skips the comma."""
        separator = self._peek()
        self._at += 1
        if separator not in (b",", end):
            raise self._broken(f"',' or '{end.decode()}' is missing")
        return separator == end

    def _take(self, *, keep: bool) -> bytes:
        parts: list[bytes] = []
        size = depth = 0
        first = self._peek()
        if first not in (b'"', b"{", b"["):
            return self._scalar()
        in_string = False
        while True:
            start = self._at
            more = False
            steps = 0
            while not more:
                if in_string:
                    self._at = _match_end(_STRING, self._buffer, self._at)
                    in_string = self._buffer[self._at : self._at + 1] != b'"'
                    self._at += not in_string
                    more = in_string
                elif depth and steps == _PATIENCE:
                    steps += 1
                    try:
                        opened, closed, cut = _levels(self._buffer, self._at)
                    except ValueError as error:
                        raise self._broken(str(error)) from error
                    if closed < depth:
                        depth += opened - closed
                        in_string = cut
                        self._at = len(self._buffer) - (cut and _half_escape(self._buffer))
                        more = True
                else:
                    steps += 1
                    if depth:
                        self._at = _match_end(_BETWEEN, self._buffer, self._at)
                    mark = self._buffer[self._at : self._at + 1]
                    self._at += len(mark)
                    in_string = mark == b'"'
                    depth += (mark in (b"{", b"[")) - (mark in (b"}", b"]"))
                    more = not mark
                if not (depth or in_string or more):
                    break
            if keep:
                parts.append(self._buffer[start : self._at])
                size += self._at - start
                if size > LONGEST_VALUE:
                    raise self._broken(f"one value is longer than {LONGEST_VALUE >> 20} MiB")
            if not more:
                return b"".join(parts)
            self._fill()

    def _scalar(self) -> bytes:
        while True:
            end = _match_end(_SCALAR, self._buffer, self._at)
            if end < len(self._buffer) or not self._fill(end=True):
                break
            if len(self._buffer) - self._at > _LONGEST_NUMBER:
                raise self._broken("a number has no end")
        if end == self._at:
            raise self._broken("a value is missing")
        taken = self._buffer[self._at : end]
        self._at = end
        return taken

    def parse(self, text: bytes) -> Any:
        """A value that `raw` gave."""
        try:
            return parse(text)
        except ValueError as error:
            raise self._broken(str(error)) from error

    def _expect(self, wanted: bytes) -> None:
        if self._peek() != wanted:
            raise self._broken(f"'{wanted.decode()}' is missing")
        self._at += 1

    def _peek(self, *, end: bool = False) -> bytes:
        """The next byte that is not white space; empty at the end, if the file may end here."""
        while True:
            self._at = _match_end(_SPACE, self._buffer, self._at)
            if self._at < len(self._buffer):
                return self._buffer[self._at : self._at + 1]
            if not self._fill(end=end):
                return b""

    def _ahead(self, size: int) -> bytes:
        while len(self._buffer) < size and self._fill(end=True):
            pass
        return self._buffer[:size]

    def _fill(self, *, end: bool = False) -> bool:
        """Reads on and returns whether there was more; raises if the file may not end here."""
        more = self._file.read(_CHUNK)
        self._buffer = self._buffer[self._at :] + more
        self._at = 0
        if not more and not end:
            raise self._broken("it is cut off")
        return bool(more)

    def _broken(self, reason: str) -> InvalidFileError:
        where = f"{self._source.name} {self._part}".rstrip()
        return InvalidFileError(
            f"{where}: {reason}", "The file is damaged or not JSON: copy it again."
        )


def _match_end(pattern: re.Pattern[bytes], buffer: bytes, at: int) -> int:
    match = pattern.match(buffer, at)
    return at if match is None else match.end()


def _levels(buffer: bytes, at: int) -> tuple[int, int, bool]:
    """How many brackets the rest of the buffer opens and closes without their counterparts, and
    whether it ends within a text.

    Whole texts and whole pairs of brackets are taken out at once, many times faster than going
    from one to the next.

    Raises:
        ValueError: There are more levels than any program writes: each takes a pass.
    """
    without, cut, _ = _TEXT.sub(b"", buffer[at:]).partition(b'"')
    brackets = without.translate(None, _NO_BRACKETS)
    for _ in range(_DEEPEST):
        before = brackets
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if brackets == before:
            break
    else:
        raise ValueError("it is nested too deeply")
    opened = brackets.count(b"{") + brackets.count(b"[")
    return opened, len(brackets) - opened, bool(cut)


def _half_escape(buffer: bytes) -> int:
    """1 where the buffer ends with a backslash that belongs to what follows, else 0."""
    return (len(buffer) - len(buffer.rstrip(b"\\"))) % 2
