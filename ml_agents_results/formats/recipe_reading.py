"""Reading of a table by a recipe: which one, and the rows that it makes of those of the file."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain
from typing import Any

from ml_agents_results.errors import InvalidFileError, InvalidRecordError
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.recipe_files import NO_RECIPE, fitting_recipe, named_recipe
from ml_agents_results.formats.table_files import Row
from ml_agents_results.formats.table_recipes import TableRecipe
from ml_agents_results.records import ScoreRecord

_NUMBERED = re.compile(r"(.*?)(\d+)")
_OURS = ("experiment_id", "approach_name")
"""Columns of tables that are in our own words already."""


class RecipeReading:
    """How the rows of one file are read.

    Attributes:
        options: Those of the import, without what the recipe has taken over.
    """

    def __init__(self, recipe: TableRecipe, source: LogSource, options: ImportOptions) -> None:
        self.recipe = recipe
        self._stem = source.stem
        self._overrides = options.columns
        self._unseen = {field for field, path in options.columns.items() if path}
        self._seen: Counter[tuple[object, ...]] = Counter()
        self.options = replace(
            options,
            columns={},
            grader=options.grader or recipe.grader,
            parsing=recipe.parsing or "none" if options.parsing == "none" else options.parsing,
        )

    def read(self, row: dict[str, Any]) -> tuple[dict[str, Any], Mapping[str, ScoreRecord]]:
        """The fields of a run under their own names, and its scores."""
        values, scores = self.recipe.read(row, self._stem, self._overrides)
        self._unseen -= values.keys()
        if values.keys() <= {"metadata_json", *self.recipe.constants}:
            raise InvalidRecordError(
                f"the recipe {self.recipe.name} finds neither sample nor answer in it; its columns "
                f"are: {', '.join(row)}",
                "Remove the line if it is a summary, or name another recipe: --recipe NAME",
            )
        if self.recipe.repeats and "repeat_index" not in values:
            key = tuple(str(values.get(name)) for name in ("task", "model", "sample_id"))
            values["repeat_index"] = self._seen[key]
            self._seen[key] += 1
        return values, scores

    def finish(self, source: LogSource) -> None:
        """Raises InvalidFileError if a path of --map led nowhere in all rows."""
        if self._unseen:
            paths = sorted(self._overrides[field] for field in self._unseen)
            raise InvalidFileError(
                f"{source.name} has no column {', '.join(map(repr, paths))}",
                "Correct --map FIELD=COLUMN; columns are spelled as in the file.",
            )


def recipe_of(
    source: LogSource, options: ImportOptions, rows: Iterator[Row]
) -> tuple[RecipeReading | None, Iterator[Row]]:
    """The reading of a file, if a recipe is named or recognises its first row, and its rows."""
    if (first := next(rows, None)) is None:
        return None, rows
    rows = chain([first], rows)
    names, rule = first[1].keys(), "--recipe"
    recipe: TableRecipe | None = None
    if options.recipe is not None:
        recipe = named_recipe(options.recipe)
    elif not (options.wide or any(name in names for name in _OURS)):
        rule = "its columns"
        recipe = fitting_recipe(names, document=True) or fitting_recipe(names, document=False)
        if recipe is not None and options.columns:
            source.warn(
                f"{source.name} is read by the recipe {recipe.name}; --map replaces its fields (to "
                f"read it without: --recipe {NO_RECIPE})"
            )
    if recipe is None:
        return None, rows
    source.choose("recipe", recipe.name, rule)
    if recipe.is_document:
        rows = _expanded(recipe, source, rows)
    elif recipe.failures_only:
        rows = _with_passed(recipe, source, rows)
    return RecipeReading(recipe, source, options), rows


def _expanded(recipe: TableRecipe, source: LogSource, rows: Iterator[Row]) -> Iterator[Row]:
    number = 0
    for _, document, size in rows:
        before = number
        for row in recipe.rows_of(document):
            number += 1
            yield f"entry {number}", row, len(str(row))
        if number == before and size:
            source.why_empty = (
                f"has no entries where the recipe {recipe.name} looks for them",
                "Correct the `rows` of the recipe, or leave out --recipe.",
            )


def _with_passed(recipe: TableRecipe, source: LogSource, rows: Iterator[Row]) -> Iterator[Row]:
    """The failures that a file lists, and the entries that passed, by the count in its header.

    Raises:
        InvalidFileError: The header does not say how many entries there were.
    """
    position, header, _ = next(rows)
    total = header.get(recipe.failures_only["total"])
    if not isinstance(total, int):
        raise InvalidFileError(
            f"{source.where(position)} does not say how many entries there were",
            f"The recipe {recipe.name} takes it from {recipe.failures_only['total']}.",
        )
    ids: list[object] = []
    shared: dict[str, Any] = {}
    alike = [recipe.fields.get(one, "") for one in ("model", "task")]
    name = recipe.fields.get("sample_id", "id")
    for row in rows:
        ids.append(row[1].get(name))
        shared = shared or {column: row[1][column] for column in alike if column in row[1]}
        yield row
    passed, are_known = _passed_ids(ids, total)
    for index, identity in enumerate(passed, 1):
        row_of_passed = {**shared, name: identity, **recipe.failures_only.get("passed", {})}
        yield f"passed entry {index}", row_of_passed, 100
    if passed:
        known = "" if are_known else ", whose ids are not known: they pair with no other file"
        source.warn(
            f"{source.name} lists failures only; {len(passed):,} entries that passed were added "
            f"by the count in its header{known}"
        )


def _passed_ids(failed: list[object], total: int) -> tuple[list[object], bool]:
    """The ids of the entries that passed: the numbers that are left, where ids are numbered."""
    matches = [_NUMBERED.fullmatch(str(one)) for one in failed]
    prefixes = {match[1] for match in matches if match is not None}
    numbers = {int(match[2]) for match in matches if match is not None}
    numbered = len(prefixes) == 1 and None not in matches and len(numbers) == len(failed)
    if numbered and max(numbers) < total:
        prefix = next(iter(prefixes))
        return [f"{prefix}{n}" for n in range(total) if n not in numbers], True
    return [f"passed {n}" for n in range(1, total - len(failed) + 1)], False
