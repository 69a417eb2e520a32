"""db-backup, db-restore, db-check, db-repair: backups, integrity checks and recovery."""

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ml_agents_results.cli.database_options import DB_PATH, DB_URL, DatabaseOptions
from ml_agents_results.cli.experiment_lookup import every_id
from ml_agents_results.cli.help_panels import DATABASE
from ml_agents_results.cli.option_groups import flag, grouped, option
from ml_agents_results.cli.option_values import path_here
from ml_agents_results.cli.output_options import FORCE, JSON, PARTLY, emit_json
from ml_agents_results.errors import CorruptDatabaseError, UsageError
from ml_agents_results.reports.terminal import print_table, say, write
from ml_agents_results.reports.wording import file_size

if TYPE_CHECKING:
    from ml_agents_results.database.engine import Database

DAMAGED = 4
"""Exit code of a check that found problems."""


def db_backup(
    dest: str = option(
        "FILE",
        "Backup file; `.gz` compresses it. An archive for a database on a server.",
        default=...,
    ),
    source: str | None = option(
        "FILE", "SQLite file to back up. [default: as --db-path of other commands]", panel=DATABASE
    ),
    db_url: str | None = DB_URL,
    verify: bool = flag("--verify", "Also check every run in the copy."),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Back up a database, even while others write to it."""
    from ml_agents_results.database.manager import DatabaseManager

    database = DatabaseOptions(source, db_url).named()
    destination = path_here(dest)
    if database.is_sqlite:
        size = DatabaseManager(database).backup_database(destination, force=force)
        _note_foreign_objects(database)
        if verify:
            _verify(destination)
    else:
        # It is read back when it is written, verify or not.
        size = _archive(database, destination, force)
    if as_json:
        emit_json(
            {
                "source": str(database),
                "destination": dest,
                "size_bytes": size,
                "verified": verify,
            }
        )
    else:
        write(f"Backed up {database} to {dest} ({file_size(size)}).")


def _note_foreign_objects(database: "Database") -> None:
    """Notes what a copy of a file contains that is not ours."""
    from ml_agents_results.database.foreign_objects import foreign_objects

    with database.read() as connection:
        objects = foreign_objects(connection)
    for name in objects.active:
        say(f"Note: it contains {name}, which may change what is saved: see db-check.")
    for name in objects.passive:
        say(f"Note: it contains {name}, which belongs to another program.")


def _archive(database: "Database", destination: Path, force: bool) -> int:
    """Writes the portable archive of all experiments, and returns its size."""
    from ml_agents_results.database.schema import require_current
    from ml_agents_results.formats.exporting import export

    require_current(database)
    with database.read() as connection:
        ids = every_id(connection)
    export(database, ids, destination, "archive", force=force)
    return destination.stat().st_size


def _verify(destination: Path) -> None:
    """Raises CorruptDatabaseError if a backup has rows that are not what was recorded."""
    import tempfile

    from ml_agents_results.database import files
    from ml_agents_results.database.engine import Database
    from ml_agents_results.database.maintenance.integrity_checks import check

    with tempfile.TemporaryDirectory(
        prefix="ml-agents-", dir=destination.absolute().parent
    ) as folder:
        plain = destination
        if files.is_packed(destination):
            plain = Path(folder) / "unpacked.db"
            files.unpack(destination, plain)
        report = check(Database(str(plain), create=False))
    if not report.intact:
        raise CorruptDatabaseError(
            f"{destination} is a true copy of a database with {len(report.problems)} problems: "
            f"{report.problems[0].message}",
            "See what is wrong with: ml-agents db-check",
        )


def db_restore(
    source: str = option("FILE", "Backup file, compressed or not.", default=...),
    db_path: str | None = DB_PATH,
    force: bool = flag("--force", "Replace the database; the old one gets another name."),
    as_json: bool = JSON,
) -> None:
    """Restore a database from a backup."""
    from ml_agents_results.config import DatabaseConfig
    from ml_agents_results.database.manager import DatabaseManager

    config = DatabaseConfig.resolve(db_path)
    if config.url is not None:
        raise UsageError(
            "a backup can only be restored to a file",
            "Name one with --db-path, or import an archive.",
        )
    manager = DatabaseManager(config)
    kept = manager.restore_database(source, force=force)
    _note_foreign_objects(manager.database)
    if as_json:
        emit_json(
            {
                "source": source,
                "database": config.db_path,
                "replaced": None if kept is None else str(kept),
            }
        )
        return
    write(f"Restored {config.db_path} from {source}.")
    if kept is not None:
        say(f"The replaced database is kept as {kept}.")


@grouped
def db_check(*, where: DatabaseOptions, as_json: bool = JSON) -> None:
    """Check that a database is intact: pages, schema, references, and every run's content.

    Ends with exit code 4 if something is wrong.
    """
    from ml_agents_results.database.manager import DatabaseManager

    report = DatabaseManager(where.named()).check()
    if as_json:
        emit_json(report.to_dict())
    else:
        problems: dict[str | None, int] = {}
        for problem in report.problems:
            problems[problem.table] = problems.get(problem.table, 0) + 1
        print_table(
            ("table", "rows", "problems"),
            [(name, count, problems.get(name, 0)) for name, count in report.tables.items()],
            numbers=2,
        )
        for problem in report.problems:
            write(f"{problem.kind}: {problem.message}")
            for example in problem.examples:
                write(f"    {example}")
        if report.intact:
            write(
                f"{report.database} is intact; the content of {report.runs_verified:,} runs is "
                "what was recorded."
            )
    for note in report.notes:
        say(f"Note: {note}")
    if not report.intact:
        say("Restore a backup with db-restore, or save what is readable with db-repair.")
        raise typer.Exit(DAMAGED)


def db_repair(
    source: str = option("FILE", "Damaged file; it is only read.", default=...),
    dest: str = option("FILE", "New database file.", default=...),
    force: bool = FORCE,
    as_json: bool = JSON,
) -> None:
    """Save every readable row of a damaged database to a new one.

    Ends with exit code 5 if not all of them could be saved.
    """
    from ml_agents_results.database.maintenance.recovery.salvage import repair

    report = repair(Path(source), path_here(dest), force=force)
    if as_json:
        emit_json(report.to_dict())
    else:
        print_table(
            ("table", "saved", "damaged", "lost"),
            [
                (name, table.saved, table.damaged, "unknown" if table.lost is None else table.lost)
                for name, table in report.tables.items()
            ],
            numbers=3,
        )
        write(f"Saved the readable rows of {source} to {dest}.")
    for note in (*report.notes, *report.problems):
        say(f"Note: {note}.")
    if report.left_out:
        say(f"Note: not copied: {', '.join(report.left_out)}.")
    if not report.complete:
        raise typer.Exit(PARTLY)
