"""db-init, db-migrate, db-stats: the database as a whole."""

import typer

from ml_agents_results.cli.common import (
    DbPath,
    DbUrl,
    Json,
    emit_json,
    file_size,
    named_database,
    open_database,
    print_table,
)


def db_init(db_path: DbPath = None, db_url: DbUrl = None, as_json: Json = False) -> None:
    """Create a database. One that exists is left as it is."""
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.database.schema import revisions

    database = named_database(db_path, db_url, create=True)
    created = DatabaseManager(database).initialize_schema()
    revision = revisions()[-1]
    if as_json:
        emit_json({"database": str(database), "created": created, "schema_revision": revision})
    elif created:
        typer.echo(f"Created {database} with schema {revision}.")
    else:
        typer.echo(f"{database} exists already, with schema {revision}; nothing was changed.")


def db_migrate(db_path: DbPath = None, db_url: DbUrl = None, as_json: Json = False) -> None:
    """Bring the schema of a database up to date."""
    from ml_agents_results.database.manager import DatabaseManager

    database = named_database(db_path, db_url)
    before = DatabaseManager(database).migrate_schema()
    if as_json:
        emit_json(
            {
                "database": str(database),
                "from_revision": before.revision,
                "to_revision": before.head,
                "migrated": before.revision != before.head,
            }
        )
    elif before.revision == before.head:
        typer.echo(f"{database} is up to date, with schema {before.head}; nothing was changed.")
    else:
        typer.echo(f"Migrated {database} from schema {before.revision} to {before.head}.")


def db_stats(db_path: DbPath = None, db_url: DbUrl = None, as_json: Json = False) -> None:
    """Show what a database holds and how large it is."""
    from dataclasses import asdict

    from ml_agents_results.database.manager import DatabaseManager

    stats = DatabaseManager(open_database(db_path, db_url)).stats()
    if as_json:
        emit_json(asdict(stats))
        return
    print_table(
        ("database", stats.database),
        [
            ("engine", f"{stats.engine} {stats.engine_version}"),
            ("schema", stats.schema_revision),
            ("experiments", stats.experiments),
            ("runs", stats.runs),
            ("parsing metrics", stats.parsing_metrics),
            ("size", file_size(stats.size_bytes)),
            ("free inside", file_size(stats.free_bytes)),
        ],
    )
