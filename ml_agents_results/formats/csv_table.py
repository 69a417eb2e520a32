"""CSV tables: a header, then rows with a cell for each column; packed with gzip or not.

Cells are separated by commas, or as spreadsheets do by semicolons or tabs; texts are in UTF-8,
UTF-16 or Windows-1252.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.json_files import LONGEST_LINE, beginning
from ml_agents_results.formats.log_source import LogSource

_WINDOWS = "cp1252"
_OWN = b"experiment_id"
_METADATA = re.compile(r"#\s*(?P<key>\w+)\s*:\s*(?P<value>.*)")


class CsvTable:
    """The rows of a table as mappings of columns to cells; an empty cell is None.

    Attributes:
        metadata: The keys and values of the lines `# key: value` before the header.
        header: The names of the columns.
        delimiter: What separates cells. Next to semicolons, numbers have decimal commas.
    """

    def __init__(self, source: LogSource, lines: Iterator[str]) -> None:
        self._source = source
        self.metadata: list[tuple[str, str]] = []
        first: Sequence[str] = ()
        for line in lines:
            if (match := _METADATA.fullmatch(line.strip())) is None:
                first = (line,)
                break
            self.metadata.append((match["key"], match["value"]))
        self.delimiter = _delimiter(first[0]) if first else ","
        self._rows = csv.reader(chain(first, lines), strict=True, delimiter=self.delimiter)
        self._position = len(self.metadata) + 1
        self.header = [name.strip() for name in self._next() or []]

    def __iter__(self) -> Iterator[tuple[int, dict[str, str | None], int]]:
        """The line number, the cells and the size of each row.

        Raises:
            InvalidFileError: A row does not fit the header, or is cut off.
        """
        while (cells := self._next()) is not None:
            if not cells:
                continue
            if len(cells) != len(self.header):
                counted = f"{len(cells)} cells where the header has {len(self.header)}"
                raise self._broken(counted)
            row = {name: cell or None for name, cell in zip(self.header, cells, strict=True)}
            yield self._position, row, sum(map(len, cells))

    def _next(self) -> list[str] | None:
        self._position = len(self.metadata) + self._rows.line_num + 1
        try:
            return next(self._rows, None)
        except csv.Error as error:
            raise self._broken(str(error)) from error

    def _broken(self, reason: str) -> InvalidFileError:
        return InvalidFileError(
            f"{self._source.where(self._position)}: {reason}",
            'Put cells that hold commas, quotes or line ends in "quotes", and double their quotes.',
        )


@contextmanager
def open_table(source: LogSource, path: Path | None = None) -> Iterator[CsvTable]:
    """The table in a file.

    Raises:
        InvalidFileError: The file is in no encoding that tables have, or is not a table.
    """
    csv.field_size_limit(LONGEST_LINE)
    encoding = _encoding(source, path or source.path)
    with source.open(path) as file:
        text = io.TextIOWrapper(file, encoding=encoding, newline="")
        try:
            yield CsvTable(source, _bounded(source, text))
        except UnicodeDecodeError as error:
            raise InvalidFileError(
                f"{source.name} is not UTF-8: {error.reason}",
                "Convert the file: iconv -f LATIN1 -t UTF-8 FILE",
            ) from error
        finally:
            # Left to itself the wrapper would close the file.
            text.detach()


def _encoding(source: LogSource, path: Path) -> str:
    """The encoding of a table by its beginning: UTF-8, the UTF-16 that spreadsheets write, or the
    code page of Western Windows, which they write as well. Our own exports are UTF-8 only."""
    start = beginning(path)
    if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return "utf-16"
    if _decodes(start, "utf-8") or _OWN in start or not _decodes(start, _WINDOWS):
        return "utf-8-sig"
    source.warn(
        f"{source.name} is not UTF-8; it was read as Windows-1252 (if letters are wrong: "
        "iconv -f ENCODING -t UTF-8 FILE)"
    )
    return _WINDOWS


def _decodes(start: bytes, encoding: str) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(start)
    except UnicodeDecodeError:
        return False
    return True


def _delimiter(header: str) -> str:
    return max(",;\t", key=header.count)


def _bounded(source: LogSource, text: io.TextIOWrapper) -> Iterator[str]:
    while line := text.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise InvalidFileError(
                f"{source.name} has a line longer than {LONGEST_LINE >> 20} MiB",
                "This is unlikely to be a table; check the file.",
            )
        yield line
