"""Dates and times of day as answers write them."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Literal

Order = Literal["month_first", "day_first"]
"""How a numeric date like `04/05/2020` is read."""

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan", "february feb", "march mar", "april apr", "may", "june jun",
            "july jul", "august aug", "september sep sept", "october oct", "november nov",
            "december dec",
        ),
        start=1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_DAY_NAME = r"(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|mon|tue|wed|thu|fri|sat|sun)\.?,?\s+"
_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_NUMERIC = re.compile(r"(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})")
_DAY_MONTH = re.compile(
    rf"(\d{{1,2}})(?:st|nd|rd|th)?\s+(?:of\s+)?({_MONTH})\.?(?:,?\s+(\d{{4}}))?", re.IGNORECASE
)
_MONTH_DAY = re.compile(
    rf"({_MONTH})\.?\s+(\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(\d{{4}}))?", re.IGNORECASE
)
_MONTH_YEAR = re.compile(rf"({_MONTH})\.?,?\s+(?:of\s+)?(\d{{4}})", re.IGNORECASE)
_TIME = re.compile(
    r"(\d{1,2})(?::(\d{2}))?(?::(\d{2}))?\s*(?:(a|p)\.?\s?m\b\.?|(o'clock)|(h|hrs|hours)(?=$))?",
    re.IGNORECASE,
)
_ORDER = re.compile(r"\b(?:(mm[-/.]dd[-/.]yy(?:yy)?)|(dd[-/.]mm[-/.]yy(?:yy)?))\b", re.IGNORECASE)
LONGEST = 60


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, or a time of day.

    Attributes:
        text: ISO: `2020-04-05`, `04-05` (no year), `2020-04` (no day), `15:00`.
        other: The other reading of a numeric date whose order is not known.
    """

    text: str
    other: str | None = None


def order_in(question: str) -> Order | None:
    """The order of a numeric date that the question names."""
    found = _ORDER.search(question)
    if found is None:
        return None
    return "month_first" if found[1] else "day_first"


def read(text: str, order: Order | None = None) -> Moment | None:
    """The date or time that a text is, wholly."""
    if not 3 <= len(text) <= LONGEST or not any(c.isdigit() for c in text):
        return None
    text = re.sub(r"\s+", " ", text).strip().strip("\"'").rstrip(".,;!")
    text = re.sub(rf"^(?:on |the |at |{_DAY_NAME})+", "", text, flags=re.IGNORECASE)
    if found := _ISO.fullmatch(text):
        return _moment(int(found[1]), int(found[2]), int(found[3]))
    if found := _NUMERIC.fullmatch(text):
        return _numeric(int(found[1]), int(found[2]), found[3], order)
    if found := _DAY_MONTH.fullmatch(text):
        return _named(found[3], _MONTHS[found[2].lower()], int(found[1]))
    if found := _MONTH_DAY.fullmatch(text):
        return _named(found[3], _MONTHS[found[1].lower()], int(found[2]))
    if found := _MONTH_YEAR.fullmatch(text):
        return Moment(f"{int(found[2]):04d}-{_MONTHS[found[1].lower()]:02d}")
    return _time(text)


def _named(year: str | None, month: int, day: int) -> Moment | None:
    if year is None:
        return Moment(f"{month:02d}-{day:02d}") if 1 <= day <= 31 else None
    return _moment(int(year), month, day)


def _moment(year: int, month: int, day: int) -> Moment | None:
    try:
        return Moment(date(year, month, day).isoformat())
    except ValueError:
        return None


def _numeric(one: int, two: int, year_text: str, order: Order | None) -> Moment | None:
    year = int(year_text) + (2000 if len(year_text) == 2 else 0)
    month_first, day_first = _moment(year, one, two), _moment(year, two, one)
    if order is not None:
        return month_first if order == "month_first" else day_first
    if month_first is None or day_first is None or month_first == day_first:
        return month_first or day_first
    return Moment(month_first.text, day_first.text)


def _time(text: str) -> Moment | None:
    if text.lower() in ("noon", "midday", "midnight"):
        return Moment("00:00" if text.lower() == "midnight" else "12:00")
    found = _TIME.fullmatch(text)
    if found is None or not (found[2] or found[4] or found[5]):
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[4]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[4].lower() == "p" else 0)
    if hour > 23 or minute > 59:
        return None
    return Moment(f"{hour:02d}:{minute:02d}" + (f":{found[3]}" if found[3] else ""))


def same(answer: Moment, expected: Moment) -> bool:
    """The same moment at the expected one's precision; ambiguous numeric dates in one order."""
    if answer.text == expected.text:
        return True
    if (answer.other is None) != (expected.other is None):
        return False  # one order is known, the other is not: nothing says that they agree
    if len(expected.text) == 5 and "-" in expected.text:  # a day without a year
        return answer.text.endswith(expected.text)
    return False
