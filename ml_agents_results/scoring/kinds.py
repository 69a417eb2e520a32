"""Kinds of answers: declared by a dataset, a task or a record, else guessed from the targets."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, get_args

from ml_agents_results.errors import UsageError
from ml_agents_results.scoring import dates, latex, mathematics, options, quantities
from ml_agents_results.scoring.plain_text import fold

AnswerKind = Literal[
    "any", "number", "math", "choice", "boolean", "label", "list", "set", "date", "text", "json",
    "code", "symbols",
]  # fmt: skip
"""`any`: each sample's own target decides what is compared."""

KINDS: tuple[str, ...] = get_args(AnswerKind)

TRUTH = {"yes": True, "true": True, "no": False, "false": False}
SYMBOLS = re.compile(r"[\s()\[\]{}<>|+\-*/=~^.,;:!?&%$#@\\]+")

LEAST_SHARE = 0.99
LEAST_NOTED = 0.90
FEW = 20
"""The guess needs a kind that reads at least `LEAST_SHARE` of the targets; of fewer than `FEW` it
has to read all. From `LEAST_NOTED` on the kind is taken with a note."""

_MOST_LABELS = 8
_LEAST_REPEATS = 3


def check_kind(name: str) -> AnswerKind:
    """The kind of that name. Raises UsageError for any other."""
    if name not in KINDS:
        raise UsageError(f"there is no answer kind {name!r}", f"Kinds: {', '.join(KINDS)}.")
    return name  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What kind of answer a sample asks for, and what helps to read it.

    Attributes:
        kind: The kind of the task.
        options: Label and text of each option shown; empty where none are.
        labels: The closed set of labels, folded, of kind `label` or `boolean`.
        order: Of numeric dates.
        unordered: Whether bare lists are compared in any order.
        question: The question's text.
    """

    kind: AnswerKind = "any"
    options: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    order: dates.Order | None = None
    unordered: bool = False
    question: str = ""


_ALL_OF_THEM = re.compile(
    r"\b(?:(?:find|list|name|give|state|determine) all|all (?:real |possible |the )?(?:values"
    r"|solutions|roots|zeros)|what are (?:the|all) (?:\w+ )?(?:roots|solutions|zeros|factors)"
    r"|solve for all|in any order|\b(?:roots|solutions|zeros|divisors|intercepts) of)",
    re.IGNORECASE,
)
_LABEL_PAIRS = (
    (re.compile(r"\b(?:true or false|false or true|true/false|t/f|\(true, false\))\b",
                re.IGNORECASE), ("true", "false")),
    (re.compile(r"\b(?:yes or no|no or yes|yes/no|y/n)\b", re.IGNORECASE), ("yes", "no")),
    (re.compile(r"\bvalid or invalid|invalid or valid\b", re.IGNORECASE), ("valid", "invalid")),
    (re.compile(r"\bplausible or (?:not|implausible)\b", re.IGNORECASE),
     ("plausible", "implausible")),
)  # fmt: skip
_LOGIC = re.compile(
    r"^[\s()]*(?:(?:not|and|or|true|false)[\s()]+){2,}(?:is\b|=|\?|$)", re.IGNORECASE
)
_DASHED = re.compile(r"(?:^|\s)-\s+([A-Za-z][\w ]{0,30}?)(?=\s+-\s|\s*$|\s*\n|\s+\[)")
_OR_QUESTION = re.compile(
    r"[,:]\s+((?:(?:an? |the )?[a-z]+,\s+)*(?:an? |the )?[a-z]+,? or (?:an? |the )?[a-z]+)\s*\?",
    re.IGNORECASE,
)


def labels_in(question: str) -> tuple[str, ...]:
    """The closed set of labels that a question names: yes or no, or its options after `- `."""
    for pattern, pair in _LABEL_PAIRS:
        if pattern.search(question):
            return pair
    if _LOGIC.search(question) or re.search(
        r"\bis (?:the following|this) (?:expression|statement)[^.?]{0,20}\btrue\b",
        question,
        re.IGNORECASE,
    ):
        return ("true", "false")
    _, found, tail = question.rpartition("ptions:")
    if found:
        dashed = [fold(label) for label in _DASHED.findall(tail)]
        if 2 <= len(dashed) <= _MOST_LABELS:
            return tuple(dashed)
    if (named := _OR_QUESTION.search(question)) is not None:
        return tuple(fold(label) for label in re.split(r",\s*(?:or\s+)?|\s+or\s+", named[1]))
    return ()


_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|old|far|long|tall|fast|high|deep|wide|heavy|big|large|often)\b"
    r"|\bwhat (?:is|was|are) (?:-?\d|\(|\$)"
    r"|\b(?:what|find|calculate|compute|determine|evaluate|work out|give)\b[^.?]{0,80}\b(?:sum"
    r"|product|remainder|difference|quotient|average|mean|median|area|perimeter|speed|number|total"
    r"|percent(?:age)?|probability|cost|price|profit|value|distance|age|amount|ratio|volume|length"
    r"|height|width|weight|temperature|time taken|time does|mass|force|energy|density|voltage"
    r"|resistance|velocity|acceleration|pressure|frequency|duration|radius|diameter|circumference"
    r"|perimeter|slope|fraction|portion|population|divisor|multiple|magnitude|determinant|discount|salary|capacity|wavelength|momentum)\b"
    r"|\b(?:in )?(?:what|which) year\b|\bwhen (?:was|were|did|is|will)\b"
    r"|\b(?:calculate|compute|evaluate|work out)\b|\bsolve for\b|=\s*\??\s*$",
    re.IGNORECASE,
)


@lru_cache(maxsize=8192)
def asks_number(question: str) -> bool:
    """Whether the text of a question asks for a number."""
    return _ASKS_NUMBER.search(question) is not None


_ASKS_DATE = re.compile(
    r"\b(?:when|what time|(?:on )?(?:what|which) (?:date|day)|what is the date)\b", re.IGNORECASE
)
_ASKS_PERSON = re.compile(
    r"\b(?:who|whose|whom|(?:what|which) (?:person|author|player|actor|actress|president|king"
    r"|queen|composer|painter|artist|scientist|singer|director|inventor|explorer)"
    r"|what (?:is|was) the name)\b",
    re.IGNORECASE,
)


def asks_date(question: str) -> bool:
    """Whether the text of a question asks for a date or a time of day."""
    return _ASKS_DATE.search(question) is not None


def asks_person(question: str) -> bool:
    """Whether the text of a question asks who, or for a name."""
    return _ASKS_PERSON.search(question) is not None


def expectation(
    question: str = "",
    kind: AnswerKind | None = None,
    choices: Sequence[str] | Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
) -> Expectation:
    """What a sample asks for.

    Args:
        question: Its text; shown options and label pairs are read from it.
        kind: The declared kind; None for `any`.
        choices: The options, where the dataset has them apart from the question.
        labels: The labels of kind `label`.
    """
    given = (
        tuple(
            choices.items() if isinstance(choices, Mapping) else options.of_choices(choices).items()
        )
        if choices
        else None
    )
    return _expectation(question, kind, given, tuple(labels))


@lru_cache(maxsize=8192)
def _expectation(
    question: str,
    kind: AnswerKind | None,
    choices: tuple[tuple[str, str], ...] | None,
    labels: tuple[str, ...],
) -> Expectation:
    shown: Mapping[str, str] = {}
    if choices:
        shown = dict(choices)
    elif kind in (None, "any", "choice", "text", "math"):
        shown = options.in_question(question)
    closed = tuple(fold(label) for label in labels)
    if not closed and not shown and kind in (None, "any", "boolean", "label"):
        closed = labels_in(question)
    return Expectation(
        kind or "any",
        shown,
        closed,
        dates.order_in(question),
        _ALL_OF_THEM.search(question) is not None,
        question,
    )


def alternatives(text: str) -> list[str] | None:
    """The items of a JSON list of texts; None for anything else."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if isinstance(value, list) and value and all(isinstance(v, str | int | float) for v in value):
        return [str(item) for item in value]
    return None


def reads_as(kind: str, target: str, shown: Mapping[str, str]) -> bool:
    """Whether a target is, wholly, of a kind."""
    target = target.strip()
    if kind == "choice":
        return bool(shown) and options.target_labels(target, shown) is not None
    if kind == "boolean":
        return fold(target) in TRUTH
    if kind == "date":
        return dates.read(target) is not None
    if kind == "number":
        return quantities.read(target) is not None
    if kind == "symbols":
        return bool(target) and SYMBOLS.fullmatch(target) is not None
    if kind == "list":
        return len(items_of(target) or []) > 1
    if kind == "math":
        return mathematics.looks_mathematical(target) or quantities.read(target) is not None
    return kind in ("text", "any")


def of_target(target: str, expected: Expectation) -> AnswerKind:
    """The kind of one target, for samples of kind `any`."""
    shown = expected.options
    if shown and options.target_labels(target, shown) is not None:
        return "choice"
    if fold(target) in TRUTH:
        return "boolean"
    if fold(target) in expected.labels:
        return "label"
    kinds: tuple[AnswerKind, ...] = ("date", "number", "symbols")
    for kind in kinds:
        if reads_as(kind, target, {}):
            return kind
    if mathematics.looks_mathematical(target):
        return "math"
    if re.fullmatch(r"\(?[A-R]\)?\.?", latex.plain(target).strip()):
        return "choice"
    return "list" if len(items_of(target) or []) > 1 else "text"


_MARKER = re.compile(r"^\s*(?:\(?\d{1,3}[.)]|[-*•–])\s+")
_SEPARATOR = re.compile(r"\s*(?:[,;、，；]|\s[-=]?>\s|→|<(?=\s))\s*")


def items_of(text: str) -> list[str] | None:
    """The items of a list: JSON, in brackets, on lines, or separated by commas; None for others."""
    text = text.strip()
    if (values := alternatives(text)) is not None:
        return values
    bare = re.fullmatch(r"\[([^\[\]]*)\]|\(([^()]*)\)|\{([^{}]*)\}|⦃([^⦃⦄]*)⦄", text)
    if bare is not None:
        text = next(group for group in bare.groups() if group is not None)
    elif quantities.read(text) is not None:
        return None
    if "\n" in text:
        lines = [line for line in text.split("\n") if line.strip()]
        marked = [line for line in lines if _MARKER.match(line)]
        parts = [_MARKER.sub("", line) for line in (marked or lines)]
    elif len(re.findall(r"(?:^|\s)\(?\d[.)]\s", text)) > 1:
        parts = re.split(r"(?:^|[\s,;]+)\(?\d{1,2}[.)]\s+", text)[1:]
    else:
        parts = _SEPARATOR.split(text)
        if len(parts) > 1 and len(last := re.split(r"\s+and\s+", parts[-1])) == 2:
            parts[-1:] = last
        if len(parts) == 1:
            parts = re.split(r"\s+and\s+", text)
    if len(parts) < 2:
        return None
    parts = [re.sub(r"^and\s+", "", part.strip(), flags=re.IGNORECASE) for part in parts]
    return [part.strip("\"'` ").rstrip(".") for part in parts if part]


@dataclass(frozen=True, slots=True)
class Guess:
    """The kind of a task, guessed from its targets.

    Attributes:
        kind: `any` where no kind reads enough of them.
        share: The share of targets that it reads, 0 to 1.
        labels: The labels of kind `label`, folded.
        exceptions: Up to five targets that it does not read.
    """

    kind: AnswerKind
    share: float
    labels: tuple[str, ...] = ()
    exceptions: tuple[str, ...] = ()

    def describe(self) -> dict[str, Any]:
        """What is kept with a metric."""
        return {
            "kind": self.kind,
            "guessed": True,
            "share": round(self.share, 4),
            **({"labels": list(self.labels)} if self.labels else {}),
            **({"exceptions": list(self.exceptions)} if self.exceptions else {}),
        }


def guess(targets: Sequence[str], shown: Sequence[Mapping[str, str]] | None = None) -> Guess:
    """The kind of a task: the narrowest that reads its targets.

    In this order: choice, boolean, label, date, number, symbols, list, math, text.

    Args:
        targets: Of all of its samples.
        shown: The options of each sample.
    """
    targets = [target.strip() for target in targets]
    if not targets:
        return Guess("any", 0.0)
    option_sets = shown or [{}] * len(targets)
    best = Guess("any", 0.0)
    for kind in ("choice", "boolean", "label", "date", "number", "symbols", "list", "math"):
        if kind == "label":
            candidate = _labels(targets)
        else:
            missed = [
                target
                for target, own in zip(targets, option_sets, strict=True)
                if not reads_as(kind, target, own)
            ]
            share = 1 - len(missed) / len(targets)
            candidate = Guess(check_kind(kind), share, (), tuple(missed[:5]))
        if candidate.share >= (LEAST_SHARE if len(targets) >= FEW else 1):
            return candidate
        if candidate.share > best.share:
            best = candidate
    if best.share >= LEAST_NOTED and len(targets) >= FEW:
        return best
    prose = [t for t in targets if of_target(t, Expectation()) == "text"]
    share = len(prose) / len(targets)
    return Guess("text" if share >= LEAST_SHARE else "any", share if share >= LEAST_SHARE else 1.0)


def _labels(targets: Sequence[str]) -> Guess:
    counts = Counter(fold(target) for target in targets)
    repeated = len(counts) <= _MOST_LABELS and min(counts.values()) >= _LEAST_REPEATS
    words = all(label and not label[0].isdigit() and len(label) <= 40 for label in counts)
    mathematical = any(mathematics.looks_mathematical(target) for target in counts)
    if len(counts) > 1 and repeated and words and not mathematical:
        return Guess("label", 1.0, tuple(sorted(counts)))
    return Guess("label", 0.0)
