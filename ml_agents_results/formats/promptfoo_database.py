"""The database of promptfoo, `promptfoo.db`: evaluations and their results as its JSON has them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import mapping, sequence
from ml_agents_results.formats.json_files import beginning
from ml_agents_results.formats.json_values import parse

_MAGIC = b"SQLite format 3\x00"
_TABLES = {"evals", "eval_results"}
_OBJECTS = (
    *("testCase", "prompt", "provider", "response", "gradingResult", "namedScores"),
    "metadata",
)
_RESULTS = """
SELECT id, prompt_idx AS promptIdx, test_idx AS testIdx, test_case AS testCase, prompt, provider,
       latency_ms AS latencyMs, cost, response, error, failure_reason AS failureReason, success,
       score, grading_result AS gradingResult, named_scores AS namedScores, metadata
FROM eval_results WHERE eval_id = ? ORDER BY test_idx, prompt_idx, id
"""


def is_promptfoo_database(path: Path) -> bool:
    """Whether it is a SQLite file with promptfoo's tables."""
    if not beginning(path).startswith(_MAGIC):
        return False
    try:
        with closing(_opened(path)) as connection:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            return {name for (name,) in names} >= _TABLES
    except (sqlite3.Error, UnicodeDecodeError):
        # A damaged schema is quoted in the error, in whatever bytes it has.
        return False


def evaluations(path: Path) -> Iterator[tuple[dict[str, Any], Iterator[dict[str, Any]]]]:
    """What its JSON has next to the results, and the results, of each evaluation, oldest first.

    Raises:
        InvalidFileError: The database cannot be read.
    """
    try:
        with closing(_opened(path)) as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(
                "SELECT id, created_at, description, results, config FROM evals "
                "ORDER BY created_at, id"
            ).fetchall()
            for row in rows:
                config = mapping(_loaded(row["config"]))
                if row["description"] and not config.get("description"):
                    config["description"] = row["description"]
                created = row["created_at"]
                head = {
                    "evalId": row["id"],
                    "createdAt": created / 1000 if isinstance(created, int) else created,
                    "config": config,
                }
                # Before 2025 an evaluation was one object.
                older = mapping(_loaded(row["results"])).get("results")
                results = (
                    iter(map(mapping, sequence(older)))
                    if older
                    else map(_result, connection.execute(_RESULTS, (row["id"],)))
                )
                yield head, results
    except sqlite3.Error as error:
        raise InvalidFileError(
            f"{path} is a database of promptfoo that cannot be read: {error}",
            "Let promptfoo write JSON: promptfoo export eval ID -o results.json",
        ) from error


def _opened(path: Path) -> sqlite3.Connection:
    """Read only: promptfoo may be at work."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def _result(row: sqlite3.Row) -> dict[str, Any]:
    result: dict[str, Any] = {name: row[name] for name in row.keys()}  # noqa: SIM118
    for name in _OBJECTS:
        result[name] = _loaded(result[name])
    result["vars"] = mapping(result["testCase"]).get("vars")
    result["success"] = None if result["success"] is None else bool(result["success"])
    return {name: value for name, value in result.items() if value is not None}


def _loaded(text: object) -> Any:
    if not isinstance(text, str):
        return text
    try:
        return parse(text)
    except ValueError:
        return text
