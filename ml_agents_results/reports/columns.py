"""Columns of every table; columns.csv declares name, kind of value, label, meaning and parts."""

import csv
from pathlib import Path
from typing import cast

from ml_agents_results.reports.column import Column, Kind


def _declared() -> dict[str, dict[str, Column]]:
    """The columns by name, of all tables and of those that have some of their own."""
    tables: dict[str, dict[str, Column]] = {}
    with Path(__file__).with_name("columns.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            name = row["name"]
            label = row["label"] or name.replace("_", " ")
            parts = tuple(row["parts"].split())
            column = Column(name, label, cast("Kind", row["kind"]), row["meaning"], parts)
            tables.setdefault(row["tables"], {})[name] = column
    return tables


_TABLES = _declared()

COLUMNS = _TABLES["all"]
"""The columns by name."""

DIFFERENCE_COLUMNS = COLUMNS | _TABLES["difference"]
"""The columns of tables of differences, where intervals are those of the difference."""

VALUE_COLUMNS = COLUMNS | _TABLES["value"]
"""The columns of tables of a numeric metric."""

VALUE_DIFFERENCE_COLUMNS = DIFFERENCE_COLUMNS | _TABLES["value difference"]
"""The same for a numeric metric."""


def columns(*names: str, of: dict[str, Column] = COLUMNS, **fields: object) -> tuple[Column, ...]:
    """The named columns, with values for the fields of their labels (`level`, `correction`)."""
    return tuple(of[name].filled(**fields) if fields else of[name] for name in names)
