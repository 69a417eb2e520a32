"""Graders: whether an answer is the expected one, or how good it is.

A grader is named: one of this package (`GRADERS`), an entry point of the group
`ml_agents_results.graders`, or `package.module:function`. Settings follow the name:
`number,relative=0.01`. What a grader is called with, and what it may return, is in docs/scoring.md.
"""

import importlib
import inspect
import json
import math
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from ml_agents_results.errors import ResultsError, UsageError
from ml_agents_results.scoring import built_in_graders
from ml_agents_results.scoring.kinds import AnswerKind
from ml_agents_results.scoring.verdicts import Answered, Function, Verdict

GROUP = "ml_agents_results.graders"
"""The group of entry points under which packages bring graders of their own."""

_LONGEST_ERROR = 500
"""Characters of an exception of the user's function that are shown and recorded."""

VERSION = 3
"""Counts the changes of what the built-in graders accept; part of their definition."""


JUDGE = "judge"
"""The grader of answers that are judged afterwards: as they come they get no grade."""


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
        except (Exception, SystemExit) as error:
            shown = f"{type(error).__name__}: {error}"[:_LONGEST_ERROR]
            raise ResultsError(
                f"the grader {self.name!r} failed: {shown}",
                "It is code of your own or of another package; "
                "`--grader exact` is one of this package.",
            ) from error
        return _verdict(value, self.name)


def _verdict(value: Any, name: str) -> Verdict:
    number = value.value if isinstance(value, Verdict) else value
    if isinstance(number, float) and not math.isfinite(number):
        raise ResultsError(
            f"the grader {name!r} returned {number}",
            "Return a finite number, or None for no grade.",
        )
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
    if name in built_in_graders.GRADERS:
        return _built_in(name, given)
    for entry in entry_points(group=GROUP):
        if entry.name == name:
            return _own(name, entry.load(), given)
    if name == JUDGE:
        return _own(JUDGE, _not_judged, {})
    if ":" in name:
        return _own(name, load_function(name), given)
    known = ", ".join([*built_in_graders.GRADERS, *sorted(entry_points(group=GROUP).names)])
    raise UsageError(
        f"there is no grader {name!r}", f"Known graders: {known}; or package.module:function."
    )


def _not_judged(parsed: str, expected: str) -> Verdict:
    """No verdict: a judge is asked afterwards (`ml-agents score --grader judge`)."""
    return Verdict(None, "not_judged")


def load_function(path: str) -> Function:
    """The function that `package.module:function` names. Raises UsageError."""
    module_name, _, attribute = path.partition(":")
    # As for `python -m`: a module in the working directory needs no packaging.
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        value: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            value = getattr(value, part)
    except (Exception, SystemExit) as error:
        # The user's module may raise anything while it is imported.
        shown = str(error) if isinstance(error, ImportError | AttributeError) else repr(error)
        raise UsageError(
            f"{path} cannot be loaded: {shown}",
            "Write package.module:function; the module has to be importable "
            "(from the working directory, or from PYTHONPATH).",
        ) from error
    finally:
        sys.path.remove(here)
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


def _built_in(name: str, given: Mapping[str, Any]) -> Grader:
    entry = built_in_graders.GRADERS[name]
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
        allowed = built_in_graders.CHOICES.get((name, key))
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
        built_in_graders.check_pattern(settings["pattern"])
    needs = entry.needs
    if settings.get("schema") is not None:
        settings["schema"], needs = built_in_graders.read_schema(settings["schema"]), frozenset()
    numeric = settings.get("partial") is True or settings.get("multi") == "share"

    def call(answered: Answered) -> Verdict:
        return entry.function(answered, **settings)

    scale = "numeric" if numeric else entry.scale
    return Grader(name, call, settings, scale, needs)
