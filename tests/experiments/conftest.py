from tests.databases import (
    database,
    empty_database,
    engine_name,
    migrated_file,
    postgres,
    sqlite_database,
)

__all__ = [
    "database",
    "empty_database",
    "engine_name",
    "migrated_file",
    "postgres",
    "sqlite_database",
]
