"""Graders: whether an answer is the expected one, or how good it is.

A grader is named: one of this package (`GRADERS`), an entry point of the group
`ml_agents_results.graders`, or `package.module:function`. Settings follow the name:
`number,relative=0.01`. What a grader is called with, and what it may return, is in docs/scoring.md.
"""

import importlib
import inspect
import json
import re
import string
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib.metadata import entry_points
from typing import Any, Literal, NamedTuple

from ml_agents_results.errors import ResultsError, UsageError
from ml_agents_results.scoring import equality, kinds, options, quantities
from ml_agents_results.scoring.kinds import AnswerKind, Expectation
from ml_agents_results.scoring.plain_text import fold

GROUP = "ml_agents_results.graders"
"""The group of entry points under which packages bring graders of their own."""

VERSION = 2
"""Counts the changes of what the built-in graders accept; part of their definition."""


JUDGE = "judge"
"""The grader of answers that are judged afterwards: as they come they get no grade."""


class Verdict(NamedTuple):
    """What a grader says of one answer.

    Attributes:
        value: Whether it is right, a number, or None for no verdict.
        label: A word for it: why there is no verdict, or why it is wrong (`negated`, `hedged`,
            `multiple`, `bound`).
        explanation: A sentence for people.
        parsed: What was compared, where that is not the parsed answer.
    """

    value: bool | float | None
    label: str = ""
    explanation: str = ""
    parsed: str | None = None

    @property
    def is_correct(self) -> bool | None:
        """The value of a binary grader; None for numbers and no verdict."""
        return self.value if isinstance(self.value, bool) else None

    @property
    def score(self) -> float | None:
        """The value of a numeric grader; None for yes or no and no verdict."""
        return None if self.value is None or isinstance(self.value, bool) else float(self.value)


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer with all that a grader may look at.

    Attributes:
        parsed: The answer that was taken from the output.
        expected: The target; None where the dataset has none.
        output: The raw output.
        choices: Label and text of the options shown.
        kind: The declared or guessed kind; None where each target decides.
        labels: The closed set of kind `label`.
        metadata: The run's.
    """

    parsed: str | None
    expected: str | None
    question: str = ""
    output: str | None = None
    choices: Mapping[str, str] | Sequence[str] | None = None
    kind: AnswerKind | None = None
    labels: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @property
    def expectation(self) -> Expectation:
        """What the sample asks for."""
        return kinds.expectation(self.question, self.kind, self.choices, self.labels)


Function = Callable[..., Any]


@dataclass(frozen=True)
class Grader:
    """A grader with its settings.

    Attributes:
        name: As it is recorded.
        settings: All that change what it accepts, defaults included.
        scale: `binary`, `numeric`, or None where only its values tell.
        function: Called with an `Answered`.
        needs: What has to be there for a verdict: `parsed`, `expected`.
        source: What else identifies a function of the user's: its code's fingerprint.
    """

    name: str
    function: Callable[[Answered], Any]
    settings: Mapping[str, Any] = field(default_factory=dict)
    scale: Literal["binary", "numeric"] | None = "binary"
    needs: frozenset[str] = frozenset({"parsed", "expected"})
    source: str | None = None

    @cached_property
    def definition(self) -> dict[str, Any]:
        """Name, settings and fingerprint, for the metric's definition: equal ones grade alike."""
        content: dict[str, Any] = {"name": self.name, "settings": dict(self.settings)}
        content |= {"source": self.source} if self.source else {"version": VERSION}
        text = json.dumps(content, sort_keys=True, default=str)
        return {**content, "fingerprint": sha256(text.encode()).hexdigest()[:16]}

    def __call__(self, answered: Answered) -> Verdict:
        """The verdict. Raises ResultsError where a function of the user's failed."""
        if answered.parsed is None and "parsed" in self.needs:
            return Verdict(None, "unparsed")
        if answered.expected is None and "expected" in self.needs:
            return Verdict(None, "no_target")
        try:
            value = self.function(answered)
        except ResultsError:
            raise
        except Exception as error:
            raise ResultsError(
                f"the grader {self.name!r} failed: {type(error).__name__}: {error}",
                "It is code of your own or of another package; "
                "`--grader exact` is one of this package.",
            ) from error
        return _verdict(value, self.name)


def _verdict(value: Any, name: str) -> Verdict:
    if isinstance(value, Verdict):
        return value
    if value is None:
        return Verdict(None, "no_verdict")
    if isinstance(value, bool):
        return Verdict(value)
    if hasattr(value, "item"):  # a NumPy scalar
        value = value.item()
        return _verdict(value, name)
    if isinstance(value, int | float):
        return Verdict(float(value))
    raise ResultsError(
        f"the grader {name!r} returned {type(value).__name__}",
        "Return True or False, a number, None or a Verdict.",
    )


def grade(
    parsed_answer: str | None,
    expected_answer: str | None,
    grader: "str | Grader" = "exact",
    *,
    question: str = "",
    output: str | None = None,
    choices: Mapping[str, str] | Sequence[str] | None = None,
    kind: AnswerKind | None = None,
    labels: Sequence[str] = (),
    metadata: Mapping[str, Any] | None = None,
) -> Verdict:
    """Grades one answer; without a parsed or an expected answer most graders give no verdict.

    Raises:
        UsageError: There is no such grader, or a setting makes no sense.
        ResultsError: A grader from outside this package failed.
    """
    chosen = find_grader(grader) if isinstance(grader, str) else grader
    return chosen(
        Answered(
            parsed_answer, expected_answer, question, output, choices, kind, labels, metadata or {}
        )
    )


def parse_spec(text: str) -> tuple[str, dict[str, Any]]:
    """A grader as it is named in one word: `number,relative=0.01` is a name and its settings.

    Raises:
        UsageError: A part after the name is not `key=value`.
    """
    name, *parts = re.split(r",(?=\w+=|$)", text)
    settings: dict[str, Any] = {}
    for part in parts:
        key, found, value = part.partition("=")
        if not found:
            raise UsageError(f"{part!r} is not a setting", "Write name,key=value,key=value.")
        try:
            settings[key.strip()] = json.loads(value)
        except ValueError:
            settings[key.strip()] = value
    return name.strip(), settings


def find_grader(name: str, settings: Mapping[str, Any] | None = None) -> Grader:
    """The grader of a name, with its settings (or `name,key=value`).

    Raises:
        UsageError: There is none of this name, or a setting makes no sense.
    """
    return _find(name) if not settings else _chosen(name, settings)


@lru_cache(maxsize=64)
def _find(spec: str) -> Grader:
    return _chosen(spec, {})


def _chosen(spec: str, settings: Mapping[str, Any]) -> Grader:
    name, inline = parse_spec(spec)
    given = {**inline, **settings}
    if name in GRADERS:
        return _built_in(name, given)
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _own(name, entry.load(), given)
    if name == JUDGE:
        return _own(JUDGE, _not_judged, {})
    if ":" in name:
        return _own(name, load_function(name), given)
    known = ", ".join([*GRADERS, *sorted(entry_points(group=GROUP).names)])
    raise UsageError(
        f"there is no grader {name!r}", f"Known graders: {known}; or package.module:function."
    )


def _not_judged(parsed: str, expected: str) -> Verdict:
    """No verdict: a judge is asked afterwards (`ml-agents score --grader judge`)."""
    return Verdict(None, "not_judged")


def load_function(path: str) -> Function:
    """The function that `package.module:function` names. Raises UsageError."""
    module_name, _, attribute = path.partition(":")
    try:
        value: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError, ValueError) as error:
        raise UsageError(
            f"{path} cannot be loaded: {error}",
            "Write package.module:function; the module has to be importable "
            "(set PYTHONPATH to its folder).",
        ) from error
    if not callable(value):
        raise UsageError(f"{path} is not a function")
    function: Function = value
    return function


_ARGUMENTS = ("question", "choices", "expected", "output", "parsed", "kind", "metadata")


def _own(name: str, function: Function, settings: Mapping[str, Any]) -> Grader:
    """A function of the user's, called with those of `_ARGUMENTS` that its signature names.

    One whose parameters have other names is called with the parsed and the expected answer.
    """
    parameters: Mapping[str, inspect.Parameter]
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        parameters = {}
    names = list(parameters)
    everything = any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values())
    named = [key for key in _ARGUMENTS if everything or key in names]
    required = [
        key
        for key, p in parameters.items()
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    ]
    positional = not named or any(key not in {*_ARGUMENTS, *settings} for key in required)
    unknown = sorted(set(settings) - set(names)) if not everything else []
    if unknown:
        raise UsageError(f"the grader {name} has no setting {unknown[0]!r}")

    def call(answered: Answered) -> Any:
        if positional:
            return function(answered.parsed, answered.expected, **settings)
        values = {key: getattr(answered, key) for key in named}
        return function(**values, **settings)

    needs = {"parsed", "expected"} if positional else {"parsed", "expected"} & set(names)
    if "output" in named and not everything:
        needs.discard("parsed")
    return Grader(name, call, dict(settings), None, frozenset(needs), _source(function))


def _source(function: Function) -> str:
    """A fingerprint of a function's code, so that a changed function is another grader."""
    try:
        text = inspect.getsource(inspect.unwrap(function))
    except (OSError, TypeError):
        text = f"{function.__module__}:{getattr(function, '__qualname__', type(function))}"
    return sha256(text.encode()).hexdigest()[:16]


# The graders of this package


def _from_comparison(comparison: equality.Equality) -> Verdict:
    return Verdict(comparison.value, comparison.label)


def _texts(answered: Answered) -> tuple[str, str]:
    return answered.parsed or "", answered.expected or ""


def _exact(answered: Answered) -> Verdict:
    parsed, expected = _texts(answered)
    return _from_comparison(equality.compare(parsed, expected, answered.expectation))


def _of_kind(kind: AnswerKind, answered: Answered) -> Verdict:
    parsed, expected = _texts(answered)
    expectation = kinds.expectation(answered.question, kind, answered.choices, answered.labels)
    return _from_comparison(equality.compare(parsed, expected, expectation))


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
    if units == "ignore":
        given, wanted = (quantities.Quantity(q.value, "", q.relation, q.upper, q.ratio)
                         for q in (given, wanted))  # fmt: skip
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
    verdicts = [
        equality.compare(parsed, alias, answered.expectation) for alias in aliases(expected)
    ]
    if any(verdict.value for verdict in verdicts):
        return Verdict(True)
    undecided = any(verdict.value is None for verdict in verdicts)
    return Verdict(None, "undecided") if undecided else Verdict(False, verdicts[0].label)


def _contains(answered: Answered) -> Verdict:
    parsed, expected = _texts(answered)
    alternatives = aliases(expected)
    kind = answered.kind if answered.kind not in (None, "any") else None
    found = kind or kinds.of_target(alternatives[0], answered.expectation)
    if found in ("number", "choice", "boolean", "label"):
        raise UsageError(
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


def _json(answered: Answered, keys: Sequence[str] | None = None, partial: bool = False) -> Verdict:
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

_CHOICES: dict[tuple[str, str], tuple[Any, ...]] = {
    ("number", "percent"): ("same", "ratio"),
    ("number", "units"): ("strict", "ignore"),
    ("number", "tolerance"): (None, "target"),
    ("choice", "multi"): ("all", "share"),
    ("regex", "where"): ("output", "parsed"),
}


def _built_in(name: str, given: Mapping[str, Any]) -> Grader:
    entry = GRADERS[name]
    defaults = {
        key: parameter.default
        for key, parameter in list(inspect.signature(entry.function).parameters.items())[1:]
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    if unknown := sorted(set(given) - set(defaults)):
        has = f"It has {', '.join(defaults)}." if defaults else "It has none."
        raise UsageError(f"the grader {name} has no setting {unknown[0]!r}", has)
    settings = {**defaults, **given}
    for key, value in settings.items():
        allowed = _CHOICES.get((name, key))
        if allowed is not None and value not in allowed:
            names = ", ".join(str(choice) for choice in allowed if choice is not None)
            raise UsageError(f"{key} of the grader {name} is {value!r}", f"Known: {names}.")
        if isinstance(defaults.get(key), float) and (
            isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0
        ):
            raise UsageError(f"{key} of the grader {name} is {value!r}", "It is a number from 0.")
        if isinstance(defaults.get(key), bool) and not isinstance(value, bool):
            raise UsageError(f"{key} of the grader {name} is {value!r}", "It is true or false.")
    if name == "regex":
        _check_pattern(settings["pattern"])
    numeric = settings.get("partial") is True or settings.get("multi") == "share"

    def call(answered: Answered) -> Verdict:
        return entry.function(answered, **settings)

    scale = "numeric" if numeric else entry.scale
    return Grader(name, call, settings, scale, entry.needs)


def _check_pattern(pattern: Any) -> None:
    try:
        groups = re.compile(pattern).groups if pattern else 2
    except (re.error, TypeError) as error:
        raise UsageError(f"the pattern of the grader regex is wrong: {error}") from error
    if groups > 1:
        raise UsageError(
            "the grader regex needs a pattern with at most one group",
            r"For example --grader 'regex,pattern=Score: (\d+)'.",
        )
