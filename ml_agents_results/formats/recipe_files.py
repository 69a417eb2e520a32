"""Recipe files: the recipes of the package, those of users, and the check of their keys."""

import re
from collections.abc import Collection
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import get_args

from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.formats.coercion import number
from ml_agents_results.formats.log_source import Parsing
from ml_agents_results.formats.recipes import FOLDER, NAMES
from ml_agents_results.formats.table_recipes import TableRecipe
from ml_agents_results.records import MetricKind, RunRecord
from ml_agents_results.yaml_text import load_yaml

NO_RECIPE = "none"
"""What `--recipe` says of a file that a recipe recognises, and that is read as any other table."""

_FIELDS = frozenset(RunRecord.__dataclass_fields__) - {"scores", "parsing_metrics", "id"}
_KEYS = {
    **dict.fromkeys(("about", "rows", "metrics_matching", "grader", "parsing"), str),
    **dict.fromkeys(("lists", "failures_only", "fields", "set", "file_name"), dict),
    **dict.fromkeys(("metrics", "metrics_list"), dict),
    **dict.fromkeys(("recognised_by", "metrics_each"), list),
    "repeats": bool,
}
_METRIC_KEYS = {
    *("value", "also", "values", "missing", "add", "times", "scale", "lower_is_better", "kind"),
}
_LIST_KEYS = {"in", "name", "value", "explanation"}
_HINT = "docs/recipes.md has the keys; to begin with, copy a recipe of the package"


def find_recipe(name: str) -> TableRecipe:
    """The recipe of this name, or in this file.

    Raises:
        UsageError: There is none.
        InvalidFileError: It is not a recipe.
    """
    if name in NAMES:
        return _packaged(name)
    path = Path(name)
    if not path.is_file():
        raise UsageError(
            f"there is no recipe {name!r}, and no file of that name",
            f"Recipes are: {', '.join(NAMES)}",
        )
    try:
        return _checked(path.stem, load_yaml(path.read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InvalidFileError(f"{name} is not a recipe: {error}", _HINT) from error


def named_recipe(name: str) -> TableRecipe | None:
    """The recipe that `--recipe` names; None where it says that there is none."""
    return None if name == NO_RECIPE else find_recipe(name)


def fitting_recipe(names: Collection[str], *, document: bool) -> TableRecipe | None:
    """The recipe of the package that recognises these columns or members by most of them."""
    fitting = [
        (recipe.fit(names), recipe)
        for recipe in map(_packaged, NAMES)
        if recipe.is_document == document
    ]
    most, recipe = max(fitting, key=itemgetter(0))
    return recipe if most else None


@cache
def _packaged(name: str) -> TableRecipe:
    return _checked(name, load_yaml((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")))


def _checked(name: str, given: object) -> TableRecipe:
    """Raises ValueError where a key is unknown or a value of another kind."""
    if not isinstance(given, dict):
        raise ValueError("it is not an object of keys")
    for key, value in given.items():
        if key not in _KEYS:
            raise ValueError(f"it has no key {key!r}; keys are {', '.join(_KEYS)}")
        if not isinstance(value, _KEYS[key]):
            raise ValueError(f"{key} must be a {_KEYS[key].__name__}")
    known = dict(given)
    for part in ("fields", "set", "file_name"):
        if unknown := sorted(set(known.get(part, ())) - _FIELDS):
            raise ValueError(f"{part}: a run has no field {', '.join(map(str, unknown))}")
    metrics = {
        one: about if isinstance(about, dict) else {"value": about}
        for one, about in known.get("metrics", {}).items()
    }
    for one, about in metrics.items():
        if unknown := sorted(set(about) - _METRIC_KEYS):
            raise ValueError(f"metric {one}: unknown {', '.join(map(str, unknown))}")
        if not isinstance(about.get("value"), str):
            raise ValueError(f"metric {one}: `value` must name its path")
        if about.get("kind") not in (None, *get_args(MetricKind)):
            raise ValueError(f"metric {one}: kind is {' or '.join(get_args(MetricKind))}")
        scale = about.get("scale", [0, 1])
        if not (isinstance(scale, list) and len(scale) == 2 and None not in map(number, scale)):
            raise ValueError(f"metric {one}: scale is a list of two numbers")
    listed = known.get("metrics_list", {})
    if listed and not {"in", "name", "value"} <= set(listed) <= _LIST_KEYS:
        raise ValueError(f"metrics_list has the keys {', '.join(sorted(_LIST_KEYS))}")
    matching = known.get("metrics_matching")
    for pattern in (*known.get("file_name", {}).values(), *filter(None, [matching])):
        if _groups(str(pattern)) != 1:
            raise ValueError(f"{pattern!r} is not a regular expression with one group")
    if known.get("parsing") not in (None, *get_args(Parsing)):
        raise ValueError(f"parsing is one of {', '.join(get_args(Parsing))}")
    layouts = known.get("recognised_by", [])
    if not all(isinstance(one, list) for one in layouts):
        layouts = [layouts]
    known |= {
        "recognised_by": [list(map(str, one)) for one in layouts if one],
        "fields": {one: str(path) for one, path in known.get("fields", {}).items()},
        "file_name": {one: str(path) for one, path in known.get("file_name", {}).items()},
        "metrics": metrics,
        "metrics_each": list(map(str, known.get("metrics_each", ()))),
        "metrics_list": {one: str(path) for one, path in listed.items()},
        "constants": known.pop("set", {}),
    }
    return TableRecipe(name, **{"about": name, **known})


def _groups(pattern: str) -> int:
    try:
        return re.compile(pattern).groups
    except re.error:
        return 0
