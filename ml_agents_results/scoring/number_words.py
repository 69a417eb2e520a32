"""English number words: `seven hundred and twenty`, `minus four`, `two and a half`."""

import re
from fractions import Fraction

_SMALL_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TEN_WORDS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
_SMALL = {word: value for value, word in enumerate(_SMALL_WORDS)}
_TENS = {word: 10 * value for value, word in enumerate(_TEN_WORDS, start=2)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_PARTS = {"half": 2, "third": 3, "quarter": 4, "fourth": 4, "fifth": 5, "sixth": 6, "seventh": 7,
          "eighth": 8, "ninth": 9, "tenth": 10}  # fmt: skip
WORDS = frozenset({*_SMALL, *_TENS, *_SCALES, "hundred", "dozen"})
_WORD = "|".join(sorted(WORDS, key=len, reverse=True))
RUN = re.compile(
    rf"(?:(?:minus|negative)\s+)?(?:an?\s+(?=hundred|thousand|million|billion|dozen))?"
    rf"(?:{_WORD})(?:(?:[\s-]+(?:and[\s-]+)?)(?:{_WORD}))*"
    rf"(?:[\s-]+and[\s-]+(?:a|one)[\s-]+(?:half|quarter|third))?(?![\w-])",
    re.IGNORECASE,
)
"""One number in words inside a running text."""
PART = re.compile(
    rf"(?<![\w-])(?:an?|one|two|three|four|five|six|seven|eight|nine)[\s-]"
    rf"(?:{'|'.join(_PARTS)})s?(?![\w-])",
    re.IGNORECASE,
)
"""A fraction in words: `two thirds`, `a quarter`."""


def read(text: str) -> Fraction | None:
    """The value of a text that is one number in words; None for any other."""
    words = re.findall(r"[a-z]+", text.lower())
    if not words or len(words) > 20 or re.search(r"[^A-Za-z\s,-]", text):
        return None
    sign = 1
    if words[0] in ("minus", "negative"):
        sign, words = -1, words[1:]
    if not words:
        return None
    if (part := _fraction(words)) is not None:
        return sign * part
    rest = Fraction(0)
    for joined in (" and a ", " and one "):
        head, found, tail = " ".join(words).rpartition(joined)
        if found and tail in _PARTS and tail in ("half", "quarter", "third"):
            words, rest = head.split(), Fraction(1, _PARTS[tail])
            break
    whole = _whole(words)
    return None if whole is None else sign * (whole + rest)


def _fraction(words: list[str]) -> Fraction | None:
    """`one half`, `a quarter`, `three fifths`, `two-thirds`."""
    if len(words) != 2:
        return None
    count = 1 if words[0] in ("a", "one") else _SMALL.get(words[0])
    below = _PARTS.get(words[1].removesuffix("s")) or (2 if words[1] == "halves" else None)
    return Fraction(count, below) if count is not None and below is not None else None


def _whole(words: list[str]) -> Fraction | None:
    total, group, last = 0, 0, 10**15
    previous = ""
    for index, word in enumerate(words):
        if word == "and":
            if index in (0, len(words) - 1) or previous not in ("hundred", *_SCALES):
                return None
        elif word == "a" and index == 0 and len(words) > 1:
            group = 1
        elif word in _SMALL or word in _TENS:
            value = _SMALL.get(word, _TENS.get(word, 0))
            if previous in _SMALL or (previous in _TENS and not 0 < value < 10):
                return None
            group += value
        elif word in ("hundred", "dozen"):
            if previous in ("hundred", "dozen"):
                return None
            group = (group or 1) * (100 if word == "hundred" else 12)
        elif word in _SCALES:
            if _SCALES[word] >= last:
                return None
            last = _SCALES[word]
            total += (group or 1) * last
            group = 0
        else:
            return None
        previous = word
    return Fraction(total + group)
