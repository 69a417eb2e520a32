"""Table samples: which lines of a table are about the same sample, and its number."""

from collections import Counter
from typing import Any

from ml_agents_results.database.validation import refused
from ml_agents_results.formats.log_source import LogSource

_CHECKED = 5000
_VARIANT = ("approach_name", "provider", "model")


class TableSamples:
    """Gives a run without a number of its sample one: by its id, else by its question and how often
    the variant was asked it, else by the order of its variant's lines.

    Args:
        takes_ids: Whether a `sample_index` that is a text is an id: the user named its column.
    """

    def __init__(self, source: LogSource, *, takes_ids: bool) -> None:
        self._source = source
        self._takes_ids = takes_ids
        self._indexes: dict[str, dict[object, int]] = {}
        self._asked: Counter[tuple[object, ...]] = Counter()
        self._checked = 0
        self._ids = _SharedValues()
        self._questions = _SharedValues()

    def number(self, values: dict[str, Any]) -> None:
        """Sets `sample_index`.

        Raises:
            InvalidRecordError: It is not a number.
        """
        if isinstance(given := values.get("sample_index"), str):
            if not self._takes_ids:
                raise refused("sample_index", given, "a whole number, not negative")
            values["sample_id"] = given
            del values["sample_index"]
        if "sample_index" in values:
            return
        task = str(values.get("task", ""))
        question = values.get("input_text")
        variant = tuple(values.get(name) for name in _VARIANT)
        sample: object
        if (sample_id := values.get("sample_id")) is not None:
            sample, rule = str(sample_id), "the order of the ids"
            if self._checked < _CHECKED:
                self._checked += 1
                self._ids.add(sample, variant)
                self._questions.add(question, variant)
        else:
            key = (task, question, *variant, values.get("repeat_index"))
            sample, rule = (question, self._asked[key]), "the order of the questions"
            if question is None:
                rule = "the order of the lines"
            self._asked[key] += 1
        indexes = self._indexes.setdefault(task, {})
        values["sample_index"] = indexes.setdefault(sample, len(indexes))
        self._source.choose("sample_index", "0, 1, ...", rule)

    def finish(self) -> None:
        """Warns of ids that count lines, not samples."""
        if self._questions.is_shared and not self._ids.is_shared:
            self._source.warn(
                f"{self._source.name}: no id is shared by two variants, but questions are: the ids "
                "count lines, not samples (to pair by question: --map sample_id=)"
            )


class _SharedValues:
    """Whether a value was seen with two variants."""

    def __init__(self) -> None:
        self._first: dict[object, tuple[object, ...]] = {}
        self.is_shared = False

    def add(self, value: object, variant: tuple[object, ...]) -> None:
        if value is not None and not self.is_shared:
            self.is_shared = self._first.setdefault(value, variant) != variant
