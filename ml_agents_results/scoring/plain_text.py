"""Plain text of answers: folded for comparison, without what does not count."""

import re
import unicodedata
from functools import lru_cache

_OUTER = "\"'`*_ \t\n,;:!?“”‘’«»。，"
_ARTICLE = re.compile(r"^(?:the|an|a) (?=\w)")
_QUOTES = str.maketrans("“”‘’`´", "\"\"''''")


@lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """The text without case, compatibility forms, outer marks and quotes, runs of space, and the
    article in front."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
        text = text.replace("\u2212", "-").replace("\u2013", "-").replace("\u2014", "-")
    text = " ".join(text.casefold().split())
    text = text.rstrip(_OUTER + ".").lstrip(_OUTER)
    return _ARTICLE.sub("", text)
