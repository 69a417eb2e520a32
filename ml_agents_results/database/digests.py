"""Fingerprints identify questions; digests show whether a row is still what was recorded.

Both are computed from the stored values. A change of what they cover needs a revision that
recomputes them.
"""

from collections.abc import Collection, Mapping, Sequence
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
DIGESTED: Mapping[str, tuple[str, ...]] = {
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
"""Columns that digests covered up to revision 0004, whose scripts use these two names."""

COVERED: Mapping[str, tuple[str, ...]] = {
    "experiments": (*DIGESTED["experiments"], "tags_json", "notes_json"),
    "runs": (
        *DIGEST_COLUMNS,
        "finish_reason",
        "reasoning_text",
        "reasoning_tokens",
        "cached_tokens",
    ),
    "parsing_metrics": DIGESTED["parsing_metrics"],
    "metrics": (
        "kind",
        "lower",
        "upper",
        "higher_is_better",
        "scorer",
        "definition_json",
        "is_primary",
        "created_at",
    ),
    "scores": ("label", "explanation", "details_json", "cost_estimate"),
}
"""Columns that `content_digest` of a table covers, in this order.

Keys, and the values of scores, are in indexes, too, which SQLite's own check compares with the
table. The digest of a score that has nothing of this is NULL.
"""


def covered(table: str, present: Collection[str]) -> tuple[str, ...] | None:
    """The columns that the digests of such a table cover; None if it has no digests."""
    if "content_digest" not in present:
        return None
    for columns in (COVERED, DIGESTED):
        if table in columns and set(columns[table]) <= set(present):
            return columns[table]
    return None


_FLAGS = ("is_correct", "fallback_used", "higher_is_better", "is_primary")


def input_fingerprint(input_text: str | None, expected_answer: str | None) -> str | None:
    """The identity of a question: its text and the expected answer. None if both are absent.

    The text alone does not identify a question: benchmarks hold the same text with opposite
    answers.
    """
    if input_text is None and expected_answer is None:
        return None
    return _hash((input_text, expected_answer), 8)


def content_digest(values: Sequence[object]) -> str:
    """The digest of the values that `COVERED` names, in that order; flags are booleans."""
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
