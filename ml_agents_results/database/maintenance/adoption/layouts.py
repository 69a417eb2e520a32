"""Layouts of databases without a schema version, recognized by their structure: what their own
version tables say is not reliable."""

from collections.abc import Container, Mapping

from sqlalchemy import Connection, inspect

from ml_agents_results.errors import SchemaError

TABLES: dict[str, tuple[str, ...]] = {
    "experiments": ("id", "name", "description", "created_at", "config_json", "status"),
    "runs": (
        "id",
        "experiment_id",
        "approach_name",
        "provider",
        "model",
        "sample_index",
        "input_text",
        "expected_answer",
        "raw_output",
        "parsed_answer",
        "parsing_method",
        "parsing_confidence",
        "is_correct",
        "execution_time_ms",
        "cost_estimate",
        "created_at",
        "metadata_json",
    ),
    "parsing_metrics": (
        "id",
        "run_id",
        "parsing_attempts",
        "fallback_used",
        "confidence_score",
        "extraction_time_ms",
        "error_details",
    ),
}
"""The columns of revision 0001."""

PREDECESSOR_TABLES = ("schema_version", "dataset_preprocessing", "orphaned_parsing_metrics")
"""Further tables that an adopted database may have."""

_TRACES = {
    "0007": ("queues", None),
    "0006": ("score_claims", None),
    "0005": ("scores", None),
    "0004": ("experiments", "content_digest"),
    "0003": ("claims", None),
    "0002": ("runs", "content_digest"),
}
"""The table and its column that each revision brought."""

_KNOWN = {*TABLES, *PREDECESSOR_TABLES, *(table for table, _ in _TRACES.values())}

_STUDY = {"preprocessing_id", "preprocessing_rules_path", "dataset_name", "eval_output_path"}
_LINKED = {"dataset_config", "rules_path", "analysis_path"}


def columns_of(connection: Connection) -> dict[str, set[str]]:
    """The columns of those tables that tell layouts apart."""
    inspector = inspect(connection)
    return {
        table: {str(column["name"]) for column in inspector.get_columns(table)}
        for table in _KNOWN.intersection(inspector.get_table_names())
    }


def layout_of(connection: Connection) -> str:
    """The name of the layout that the tables have.

    Raises:
        SchemaError: It is not known; the message names what is missing.
    """
    columns = columns_of(connection)
    tables = columns.keys()
    missing = [
        f"{table}.{name}"
        for table, names in TABLES.items()
        if table != "parsing_metrics" or table in tables
        for name in names
        if name not in columns.get(table, ())
    ]
    if missing or connection.dialect.name != "sqlite":
        raise SchemaError(
            "its tables do not have a layout that can be adopted: "
            + (", ".join(missing) or "it is on a server"),
            "Export it with the program that made it, and import the files.",
        )
    if "schema_version" not in tables and "dataset_preprocessing" not in tables:
        return "bare"
    rules = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = 'runs'"
    ).scalar_one()
    if "instructor_multiple" not in rules:
        # Later code opened it: it got the new tables, and kept the old rule.
        return "mixed" if "dataset_preprocessing" in tables else "1.0.0"
    if "dataset_preprocessing" not in tables:
        return "mixed" if _STUDY & columns["experiments"] else "1.1.0"
    linked = columns["dataset_preprocessing"] & _LINKED
    if linked == _LINKED and columns["experiments"] >= _STUDY:
        if (
            "schema_version" in tables
            and connection.exec_driver_sql(
                "SELECT 1 FROM schema_version WHERE version = '1.1.0'"
            ).first()
        ):
            return "1.2.0b-from-1.1"
        return "1.2.0b"
    return "mixed" if linked or _STUDY & columns["experiments"] else "1.2.0a"


def revision_of(tables: Mapping[str, Container[str]]) -> str | None:
    """The revision of one of our databases that lost its version; None for older layouts.

    Args:
        tables: The columns of each table, or the SQL that names them.
    """
    for revision, (table, column) in _TRACES.items():
        if table in tables and (column is None or column in tables[table]):
            return revision
    return None
