"""CSV tables of other programs, row by row."""

import csv
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.log_source import LogSource


class CsvRows:
    """The rows of a table as mappings of columns to cells; an empty cell is None.

    Attributes:
        header: The names of the columns.
    """

    def __init__(self, source: LogSource, lines: Iterator[str]) -> None:
        self._source = source
        self._rows = csv.reader(lines, strict=True)
        self.header = [name.strip() for name in self._next() or []]

    def __iter__(self) -> Iterator[tuple[int, dict[str, str | None], int]]:
        """The line, the cells and the size of each row.

        Raises:
            InvalidFileError: A row does not fit the header, or is cut off.
        """
        place = self._rows.line_num + 1
        while (cells := self._next()) is not None:
            if cells:
                if len(cells) != len(self.header):
                    raise self._broken(
                        place, f"{len(cells)} cells where the header has {len(self.header)}"
                    )
                row = {name: cell or None for name, cell in zip(self.header, cells, strict=True)}
                yield place, row, sum(map(len, cells))
            place = self._rows.line_num + 1

    def _next(self) -> list[str] | None:
        try:
            return next(self._rows, None)
        except csv.Error as error:
            raise self._broken(self._rows.line_num, str(error)) from error
        except UnicodeDecodeError as error:
            raise InvalidFileError(
                f"{self._source.name} is not UTF-8: {error.reason}",
                "Convert the file: iconv -f LATIN1 -t UTF-8 FILE",
            ) from error

    def _broken(self, place: int, reason: str) -> InvalidFileError:
        return InvalidFileError(
            f"{self._source.where(place)}: {reason}",
            "The table was cut off or edited; leave the line out, or restore it.",
        )


@contextmanager
def open_table(source: LogSource, path: Path) -> Iterator[CsvRows]:
    """The table in a file."""
    csv.field_size_limit(sys.maxsize)
    with source.open(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        try:
            yield CsvRows(source, text)
        finally:
            text.detach()
