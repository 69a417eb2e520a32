"""Built-in graders: exact, number, choice, math, contains, regex, list, json, f1, any_of."""

import json
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

from ml_agents_results.errors import ResultsError, UsageError
from ml_agents_results.scoring import equality, kinds, options, quantities
from ml_agents_results.scoring.kinds import AnswerKind
from ml_agents_results.scoring.plain_text import fold
from ml_agents_results.scoring.unit_conversion import in_base_units
from ml_agents_results.scoring.verdicts import Answered, Verdict


def _texts(answered: Answered) -> tuple[str, str]:
    return answered.parsed or "", answered.expected or ""


def _exact(answered: Answered) -> Verdict:
    parsed, expected = _texts(answered)
    return equality.compare(parsed, expected, answered.expectation)


def _of_kind(kind: AnswerKind, answered: Answered) -> Verdict:
    parsed, expected = _texts(answered)
    expectation = kinds.expectation(answered.question, kind, answered.choices, answered.labels)
    return equality.compare(parsed, expected, expectation)


def _number(
    answered: Answered,
    relative: float = 0.0,
    absolute: float = 0.0,
    tolerance: str | None = None,
    percent: str = "same",
    units: str = "strict",
) -> Verdict:
    parsed, expected = _texts(answered)
    wanted, given = equality.number_in(expected), equality.number_in(parsed)
    if wanted is None:
        return Verdict(None, "no_target", f"{expected!r} is not a number")
    if given is None:
        return Verdict(False, "not_a_number")
    if percent == "ratio":
        given, wanted = _as_ratio(given), _as_ratio(wanted)
    if units == "convert":
        given, wanted = in_base_units(given), in_base_units(wanted)
    if units == "ignore":
        given, wanted = replace(given, unit=""), replace(wanted, unit="")
    if units != "ignore" and equality.other_unit(given, wanted, answered.question):
        return Verdict(False, "unit")
    if quantities.same(given, wanted):
        return Verdict(True)
    allowed = max(Fraction(absolute), Fraction(relative) * abs(wanted.value))
    if tolerance == "target":
        decimals = len((re.search(r"\.(\d+)", expected) or ["", ""])[1])
        allowed = max(allowed, Fraction(1, 2) / 10**decimals)
    if not allowed or given.relation not in "=~" or wanted.relation not in "=~":
        return Verdict(False, "bound" if given.relation not in "=~" else "")
    near = quantities.Quantity(wanted.value, given.unit)
    same_unit = quantities.same(near, quantities.Quantity(wanted.value, wanted.unit))
    return Verdict(same_unit and abs(given.value - wanted.value) <= allowed)


def _as_ratio(quantity: quantities.Quantity) -> quantities.Quantity:
    if quantity.unit != "%":
        return quantity
    return quantities.Quantity(quantity.value / 100, "", quantity.relation)


def _choice(answered: Answered, multi: str = "all") -> Verdict:
    parsed, expected = _texts(answered)
    shown = (
        answered.expectation.options
        or kinds.expectation(answered.question, "choice", answered.choices).options
    )
    wanted = options.target_labels(expected, shown)
    if wanted is None:
        return Verdict(None, "no_target", f"{expected!r} names no option")
    chosen = options.read(parsed, shown)
    if chosen is None:
        return Verdict(0.0 if multi == "share" else False, "not_a_choice")
    if chosen.status:
        return Verdict(0.0 if multi == "share" else False, chosen.status)
    if multi == "share":
        return Verdict(len(chosen.labels & wanted) / len(chosen.labels | wanted))
    return Verdict(chosen.labels == wanted, "multiple" if len(chosen.labels) > len(wanted) else "")


def aliases(expected: str) -> list[str]:
    """The alternatives of a target: the items of a JSON list, else the target itself."""
    return kinds.alternatives(expected) or [expected]


def _any_of(answered: Answered) -> Verdict:
    parsed, expected = _texts(answered)
    return equality.one_of(
        [equality.compare(parsed, alias, answered.expectation) for alias in aliases(expected)]
    )


def _contains(answered: Answered) -> Verdict:
    parsed, expected = _texts(answered)
    alternatives = aliases(expected)
    kind = answered.kind if answered.kind not in (None, "any") else None
    found = kind or kinds.of_target(alternatives[0], answered.expectation)
    if found in ("number", "choice", "boolean", "label"):
        # Of the other samples it can grade it.
        raise ResultsError(
            f"contains cannot grade answers of kind {found}: {alternatives[0]!r} is in many a "
            "wrong answer",
            f"Use --grader {'exact' if found in ('boolean', 'label') else found}.",
        )
    text = f" {fold(parsed)} "
    for alias in alternatives:
        if re.search(rf"(?<!\w){re.escape(fold(alias))}(?!\w)", text):
            return Verdict(True)
    return Verdict(False)


def _regex(answered: Answered, pattern: str = "", where: str = "output") -> Verdict:
    text = answered.output if where == "output" and answered.output is not None else answered.parsed
    if text is None:
        return Verdict(None, "unparsed")
    compiled = re.compile(pattern)
    matches = list(compiled.finditer(text))
    if not matches:
        return Verdict(False, "no_match")
    if not compiled.groups:
        return Verdict(True)
    if answered.expected is None:
        return Verdict(None, "no_target")
    taken = matches[-1][1] or ""
    return Verdict(fold(taken) == fold(answered.expected), parsed=taken)


def _list(answered: Answered, ordered: bool = True, partial: bool = False) -> Verdict:
    parsed, expected = _texts(answered)
    given = kinds.items_of(parsed) or [parsed]
    wanted = kinds.items_of(expected) or [expected]
    if len(given) == 1 < len(wanted):
        given = given[0].split()
    if not partial:
        kind: AnswerKind = "list" if ordered else "set"
        return _of_kind(kind, answered)
    if ordered:
        hits = sum(map(equality.same_item, given, wanted))
    else:
        left, hits = list(given), 0
        for item in wanted:
            match = next((one for one in left if equality.same_item(one, item)), None)
            if match is not None:
                left.remove(match)
                hits += 1
    return Verdict(hits / max(len(given), len(wanted)))


def _json(
    answered: Answered,
    keys: Sequence[str] | None = None,
    partial: bool = False,
    schema: str | None = None,
) -> Verdict:
    if schema is not None:
        return _of_schema(answered, schema)
    parsed, expected = _texts(answered)
    try:
        wanted = json.loads(expected)
    except ValueError:
        return Verdict(None, "no_target", "the target is not JSON")
    try:
        given = equality.parse_json(parsed)
    except ValueError:
        return Verdict(0.0 if partial else False, "not_json")
    if not isinstance(wanted, dict):
        same = equality.same_json(given, wanted)
        return Verdict(float(same) if partial else same)
    names = list(keys) if keys is not None else list(wanted)
    if not isinstance(given, dict):
        return Verdict(0.0 if partial else False, "not_an_object")
    hits = [name in given and equality.same_json(given[name], wanted.get(name)) for name in names]
    if partial:
        return Verdict(sum(hits) / len(hits) if hits else 1.0)
    return Verdict(all(hits) and (keys is not None or given.keys() == wanted.keys()))


def _of_schema(answered: Answered, schema: str) -> Verdict:
    """Whether the answer, or else the whole output, is JSON that a schema allows."""
    validator = _validator(schema)
    for text in (answered.parsed, answered.output):
        try:
            given = equality.parse_json(text or "")
        except ValueError:
            continue
        fault = next(validator.iter_errors(given), None)
        if fault is None:
            return Verdict(True)
        return Verdict(False, "schema", f"{fault.json_path}: {fault.message}"[:500])
    return Verdict(False, "not_json")


def read_schema(path: str | Mapping[str, Any]) -> str:
    """The JSON Schema in a file, or one that is given itself, as JSON.

    Raises:
        UsageError: It is not a JSON Schema, or the extra `schema` is not installed.
    """
    try:
        given = isinstance(path, Mapping)
        content = json.dumps(path) if given else Path(str(path)).read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UsageError(f"the schema {path} cannot be read: {error}", "Check the path.") from error
    _validator(content)
    return content


@lru_cache(maxsize=8)
def _validator(content: str) -> Any:
    try:
        from jsonschema import SchemaError
        from jsonschema.validators import validator_for
    except ImportError as error:
        raise UsageError(
            "JSON schemas need the package jsonschema", "pip install 'ml-agents-results[schema]'"
        ) from error
    try:
        schema = json.loads(content)
        validator = validator_for(schema)
        validator.check_schema(schema)
    except (ValueError, SchemaError) as error:
        raise UsageError(
            f"the schema is not a JSON Schema: {str(error).splitlines()[0]}",
            "--grader json,schema=FILE names a file with one.",
        ) from error
    return validator(schema)


def _squad_tokens(text: str) -> list[str]:
    text = "".join(" " if c in string.punctuation else c for c in text.lower())
    return re.sub(r"\b(?:a|an|the)\b", " ", text).split()


def _f1(answered: Answered) -> Verdict:
    """Token overlap (Rajpurkar et al. 2016, SQuAD), the best of the aliases."""
    parsed, expected = _texts(answered)
    best = 0.0
    given = _squad_tokens(parsed)
    for alias in aliases(expected):
        wanted = _squad_tokens(alias)
        common = sum((Counter(given) & Counter(wanted)).values())
        if not given or not wanted:
            best = max(best, float(given == wanted))
        elif common:
            precision, recall = common / len(given), common / len(wanted)
            best = max(best, 2 * precision * recall / (precision + recall))
    return Verdict(best)


class _BuiltIn(NamedTuple):
    function: Callable[..., Verdict]
    scale: Literal["binary", "numeric"] = "binary"
    needs: frozenset[str] = frozenset({"parsed", "expected"})


GRADERS: dict[str, _BuiltIn] = {
    "exact": _BuiltIn(_exact),
    "number": _BuiltIn(_number),
    "choice": _BuiltIn(_choice),
    "math": _BuiltIn(lambda answered: _of_kind("math", answered)),
    "contains": _BuiltIn(_contains),
    "regex": _BuiltIn(_regex, needs=frozenset()),
    "list": _BuiltIn(_list),
    "json": _BuiltIn(_json),
    "f1": _BuiltIn(_f1, "numeric"),
    "any_of": _BuiltIn(_any_of),
}
"""The graders of this package; the settings of each are the named arguments of its function."""
CHOICES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("number", "percent"): ("same", "ratio"),
    ("number", "units"): ("strict", "convert", "ignore"),
    ("number", "tolerance"): (None, "target"),
    ("choice", "multi"): ("all", "share"),
    ("regex", "where"): ("output", "parsed"),
}


def check_pattern(pattern: Any) -> None:
    try:
        groups = re.compile(pattern).groups if pattern else 2
    except (re.error, TypeError) as error:
        raise UsageError(f"the pattern of the grader regex is wrong: {error}") from error
    if groups > 1:
        raise UsageError(
            "the grader regex needs a pattern with at most one group",
            r"For example --grader 'regex,pattern=Score: (\d+)'.",
        )
