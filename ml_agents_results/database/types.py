"""Column types that return exactly what was stored, from SQLite and from PostgreSQL."""

import json
import re
from datetime import UTC, datetime
from typing import Any, TypeVar

from sqlalchemy import TIMESTAMP, Dialect, Text, TypeDecorator

from ml_agents_results.errors import CorruptDatabaseError

_T = TypeVar("_T")

# A model may emit NUL, which PostgreSQL refuses, and lone surrogates, which no UTF-8 holds. Such
# characters are stored as U+FDD0 and four hexadecimal digits. U+FDD0 is a Unicode noncharacter,
# reserved for inside use like this; where a text holds it, it is written the same way.
_MARK = "\ufdd0"
_UNSTORABLE = re.compile(f"[\x00\ud800-\udfff{_MARK}]")
_STORED = re.compile(_MARK + "([0-9a-f]{4})")


def to_stored(text: str) -> str:
    """The text with escapes for the characters that no database can store."""
    if text.isascii():
        if "\x00" not in text:
            return text
    elif _UNSTORABLE.search(text) is None:
        return text
    return _UNSTORABLE.sub(lambda found: f"{_MARK}{ord(found[0]):04x}", text)


def from_stored(text: str) -> str:
    """The inverse of `to_stored`."""
    if _MARK in text:
        return _STORED.sub(lambda found: chr(int(found[1], 16)), text)
    return text


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":"), default=str
)


def to_json(value: Any) -> str:
    """Canonical JSON: equal values give equal texts. Raises ValueError for NaN and Infinity."""
    return _ENCODER.encode(value)


# Sorted by code points, as in SQLite, whatever the server's locale.
PlainText = Text().with_variant(Text(collation="C"), "postgresql")


class LosslessText(TypeDecorator[str]):
    """Text that may hold any Python string."""

    impl = PlainText
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else to_stored(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        # Instead of `process_result_value`, which takes two calls more for each text that is read.
        return _restored


def _restored(value: str | None) -> str | None:
    if value is not None and _MARK in value:
        return from_stored(value)
    return value


class _Json(TypeDecorator[_T]):
    """JSON in a TEXT column."""

    impl = PlainText
    cache_ok = True

    def process_bind_param(self, value: _T | None, dialect: Dialect) -> str | None:
        return None if value is None else to_stored(to_json(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> _T | None:
        if value is None:
            return None
        text = from_stored(value)
        try:
            return self._of(json.loads(text))
        except ValueError:
            # Older databases hold what programs of their time wrote.
            return self._of(text)

    def _of(self, decoded: Any) -> _T:
        raise NotImplementedError


class JsonText(_Json[dict[str, Any]]):
    """A JSON object in a TEXT column; any other content is returned under the key `value`."""

    cache_ok = True

    def _of(self, decoded: Any) -> dict[str, Any]:
        return decoded if isinstance(decoded, dict) else {"value": decoded}


class JsonList(_Json[list[Any]]):
    """A JSON list in a TEXT column; anything else comes back as its only item."""

    cache_ok = True

    def _of(self, decoded: Any) -> list[Any]:
        return decoded if isinstance(decoded, list) else [decoded]


class UtcTimestamp(TypeDecorator[datetime]):
    """A moment. Naive datetimes are refused; values are returned aware and in UTC."""

    impl = TIMESTAMP(timezone=True)
    cache_ok = True

    def result_processor(self, dialect: Dialect, coltype: object) -> Any:
        """Names a stored value that is not a time, instead of failing on its text."""
        convert = super().result_processor(dialect, coltype)
        if convert is None:
            return None

        def checked(value: Any) -> datetime | None:
            try:
                moment: datetime | None = convert(value)
            except (TypeError, ValueError) as error:
                raise CorruptDatabaseError(
                    f"the database holds {value!r} where a time should be",
                    "Find the damaged rows with: ml-agents db-check",
                ) from error
            return moment

        return checked

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
