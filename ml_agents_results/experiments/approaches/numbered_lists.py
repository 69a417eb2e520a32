"""Numbered lists: read from model output, written into prompts."""

import re
from collections.abc import Sequence

_ITEM = re.compile(r"^\s*(?:\*\*)?(?:\d{1,2}[.):]|[-*•])(?:\*\*)?\s+", re.MULTILINE)


def points(text: str, most: int) -> list[str]:
    """The first `most` items of a list; the whole text if there is no list."""
    starts = list(_ITEM.finditer(text))
    ends = [start.start() for start in starts[1:]] + [len(text)]
    items = [text[start.end() : end].strip() for start, end in zip(starts, ends, strict=False)]
    return [item for item in items if item][:most] or [text.strip()]


def numbered(items: Sequence[str]) -> str:
    """The items as a numbered list; empty for none."""
    return "\n".join(f"{number}. {item}" for number, item in enumerate(items, 1))
