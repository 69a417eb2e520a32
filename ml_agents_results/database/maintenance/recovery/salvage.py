"""Salvage: copies the readable rows of a damaged SQLite file, which is only read, to a new one."""

import mmap
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from ml_agents_results.database import files, schema
from ml_agents_results.database.digests import input_fingerprint
from ml_agents_results.database.engine import Database
from ml_agents_results.database.maintenance.adoption.layouts import revision_of
from ml_agents_results.database.maintenance.backups import refuse_same
from ml_agents_results.database.maintenance.integrity_checks import check
from ml_agents_results.database.maintenance.recovery.authenticity import (
    IndexLookup,
    fits,
    is_recorded,
)
from ml_agents_results.database.maintenance.recovery.mending import (
    columns_of,
    keep_damaged,
    mend,
)
from ml_agents_results.database.maintenance.recovery.repair_report import RepairReport, TableRepair
from ml_agents_results.database.maintenance.recovery.sqlite_pages import (
    FilePages,
    PageRow,
    SchemaEntry,
    Value,
)
from ml_agents_results.database.sqlite import quoted
from ml_agents_results.errors import CorruptDatabaseError, DatabaseError, NotFoundError

_OURS = ("experiments", "metrics", "runs", "parsing_metrics", "scores")
_BATCH = 500
_MOST_STEPS = 100_000
"""Steps of SQLite's virtual machine that it may take to create a table."""


def repair(source: Path, destination: Path, *, force: bool = False) -> RepairReport:
    """Writes every readable row to a new database, which gets its name after it was checked.

    Raises:
        NotFoundError: There is no such file.
        UsageError: Source and destination are the same file.
        CorruptDatabaseError: The file has no readable experiment or run.
        DatabaseError: The source cannot be read, or the destination is in the way or cannot be
            written.
    """
    if not source.is_file():
        raise NotFoundError(f"there is no file {source}", "Check its path.")
    if not os.access(source, os.R_OK):
        raise DatabaseError(
            f"{source} cannot be read: Permission denied", "Check its name and its permissions."
        )
    refuse_same(source, destination)
    destination = files.target_of(destination)
    files.check_destination(destination, force)
    report = RepairReport(str(source), str(destination))
    try:
        with (
            tempfile.TemporaryDirectory(prefix=".repair-", dir=destination.parent) as folder,
            files.unfinished(destination) as draft,
        ):
            damaged = _own_copy(source, Path(folder))
            files.create_like(source, draft)
            _Salvage(damaged, draft, report).run()
            if destination.exists():
                files.require_unused(destination)
            files.finish(draft, destination)
    except OSError as error:
        raise files.failure(destination, error) from error
    return report


def _own_copy(source: Path, folder: Path) -> Path:
    """A working copy, with what is still in the log."""
    copy = folder / "damaged.db"
    for suffix in ("", "-wal", "-journal"):
        companion = source.with_name(source.name + suffix)
        if companion.exists():
            shutil.copyfile(companion, copy.with_name(copy.name + suffix))
    with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return copy


class _Salvage:
    """One repair: from the pages of the damaged file into the draft of a new one."""

    def __init__(self, damaged: Path, draft: Path, report: RepairReport) -> None:
        self._damaged = damaged
        self._draft = draft
        self._report = report
        self._uncertain = 0

    def run(self) -> None:
        with self._damaged.open("rb") as file:
            if self._damaged.stat().st_size < 512:
                raise self._hopeless()
            with (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
                closing(sqlite3.connect(self._damaged)) as connection,
            ):
                self._indexes = IndexLookup(connection)
                self._salvage(FilePages(data))

    def _salvage(self, pages: FilePages) -> None:
        entries = pages.schema()
        tables = {entry.name: entry for entry in entries if entry.kind == "table"}
        known = {name: table.sql for name, table in tables.items() if _is_sound(table.sql)}
        self._report_left_out(entries, known)
        revision = self._revision(pages, tables, known)
        if revision is None and not {"experiments", "runs"} <= known.keys():
            revision = schema.revisions()[-1]
            self._report.notes.append("the schema is lost; that of this version is assumed")
        self._create(revision, known)
        with closing(sqlite3.connect(self._draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA foreign_keys=OFF")
            connection.execute("BEGIN")
            self._fill(connection, pages, tables)
            mend(connection, self._report)
            connection.execute("COMMIT")
        self._count_expected(tables.keys())
        self._report_missing_pages(pages, tables)
        if self._uncertain:
            self._report.notes.append(f"the times of {self._uncertain} runs are uncertain")
        if not any(table.saved for name, table in self._report.tables.items() if name in _OURS):
            raise self._hopeless()
        checked = Database(str(self._draft))
        self._report.problems = [problem.message for problem in check(checked).problems]
        checked.close()

    def _report_left_out(self, entries: list[SchemaEntry], known: dict[str, str]) -> None:
        for entry in entries:
            if entry.kind != "table":
                self._report.left_out.append(f"the {entry.kind} {entry.name}")
            elif entry.name in _OURS and entry.name not in known:
                self._report.left_out.append(f"the definition of the table {entry.name}")
            elif entry.name not in known and not entry.name.startswith("sqlite_"):
                self._report.notes.append(
                    f"the table {entry.name} is not copied: its definition cannot be used"
                )

    def _report_missing_pages(self, pages: FilePages, tables: dict[str, SchemaEntry]) -> None:
        """Notes on lost rows, from the structure of the file."""
        notes = self._report.notes
        if pages.expected is not None and pages.expected > pages.count:
            notes.append(
                f"the file has only {pages.count:,} of its {pages.expected:,} pages; the rows on "
                "the others are lost"
            )
        elif pages.unreadable:
            notes.append(f"{len(pages.unreadable):,} pages of the tables are missing or unreadable")
        if "sqlite_sequence" not in tables:
            return
        for page in pages.leaves(tables["sqlite_sequence"].root):
            for row in pages.rows(page):
                match row.values:
                    case [str(name), int(last)] if name in self._report.tables:
                        table = self._report.tables[name]
                        missing = last - table.saved - table.damaged
                        if table.expected is None and missing > 0:
                            notes.append(f"at most {missing:,} rows of {name} are lost")

    def _hopeless(self) -> CorruptDatabaseError:
        return CorruptDatabaseError(
            f"{self._report.source} has no readable experiment or run",
            "Restore a backup with: ml-agents db-restore",
        )

    def _revision(
        self, pages: FilePages, tables: dict[str, Any], known: dict[str, str]
    ) -> str | None:
        if "alembic_version" in tables:
            for page in pages.leaves(tables["alembic_version"].root):
                for row in pages.rows(page):
                    if row.values and row.values[0] in schema.revisions():
                        return str(row.values[0])
        return revision_of(known)

    def _create(self, revision: str | None, known: dict[str, str]) -> None:
        """Creates our tables by our own scripts, and others by their SQL."""
        if revision is not None:
            database = Database(str(self._draft))
            schema.upgrade(database, revision)
            database.close()
        with closing(sqlite3.connect(self._draft, isolation_level=None)) as connection:
            connection.execute("PRAGMA journal_mode=DELETE")
            present = set(_names(connection))
            for name, sql in known.items():
                if name not in present and not name.startswith("sqlite_"):
                    connection.execute(sql)

    def _fill(
        self, connection: sqlite3.Connection, pages: FilePages, tables: dict[str, Any]
    ) -> None:
        reached: set[int] = set(pages.leaves(1))
        names = [name for name in _names(connection) if not name.startswith("sqlite_")]
        ordered = sorted(names, key=lambda name: _OURS.index(name) if name in _OURS else -1)
        for name in ordered:
            self._report.tables[name] = TableRepair()
            if name in tables and name != "alembic_version":
                readable = list(pages.with_rows(tables[name]))
                reached.update(readable)
                rows = (row for page in readable for row in pages.rows(page))
                self._insert(connection, name, rows)
        # Orphaned pages: only their rows show which table they belong to.
        strays: dict[str, list[PageRow]] = {name: [] for name in _OURS if name in names}
        columns = {name: columns_of(connection, name) for name in strays}
        for page in pages.unreached(reached):
            possible = [name for name in strays if pages.has_rowids(page) == (name != "scores")]
            for row in pages.rows(page):
                for name in possible:
                    if fits(name, columns[name], row.values):
                        strays[name].append(row)
                        break
            for name, single in strays.items():
                if len(single) >= _BATCH:
                    self._insert(connection, name, single, certain=False)
                    single.clear()
        for name, single in strays.items():
            self._insert(connection, name, single, certain=False)

    def _insert(
        self,
        connection: sqlite3.Connection,
        name: str,
        rows: Iterable[PageRow],
        certain: bool = True,
    ) -> None:
        columns = columns_of(connection, name)
        complete = _completion(connection, name)
        insert = f"INSERT OR IGNORE INTO {quoted(name)} VALUES ({', '.join('?' * len(columns))})"
        result = self._report.tables[name]
        for row in rows:
            values = complete(row)
            if values is None:
                result.damaged += certain
                continue
            named: dict[str, Any] = dict(zip(columns, values, strict=True))
            inserted = 0
            if is_recorded(name, columns, values) and not self._indexes.contradict(
                name, row.rowid, named
            ):
                if name == "runs" and "input_fingerprint" in named:
                    # The digest does not cover it, but what it is made of.
                    values[columns.index("input_fingerprint")] = input_fingerprint(
                        named["input_text"], named["expected_answer"]
                    )
                with suppress(sqlite3.Error, OverflowError):
                    inserted = connection.execute(insert, values).rowcount
                if name == "runs" and inserted:
                    time = named["created_at"]
                    self._uncertain += self._indexes.contradict_time(row.rowid, time)
            result.saved += inserted
            if certain and not inserted:
                result.damaged += 1
                keep_damaged(connection, self._report, name, values)

    def _count_expected(self, tables: Collection[str]) -> None:
        """Counts the rows that a table had by each of its indexes that is intact."""
        with closing(sqlite3.connect(self._damaged)) as connection:
            for name, table in self._report.tables.items():
                if name not in tables:
                    # It has no rows to count, but a view of that name may never end.
                    continue
                counts = []
                for index in [None, *_indexes(self._draft, name)]:
                    with suppress(sqlite3.Error):
                        by = "NOT INDEXED" if index is None else f"INDEXED BY {quoted(index)}"
                        counts += connection.execute(
                            f"SELECT COUNT(*) FROM {quoted(name)} {by}"
                        ).fetchone()
                if counts:
                    table.expected = max(counts)
        if "alembic_version" in self._report.tables:
            del self._report.tables["alembic_version"]


def _names(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return [str(name) for (name,) in rows]


def _indexes(path: Path, table: str) -> Iterator[str]:
    with closing(sqlite3.connect(path)) as connection:
        for row in connection.execute(f"PRAGMA index_list({quoted(table)})").fetchall():
            yield str(row[1])


def _is_sound(sql: str) -> bool:
    """Whether it creates an ordinary table and does nothing else: the file may be anybody's, and
    its schema may say ATTACH, or a query that never ends."""
    if not sql.upper().startswith("CREATE TABLE"):
        return False
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.set_progress_handler(lambda: 1, _MOST_STEPS)
        try:
            connection.execute(sql)
            # AUTOINCREMENT creates a table of SQLite's own, too.
            (name,) = (name for name in _names(connection) if not name.startswith("sqlite_"))
            columns = connection.execute(f"PRAGMA table_xinfo({quoted(name)})").fetchall()
        except (sqlite3.Error, ValueError):
            return False
        return all(hidden == 0 for *_, hidden in columns)


def _completion(
    connection: sqlite3.Connection, table: str
) -> Callable[[PageRow], list[Value] | None]:
    """A function that adds what SQLite leaves out of a row: the rowid if it is a column, and
    columns that were added after the row. It returns None for a row of another table."""
    info = connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
    keys = [index for index, column in enumerate(info) if column[5]]
    rowid = keys[0] if len(keys) == 1 and info[keys[0]][2].upper() == "INTEGER" else None
    defaults = [
        None if default is None else connection.execute(f"SELECT {default}").fetchone()[0]
        for _, _, _, _, default, _ in info
    ]

    def complete(row: PageRow) -> list[Value] | None:
        if not 0 < len(row.values) <= len(info):
            return None
        values = row.values + defaults[len(row.values) :]
        if rowid is not None and values[rowid] is None:
            values[rowid] = row.rowid
        return values

    return complete
