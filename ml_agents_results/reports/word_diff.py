"""Word diff: which words of two texts differ, at a bounded cost."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
_LINES = re.compile(r"[^\n]*\n|[^\n]+\Z")
_MOST_PAIRS = 50_000
"""Pairs of equal words that may be looked at; difflib's time grows with them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A run of words that both texts have, or only one of them."""

    side: Literal["both", "old", "new"]
    text: str


def word_diff(old: str, new: str) -> list[Part]:
    """The parts in order: without `new` they make up the old text, without `old` the new one.

    Words are compared, or lines where the words repeat so often that it would take long.
    """
    head = _common(old, new)
    one, two = old[len(head) :], new[len(head) :]
    tail = _common(one[::-1], two[::-1])[::-1]
    one, two = one[: len(one) - len(tail)], two[: len(two) - len(tail)]
    # A word that is cut in two is compared as a whole.
    head, one, two = _whole_words(head, one, two)
    tail, one, two = _whole_tail(tail, one, two)
    return _joined([Part("both", head), *_middle(one, two), Part("both", tail)])


def _middle(old: str, new: str) -> list[Part]:
    for pattern in (_WORDS, _LINES):
        one, two = pattern.findall(old), pattern.findall(new)
        if _pairs(one, two) <= _MOST_PAIRS:
            return _matched(one, two)
    return [Part("old", old), Part("new", new)]


def _matched(old: Sequence[str], new: Sequence[str]) -> list[Part]:
    parts: list[Part] = []
    for tag, a, b, c, d in SequenceMatcher(None, old, new, autojunk=True).get_opcodes():
        if tag == "equal":
            parts.append(Part("both", "".join(old[a:b])))
            continue
        parts += [Part("old", "".join(old[a:b])), Part("new", "".join(new[c:d]))]
    return parts


def _pairs(old: Sequence[str], new: Sequence[str]) -> int:
    counts = Counter(new)
    return sum(number * counts[word] for word, number in Counter(old).items())


def _joined(parts: Sequence[Part]) -> list[Part]:
    """Without empty parts; neighbours of one side are one."""
    joined: list[Part] = []
    for part in parts:
        if not part.text:
            continue
        if joined and joined[-1].side == part.side:
            joined[-1] = Part(part.side, joined[-1].text + part.text)
        else:
            joined.append(part)
    return joined


def _common(one: str, two: str) -> str:
    """The longest common beginning, by halving: texts may be long."""
    low, high = 0, min(len(one), len(two))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == two[:middle]:
            low = middle
        else:
            high = middle - 1
    return one[:low]


def _whole_words(head: str, one: str, two: str) -> tuple[str, str, str]:
    cut = len(head)
    while cut and head[cut - 1].isalnum() and any(rest[:1].isalnum() for rest in (one, two)):
        cut -= 1
    return head[:cut], head[cut:] + one, head[cut:] + two


def _whole_tail(tail: str, one: str, two: str) -> tuple[str, str, str]:
    cut = 0
    ends = any(rest[-1:].isalnum() for rest in (one, two))
    while ends and cut < len(tail) and tail[cut].isalnum():
        cut += 1
    return tail[cut:], one + tail[:cut], two + tail[:cut]
