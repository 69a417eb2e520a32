"""Fingerprints: whether two runs answered the same question, and whether a run is still intact.

Both are computed from values as they are stored. Whoever changes what they cover also writes a
revision that computes them anew.
"""

import json
from collections.abc import Sequence
from hashlib import blake2b

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
"""What a run recorded, beside its key."""


def input_fingerprint(input_text: str | None, expected_answer: str | None) -> str | None:
    """The identity of a question: its text and the expected answer. None where both are absent.

    The text alone does not identify a question: benchmarks hold the same text with opposite
    answers.
    """
    if input_text is None and expected_answer is None:
        return None
    return _hash((input_text, expected_answer), 8)


def content_digest(values: Sequence[object]) -> str:
    """The digest of the values of `DIGEST_COLUMNS`, in that order."""
    return _hash(values, 16)


def _hash(values: Sequence[object], size: int) -> str:
    return blake2b(json.dumps(values).encode(), digest_size=size).hexdigest()
