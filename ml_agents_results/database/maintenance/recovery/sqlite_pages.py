"""Pages of a SQLite file: reads rows page by page, whatever is wrong with the pages in between.

SQLite stops at the first malformed page; here every page of a table yields the rows that it has.
The pages of a table WITHOUT ROWID are those of an index: interior ones hold rows, too, and the
primary key comes first. The format is that of https://www.sqlite.org/fileformat2.html.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import NamedTuple

Value = None | int | float | str | bytes

_LEAF = 0x0D
_INTERIOR = 0x05
_INDEX_LEAF = 0x0A
_INDEX_INTERIOR = 0x02
_HEADER = 100
_DEEPEST = 40


class PageError(Exception):
    """A malformed page, cell or record."""


class PageRow(NamedTuple):
    """A row of a table: its rowid (0 if it has none) and its stored values."""

    page: int
    rowid: int
    values: list[Value]


@dataclass(slots=True)
class SchemaEntry:
    """An entry of the file's own schema; `kind` is `table`, `view` or `trigger`."""

    kind: str
    name: str
    root: int
    sql: str

    @property
    def has_rowid(self) -> bool:
        return "WITHOUT ROWID" not in self.sql.upper()


class FilePages:
    """The pages of a file that is held in memory or mapped.

    Attributes:
        size: Bytes of a page.
        count: Pages in the file.
        expected: Pages that the header counts; None if it does not say.
        unreadable: Pages that a tree refers to and that are past the end or not of a table, among
            those that `leaves` came across.
    """

    def __init__(self, data: bytes | mmap) -> None:
        self._data = data
        (stored,) = struct.unpack_from(">H", data, 16)
        size = 65536 if stored == 1 else stored
        if size < 512 or size & (size - 1):
            size = 4096
        self.size = size
        self.count = len(data) // size
        self.expected = self._page_count()
        self.unreadable: set[int] = set()
        reserved = data[20]
        self._usable = size - (reserved if reserved < 64 else 0)

    def _page_count(self) -> int | None:
        """The header's count; it holds only if the last writer kept it (version-valid-for)."""
        if len(self._data) < _HEADER or self._data[24:28] != self._data[92:96]:
            return None
        return self._number(28) or None

    def schema(self) -> list[SchemaEntry]:
        """Tables, views and triggers, as far as the schema can be read."""
        return [
            SchemaEntry(kind, name, root, sql)
            for page in self.leaves(1)
            for row in self.rows(page)
            for kind, name, root, sql in _entry(row.values)
        ]

    def tables(self) -> list[SchemaEntry]:
        """The tables of the schema, as far as it can be read."""
        return [entry for entry in self.schema() if entry.kind == "table"]

    def with_rows(self, table: SchemaEntry) -> Iterator[int]:
        """The pages that hold the rows of a table, as far as they can be reached."""
        return self.leaves(table.root) if table.has_rowid else self._of_index(table.root)

    def leaves(self, root: int) -> Iterator[int]:
        """The leaf pages of a table with rowids, in order, as far as they can be reached."""
        return (page for page in self._reached(root, _LEAF, _INTERIOR) if self._kind(page) == _LEAF)

    def _of_index(self, root: int) -> Iterator[int]:
        return self._reached(root, _INDEX_LEAF, _INDEX_INTERIOR)

    def _kind(self, page: int) -> int:
        return self._data[self._start(page)]

    def _reached(self, root: int, leaf: int, interior: int) -> Iterator[int]:
        """The pages of a tree; those of other kinds do not belong to it."""
        seen: set[int] = set()
        pending = [(root, 0)]
        while pending:
            page, depth = pending.pop()
            if page in seen or depth > _DEEPEST:
                continue
            if not 0 < page <= self.count:
                self.unreadable.add(page)
                continue
            seen.add(page)
            kind = self._kind(page)
            if kind not in (leaf, interior):
                self.unreadable.add(page)
                continue
            yield page
            if kind == interior:
                pending += [(child, depth + 1) for child in reversed(self._children(page))]

    def free(self) -> set[int]:
        """The free pages, as far as their list can be read."""
        pages: set[int] = set()
        trunk = self._number(32)
        while 0 < trunk <= self.count and trunk not in pages:
            pages.add(trunk)
            start = (trunk - 1) * self.size
            number = min(self._number(start + 4), self.size // 4 - 2)
            pages.update(self._number(start + 8 + 4 * index) for index in range(number))
            trunk = self._number(start)
        return pages

    def unreached(self, reached: set[int]) -> Iterator[int]:
        """The pages that may hold rows, and are neither among those reached nor free: leaves of
        tables, and all pages of indexes, which a table without rowids may have."""
        free = self.free()
        kinds = (_LEAF, _INDEX_LEAF, _INDEX_INTERIOR)
        for page in range(1, self.count + 1):
            if page not in reached and page not in free and self._kind(page) in kinds:
                yield page

    def has_rowids(self, page: int) -> bool:
        """Whether the rows of a page have rowids."""
        return self._kind(page) == _LEAF

    def rows(self, page: int) -> Iterator[PageRow]:
        """The readable rows of a page."""
        start, kind = self._start(page), self._kind(page)
        (count,) = struct.unpack_from(">H", self._data, start + 3)
        first = start + (12 if kind == _INDEX_INTERIOR else 8)
        for index in range(min(count, self.size // 4)):
            try:
                at = self._pointer(page, first + 2 * index)
                if kind == _LEAF:
                    yield self._cell(page, at)
                else:
                    # An interior cell begins with the page on its left.
                    yield self._index_cell(page, at + (4 if kind == _INDEX_INTERIOR else 0))
            except (PageError, struct.error, IndexError, UnicodeDecodeError):
                continue

    def _start(self, page: int) -> int:
        return (page - 1) * self.size + (_HEADER if page == 1 else 0)

    def _number(self, at: int) -> int:
        if at + 4 > len(self._data):
            return 0
        return int.from_bytes(self._data[at : at + 4])

    def _pointer(self, page: int, at: int) -> int:
        offset = int.from_bytes(self._data[at : at + 2])
        if not 0 < offset < self._usable or at + 2 > page * self.size:
            raise PageError
        return (page - 1) * self.size + offset

    def _children(self, page: int) -> list[int]:
        start = self._start(page)
        (count,) = struct.unpack_from(">H", self._data, start + 3)
        children = []
        for index in range(min(count, self.size // 6)):
            try:
                children.append(self._number(self._pointer(page, start + 12 + 2 * index)))
            except PageError:
                continue
        return [*children, self._number(start + 8)]

    def _cell(self, page: int, at: int) -> PageRow:
        length, at = _varint(self._data, at)
        rowid, at = _varint(self._data, at)
        if rowid >= 1 << 63:
            rowid -= 1 << 64
        most = self._usable - 35
        return PageRow(page, rowid, _record(self._payload(page, at, length, most)))

    def _index_cell(self, page: int, at: int) -> PageRow:
        length, at = _varint(self._data, at)
        most = (self._usable - 12) * 64 // 255 - 23
        return PageRow(page, 0, _record(self._payload(page, at, length, most)))

    def _payload(self, page: int, at: int, length: int, most: int) -> bytes:
        """The bytes of a record; a page has up to `most` of them, further pages the rest."""
        usable = self._usable
        if length <= most:
            local = length
        else:
            least = (usable - 12) * 32 // 255 - 23
            local = least + (length - least) % (usable - 4)
            if local > most:
                local = least
        if at + local > page * self.size or length > len(self._data):
            raise PageError
        parts = [self._data[at : at + local]]
        missing = length - local
        following = self._number(at + local) if missing else 0
        seen: set[int] = set()
        while missing:
            if not 0 < following <= self.count or following in seen:
                raise PageError
            seen.add(following)
            start = (following - 1) * self.size
            part = self._data[start + 4 : start + 4 + min(missing, usable - 4)]
            parts.append(part)
            missing -= len(part)
            following = self._number(start)
        return b"".join(parts)


def _entry(values: list[Value]) -> Iterator[tuple[str, str, int, str]]:
    match values:
        case ["table" | "view" | "trigger" as kind, str(name), str(), root, str(sql)]:
            if isinstance(root, int | None):
                yield str(kind), name, root or 0, sql


def _varint(data: bytes | mmap, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def _record(payload: bytes) -> list[Value]:
    header, at = _varint(payload, 0)
    if header > len(payload):
        raise PageError
    kinds = []
    while at < header:
        kind, at = _varint(payload, at)
        kinds.append(kind)
    values: list[Value] = []
    at = header
    for kind in kinds:
        size = _size(kind)
        if at + size > len(payload):
            raise PageError
        values.append(_value(kind, payload[at : at + size]))
        at += size
    if at != len(payload):
        raise PageError
    return values


def _size(kind: int) -> int:
    if kind >= 12:
        return (kind - 12) // 2
    if kind in (10, 11):
        raise PageError
    return (0, 1, 2, 3, 4, 6, 8, 8, 0, 0)[kind]


def _value(kind: int, data: bytes) -> Value:
    if kind == 0:
        return None
    if kind in (8, 9):
        return kind - 8
    if kind == 7:
        return float(struct.unpack(">d", data)[0])
    if kind < 7:
        return int.from_bytes(data, signed=True)
    return data.decode("utf-8") if kind % 2 else bytes(data)
