"""Fingerprints of questions and digests of rows: same question, and still as recorded?

Both are computed from values as they are stored. Whoever changes what they cover also writes a
revision that computes them anew.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b

import orjson

DIGEST_COLUMNS = (
    "input_text",
    "expected_answer",
    "raw_output",
    "parsed_answer",
    "parsing_method",
    "parsing_confidence",
    "is_correct",
    "execution_time_ms",
    "cost_estimate",
    "metadata_json",
    "sample_id",
    "score",
    "prompt_tokens",
    "completion_tokens",
    "error",
)
"""The columns of a run except its key."""

DIGESTED = {
    "experiments": (
        "name",
        "description",
        "created_at",
        "config_json",
        "status",
        "updated_at",
        "environment_json",
    ),
    "runs": DIGEST_COLUMNS,
    "parsing_metrics": (
        "parsing_attempts",
        "fallback_used",
        "confidence_score",
        "extraction_time_ms",
        "error_details",
    ),
}
"""What the column `content_digest` of a table covers. Its keys are in indexes, too, which SQLite's
own check compares with the table."""

_FLAGS = ("is_correct", "fallback_used")


def input_fingerprint(input_text: str | None, expected_answer: str | None) -> str | None:
    """The identity of a question: its text and the expected answer. None if both are absent.

    The text alone does not identify a question: benchmarks hold the same text with opposite
    answers.
    """
    if input_text is None and expected_answer is None:
        return None
    return _hash((input_text, expected_answer), 8)


def content_digest(values: Sequence[object]) -> str:
    """The digest of the values of one of `DIGESTED`, in that order; flags are booleans."""
    return _hash(values, 16)


def digest_of(columns: Sequence[str], values: Sequence[object]) -> str:
    """The digest of values as an engine returns them without types: SQLite has no booleans, and
    keeps times as the texts that those of a server are turned into."""
    return content_digest(
        [
            bool(value) if name in _FLAGS and value in (0, 1) else value
            for name, value in zip(columns, values, strict=True)
        ]
    )


def _hash(values: Sequence[object], size: int) -> str:
    """BLAKE2b of the values as a compact JSON list in UTF-8."""
    try:
        text = orjson.dumps(values, default=_as_text, option=orjson.OPT_PASSTHROUGH_DATETIME)
    except orjson.JSONEncodeError:
        # Damage: nothing that was recorded looks like this, so any other digest will do.
        text = repr(values).encode("ascii", "backslashreplace")
    return blake2b(text, digest_size=size).hexdigest()


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    raise TypeError(f"{value!r} is not a recorded value")
