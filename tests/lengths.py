"""Tests that have a short form, for `make test`, and a long one, for `make test-slow`."""

import os
import time
from typing import Any

import pytest


def short_and_long(short: Any, *long: Any) -> list[Any]:
    """The values of a parameter, tuples of several: the short form's, and those of the long form,
    marked slow."""
    values = (one if isinstance(one, tuple) else (one,) for one in long)
    return [short, *(pytest.param(*one, marks=pytest.mark.slow) for one in values)]


SQLITE_FIRST = short_and_long("sqlite", "postgresql")
"""Engines of a test for which one will do in `make test`: `engine_name` of PostgreSQL is slow."""


def fuzz_seconds() -> float:
    """How long a test that tries random inputs goes on: $ML_AGENTS_FUZZ_SECONDS, or 8."""
    return float(os.environ.get("ML_AGENTS_FUZZ_SECONDS", "8"))


def first_seed() -> int:
    """The seed with which a test that tries random inputs begins.

    The same one in every run of `make test-slow`, so that a commit does not fail by chance; a new
    one where $ML_AGENTS_FUZZ_SECONDS asks for a search, as `make test-thorough` does; $SEED repeats
    one.
    """
    given = os.environ.get("SEED", "")
    if given.isdigit():
        return int(given)
    return int(time.time()) if "ML_AGENTS_FUZZ_SECONDS" in os.environ else 1
