"""Options for what commands print and write, and JSON documents on stdout."""

import json
import sys
from datetime import UTC, datetime
from typing import Any

from ml_agents_results.cli.help_panels import OUTPUT
from ml_agents_results.cli.option_groups import flag
from ml_agents_results.records import SCHEMA_VERSION
from ml_agents_results.reports.terminal import json_printable

PARTLY = 5
"""Exit code of what was finished in part."""

JSON = flag("--json", "Print one JSON document, and nothing else, to stdout.", panel=OUTPUT)
VERBOSE = flag(
    "--verbose", "Print all tables, rows and notes, the methods, and what the columns mean.",
    panel=OUTPUT,
)  # fmt: skip
FORCE = flag("--force", "Replace the output if it exists.", panel=OUTPUT)


def emit_json(document: dict[str, Any]) -> None:
    """Prints a document as JSON in UTF-8 to stdout, `schema_version` first.

    Raises:
        ValueError: The document holds NaN or Infinity.
    """
    text = json.dumps(
        {"schema_version": SCHEMA_VERSION, **document},
        ensure_ascii=False,
        allow_nan=False,
        indent=2,
        default=_json_value,
    )
    sys.stdout.flush()
    sys.stdout.buffer.write(json_printable(text).encode() + b"\n")


def _json_value(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    raise TypeError(f"a {type(value).__name__} has no JSON form")
