"""db-init, db-migrate, db-stats: create, migrate and describe a database."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.option_groups import flag, grouped, option
from ml_agents_results.cli.output_options import JSON, emit_json
from ml_agents_results.reports.terminal import print_table, say, write
from ml_agents_results.reports.wording import file_size

if TYPE_CHECKING:
    from ml_agents_results.database.migration_plan import MigrationPlan


@grouped
def db_init(*, where: DatabaseOptions, as_json: bool = JSON) -> None:
    """Create a database. An existing one is not changed."""
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.database.schema import revisions

    database = where.named(create=True)
    created = DatabaseManager(database).initialize_schema()
    revision = revisions()[-1]
    if as_json:
        emit_json({"database": str(database), "created": created, "schema_revision": revision})
    elif created:
        write(f"Created {database} with schema {revision}.")
    else:
        write(f"{database} exists already, with schema {revision}; nothing was changed.")


@grouped
def db_migrate(
    dry_run: bool = flag("--dry-run", "Show the steps and the SQL, and change nothing."),
    backup: bool = option(None, "Back up a SQLite file first.", default=True),
    *,
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Bring the schema of a database up to date. Databases of the predecessor are adopted."""
    from ml_agents_results.database.manager import DatabaseManager

    database = where.named()
    manager = DatabaseManager(database)
    if dry_run:
        _show_plan(str(database), manager.plan_migration(), as_json)
        return
    before = manager.migrate_schema(backup=backup)
    adoption = before.adoption
    for warning in adoption.warnings if adoption else ():
        say(f"Warning: {warning}.")
    if as_json:
        emit_json(
            {
                "database": str(database),
                "from_revision": before.revision,
                "to_revision": before.head,
                "migrated": before.revision != before.head,
                "adoption": None if adoption is None else asdict(adoption),
                "backup": None if before.backup is None else str(before.backup),
            }
        )
    elif before.revision == before.head:
        write(f"{database} is up to date, with schema {before.head}; nothing was changed.")
    elif adoption is not None:
        rows = ", ".join(f"{count:,} {table}" for table, count in adoption.rows.items())
        write(f"Adopted {database} of layout {adoption.layout} to {before.head}: {rows}.")
    else:
        start = "no schema version" if before.revision is None else f"schema {before.revision}"
        write(f"Migrated {database} from {start} to {before.head}.")
    if before.backup is not None:
        say(f"Backup from before the migration: {before.backup}")


def _show_plan(name: str, plan: "MigrationPlan", as_json: bool) -> None:
    if as_json:
        emit_json({"database": name, **asdict(plan)})
        return
    if not plan.steps:
        write(f"{name} is up to date, with schema {plan.head}; there is nothing to do.")
        return
    if plan.layout is not None:
        write(f"{name} has the predecessor's layout {plan.layout} and would be adopted.")
    for revision, purpose in plan.steps:
        write(f"{revision}: {purpose}")
    for warning in plan.warnings:
        say(f"Warning: {warning}.")
    for statement in plan.statements:
        write(f"\n{statement};")


@grouped
def db_stats(*, where: DatabaseOptions, as_json: bool = JSON) -> None:
    """Show the number of rows and the size of a database."""
    from ml_agents_results.database.manager import DatabaseManager

    stats = DatabaseManager(where.current()).stats()
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
