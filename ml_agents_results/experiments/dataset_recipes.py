"""Recipes: how the rows of published datasets become questions, choices and targets.

A recipe is data (`data/recipes.yaml`, or a file of the user's in the same form): the columns, how
the target is made, how choices are shown, and the kind of answer.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from random import Random
from typing import Any

from ml_agents_results.errors import InvalidFileError, NotFoundError
from ml_agents_results.experiments.question import Question
from ml_agents_results.scoring import latex
from ml_agents_results.scoring.kinds import KINDS, AnswerKind, check_kind
from ml_agents_results.scoring.options import label_of
from ml_agents_results.yaml_text import load_yaml

_KEYS = frozenset(
    {"hub", "columns", "contains", "contains_any", "types", "question", "join", "before", "after",
     "first", "show", "choices", "target", "task", "id", "kind", "metadata", "needs_grader"}
)  # fmt: skip
_TARGETS = frozenset(
    {"column", "after", "index", "from", "letter", "check", "label", "labels", "boxed", "flagged",
     "truth", "any_of", "empty", "option", "json"}
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """One recipe: see the comments of `data/recipes.yaml`.

    Attributes:
        name: As it is recorded.
        definition: Its content.
    """

    name: str
    definition: Mapping[str, Any]

    @property
    def kind(self) -> AnswerKind:
        """The kind of answer."""
        return check_kind(self.definition.get("kind", "any"))

    @property
    def needs_grader(self) -> bool:
        """Whether the answers cannot be graded without a grader of the user's."""
        return bool(self.definition.get("needs_grader"))

    def names(self, source: str) -> bool:
        """Whether a dataset of that name (`owner/name:config@split`) is one of this recipe."""
        name = source.partition("@")[0]
        known = self.definition.get("hub", ())
        return name in known or name.partition(":")[0] in known

    def fits(self, row: Mapping[str, Any]) -> bool:
        """Whether a row has the columns of this recipe, with the values that it expects."""
        wanted = self.definition
        if not wanted.get("columns") or not set(wanted["columns"]) <= set(row):
            return False
        if not all(mark in str(row[c]) for c, mark in wanted.get("contains", {}).items()):
            return False
        if wanted.get("contains_any") and not set(wanted["contains_any"]) & set(row):
            return False
        return all(
            _is_of_type(row[column], name)
            for column, name in wanted.get("types", {}).items()
            if column in row
        )

    def prepare(self, row: Mapping[str, Any], where: str) -> Question:
        """The question of a row, with its options below it; without an index.

        Raises:
            InvalidFileError: It is not of this recipe; the message names the row.
        """
        wanted = self.definition
        sample_id = _text(value_at(row, wanted["id"])) if "id" in wanted else None
        texts = [_text(value_at(row, column)) for column in wanted["question"]]
        parts = [text for text in texts if text]
        if wanted.get("first"):
            parts = parts[:1]
        if not parts:
            raise InvalidFileError(f"{where} has no text in {' or '.join(wanted['question'])}")
        question = wanted.get("join", "\n\n").join(parts)
        if "show" in wanted:
            shown = value_at(row, wanted["show"])
            question += "\n\n" + "\n".join(map(str, shown or ()))
        choices, order = self._choices(row, sample_id or question, where)
        target = self._target(row, choices, order, where)
        lines = [wanted.get("before", ""), question]
        if choices:
            lines.append("\n".join(f"({label_of(i)}) {c}" for i, c in enumerate(choices)))
        lines.append(wanted.get("after", ""))
        return Question(
            (_text(value_at(row, wanted["task"])) if "task" in wanted else None) or "",
            0,
            sample_id,
            "\n\n".join(line for line in lines if line),
            target,
            choices,
            metadata={column: row.get(column) for column in wanted.get("metadata", ())},
        )

    def _choices(
        self, row: Mapping[str, Any], seed: str, where: str
    ) -> tuple[tuple[str, ...], list[int]]:
        """The options as they are shown, and the index that each had in the row."""
        wanted = self.definition.get("choices")
        if wanted is None:
            return (), []
        if "columns" in wanted:
            values = [value_at(row, column) for column in wanted["columns"]]
        else:
            values = value_at(row, wanted["column"]) or []
        if not isinstance(values, list | tuple) or len(values) < 2:
            raise InvalidFileError(f"{where} has no list of choices")
        left_out = set(wanted.get("leave_out", ()))
        order = [index for index, value in enumerate(values) if str(value) not in left_out]
        if wanted.get("shuffle"):
            Random(f"{self.name}:{seed}").shuffle(order)
        return tuple(str(values[index]).strip() for index in order), order

    def _target(
        self, row: Mapping[str, Any], choices: Sequence[str], order: list[int], where: str
    ) -> str | None:
        wanted = self.definition.get("target")
        if wanted is None:
            return None
        if choices:
            index = _right_choice(row, wanted, where)
            if index is None:
                return None
            if isinstance(index, list):
                return ", ".join(sorted(label_of(order.index(i)) for i in index if i in order))
            if index not in order:
                raise InvalidFileError(f"{where} names a choice that it does not have")
            return label_of(order.index(index))
        if "after" in wanted:
            text = _text(value_at(row, wanted["column"])) or ""
            return re.sub(r"<<.*?>>", "", text).rpartition(wanted["after"])[2].strip() or None
        if "boxed" in wanted:
            boxed = [b for *_, b in latex.boxes(_text(value_at(row, wanted["boxed"])) or "") if b]
            return boxed[-1].strip() if boxed else None
        if "truth" in wanted:
            return _truth(row, wanted["truth"])
        if "any_of" in wanted:
            return _any_of(row, wanted)
        if "json" in wanted:
            return json.dumps(value_at(row, wanted["json"]), ensure_ascii=False)
        return _text(value_at(row, wanted["column"]))


def value_at(row: Mapping[str, Any], path: str) -> Any:
    """The value at a dotted path; None where there is none."""
    if path in row:
        return row[path]
    value: Any = row
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _is_of_type(value: Any, name: str) -> bool:
    if name == "list":
        return isinstance(value, list | tuple)
    if name == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if name == "truth":
        return isinstance(value, bool) or value in (0, 1, -1)
    return isinstance(value, Mapping)


def _right_choice(
    row: Mapping[str, Any], wanted: Mapping[str, Any], where: str
) -> int | list[int] | None:
    """The index in the row of the choice that is right; None where the row does not say."""
    if "option" in wanted:
        return int(wanted["option"])
    if "index" in wanted:
        value = value_at(row, wanted["index"])
        if value is None or str(value).strip() in ("", "-1"):
            return None
        try:
            return int(value) - int(wanted.get("from", 0))
        except ValueError as error:
            raise InvalidFileError(f"{where}: {value!r} is not the index of a choice") from error
    if "letter" in wanted:
        index = ord((_text(value_at(row, wanted["letter"])) or "?").strip().upper()) - ord("A")
        given = value_at(row, wanted["check"]) if "check" in wanted else None
        if given is not None and int(given) != index:
            raise InvalidFileError(
                f"{where} contradicts itself: {wanted['letter']} names choice {index}, "
                f"{wanted['check']} names {given}"
            )
        return index
    if "label" in wanted:
        label = _text(value_at(row, wanted["label"]))
        labels = [str(known) for known in value_at(row, wanted["labels"]) or ()]
        if label is None:
            return None
        if label not in labels:
            raise InvalidFileError(f"{where} names choice {label!r}, which it does not have")
        return labels.index(label)
    flags = value_at(row, wanted["flagged"]) or ()
    right = [index for index, flag in enumerate(flags) if flag == 1]
    return right[0] if len(right) == 1 else right or None


def _truth(row: Mapping[str, Any], columns: Sequence[str]) -> str | None:
    for column in columns:
        value = row.get(column)
        if value in (True, False, 0, 1):
            return "yes" if value else "no"
    return None


def _any_of(row: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """The alternatives as a JSON list, each once; one alone as it is."""
    found: dict[str, None] = {}
    for path in wanted["any_of"]:
        for text in _alternatives(value_at(row, path)):
            found.setdefault(text)
    if not found:
        empty: str | None = wanted.get("empty")
        return empty
    return next(iter(found)) if len(found) == 1 else json.dumps(list(found), ensure_ascii=False)


def _alternatives(value: Any) -> list[str]:
    """The texts of a value: DROP's answers are a number, a date, or spans."""
    if value is None or value == "":
        return []
    if isinstance(value, str | int | float):
        return [str(value)]
    if isinstance(value, Mapping):
        in_columns = isinstance(value.get("number"), list | tuple)  # one list a column
        if not in_columns and ("number" in value or "spans" in value):
            date = value.get("date") or {}
            parts = [str(date[k]) for k in ("day", "month", "year") if date.get(k)]
            spans = [str(span) for span in value.get("spans") or ()]
            number = _alternatives(value.get("number"))
            return (
                number
                or ([" ".join(parts)] if parts else [])
                or ([", ".join(spans)] if spans else [])
            )
        columns = [list(v) if isinstance(v, list | tuple) else [v] for v in value.values()]
        return [t for row in zip(*columns, strict=False)
                for t in _alternatives(dict(zip(value, row, strict=True)))]  # fmt: skip
    return [text for item in value for text in _alternatives(item)]


@cache
def built_in() -> tuple[Recipe, ...]:
    """The recipes of this package."""
    text = (files("ml_agents_results.experiments") / "data" / "recipes.yaml").read_text("utf-8")
    return _recipes(text, "recipes.yaml")


def load_recipe(path: str | Path) -> Recipe:
    """A recipe of the user's, from a YAML file with one.

    Raises:
        NotFoundError: There is no such file.
        InvalidFileError: It is not a recipe; the message names the key.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise NotFoundError(f"there is no recipe {path}")
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFileError(f"{file.name} cannot be read: {error}") from error
    recipes = _recipes(text, file.name)
    if len(recipes) != 1:
        raise InvalidFileError(f"{file.name} holds {len(recipes)} recipes", "It needs one.")
    return recipes[0]


def _recipes(text: str, name: str) -> tuple[Recipe, ...]:
    try:
        document = load_yaml(text)
    except ValueError as error:
        raise InvalidFileError(f"{name} is not YAML: {error}") from error
    if isinstance(document, dict) and "question" in document:
        document = {Path(name).stem: document}
    if not isinstance(document, dict):
        raise InvalidFileError(f"{name} holds no recipe", "See docs/scoring.md.")
    for key, content in document.items():
        _check(f"{name}, {key}", content)
    return tuple(Recipe(str(key), content) for key, content in document.items())


def _check(where: str, content: Any) -> None:
    if not isinstance(content, dict):
        raise InvalidFileError(f"{where} is not a recipe", "It needs at least `question`.")
    unknown = sorted(set(content) - _KEYS) + sorted(set(content.get("target") or {}) - _TARGETS)
    if unknown:
        raise InvalidFileError(
            f"{where} has an unknown key {unknown[0]!r}",
            f"Keys: {', '.join(sorted(_KEYS))}; of target: {', '.join(sorted(_TARGETS))}.",
        )
    question = content.get("question")
    if isinstance(question, str):
        content["question"] = question = [question]
    if not isinstance(question, list) or not question:
        raise InvalidFileError(f"{where} names no question column", "question: [question]")
    if content.get("kind", "any") not in KINDS:
        raise InvalidFileError(
            f"{where}: there is no answer kind {content['kind']!r}", f"Kinds: {', '.join(KINDS)}."
        )


def recognise(source: str, row: Mapping[str, Any]) -> Recipe | None:
    """The recipe of a dataset: by its name, else by the columns of its first row."""
    named = next((recipe for recipe in built_in() if recipe.names(source)), None)
    if named is not None and (named.fits(row) or not named.definition.get("columns")):
        return named
    return next((recipe for recipe in built_in() if recipe.fits(row)), None)
