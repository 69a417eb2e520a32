"""Tests that have a short form, for `make test`, and a long one, for `make test-slow`."""

import os
from typing import Any

import pytest


def short_and_long(short: Any, long: Any) -> list[Any]:
    """The values of a parameter, tuples of several: the short form's, and the long form's marked
    slow."""
    values = long if isinstance(long, tuple) else (long,)
    return [short, pytest.param(*values, marks=pytest.mark.slow)]


SQLITE_FIRST = short_and_long("sqlite", "postgresql")
"""Engines of a test for which one will do in `make test`: `engine_name` of PostgreSQL is slow."""


def fuzz_seconds() -> float:
    """How long a test that tries random inputs goes on: $ML_AGENTS_FUZZ_SECONDS, or 20."""
    return float(os.environ.get("ML_AGENTS_FUZZ_SECONDS", "20"))
