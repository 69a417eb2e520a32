"""Variants in links: a readable name and eight digits that tell variants apart."""

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from ml_agents_results.errors import UsageError
from ml_agents_results.records import Variant

_DIGITS = re.compile(r"(?:^|-)([0-9a-f]{8})\Z")
_READABLE = re.compile(r"[^A-Za-z0-9]+")


@lru_cache(maxsize=1024)
def variant_slug(variant: Variant) -> str:
    """How a variant is written in a link: `ChainOfThought-1a2b3c4d`; only the digits count."""
    digits = sha256("\0".join(variant).encode("utf-8", "surrogatepass")).hexdigest()[:8]
    readable = _READABLE.sub("-", variant.approach_name).strip("-")[:40]
    return f"{readable}-{digits}" if readable else digits


def variant_of(slug: str, variants: Sequence[Variant]) -> Variant:
    """The variant that a link names.

    Raises:
        UsageError: None of these has the digits.
    """
    if (found := _DIGITS.search(slug)) is not None:
        for variant in variants:
            if variant_slug(variant)[-8:] == found[1]:
                return variant
    raise UsageError(
        f"there is no variant {slug!r} here",
        "It may have been deleted, or the link belongs to another database.",
    )
