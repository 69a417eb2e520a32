"""Gate rules: what a candidate must not be worse in, from options or a file."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from ml_agents_results.errors import UsageError

FailOn = Literal["worse", "undecided"]
Figure = Literal[
    "total_cost", "cost_per_correct", "median_execution_time_ms", "p95_execution_time_ms"
]
FAIL_ON: tuple[FailOn, ...] = get_args(FailOn)
FIGURES: tuple[Figure, ...] = get_args(Figure)


@dataclass(frozen=True, slots=True)
class MetricRule:
    """The candidate must not be worse in a metric.

    Attributes:
        metric: None for the primary one.
        margin: The largest loss that does not matter, a fraction or in the metric's unit; None:
            any loss that is shown counts.
        task: Only the samples of this task.
    """

    metric: str | None = None
    margin: float | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class FigureRule:
    """A figure without an interval must not rise by more than a share of the baseline's."""

    figure: Figure
    max_increase: float


@dataclass(frozen=True, slots=True)
class Requirements:
    """What a verdict needs; where one is not met, it is undecided.

    Attributes:
        samples: Shared samples, at least.
        all_samples: Whether the candidate must have runs of all samples of the baseline.
        max_failed: Largest share of the candidate's runs that may have failed.
        same_dataset, same_grader: Whether these must be those of the baseline.
    """

    samples: int = 1
    all_samples: bool = True
    max_failed: float = 1.0
    same_dataset: bool = True
    same_grader: bool = True


@dataclass(frozen=True, slots=True)
class Gate:
    """The rules of a gate.

    Attributes:
        baseline: An experiment (id, name, `tag:NAME`), or a variant; None for the usual one.
        fail_on: The verdicts that fail it.
    """

    rules: tuple[MetricRule | FigureRule, ...]
    fail_on: tuple[FailOn, ...] = ("worse",)
    require: Requirements = Requirements()
    baseline: str | None = None

    def __post_init__(self) -> None:
        metrics = [rule for rule in self.rules if isinstance(rule, MetricRule)]
        if "undecided" in self.fail_on and any(rule.margin is None for rule in metrics):
            raise UsageError(
                "without a margin nothing shows that a candidate is not worse, so it is never "
                "decided",
                "Name the largest loss that does not matter, for example --margin 0.02.",
            )


def gate_of(document: object) -> Gate:
    """The gate that a file describes.

    Raises:
        UsageError: It is not a gate; the message names the part.
    """
    given = _mapping(document, "the gate", ("baseline", "require", "gates", "fail_on"))
    listed = given.get("gates") or [{}]
    if not isinstance(listed, list):
        raise UsageError("gates must be a list of rules", "Each such as {metric: exact}.")
    fail_on = given.get("fail_on", "worse")
    named = tuple(fail_on) if isinstance(fail_on, list) else (fail_on,)
    for one in named:
        if one not in FAIL_ON:
            raise UsageError(f"fail_on cannot be {one!r}", f"Choose from: {', '.join(FAIL_ON)}")
    baseline = given.get("baseline")
    return Gate(
        tuple(map(_rule, listed)),
        named,
        _requirements(given.get("require") or {}),
        None if baseline is None else str(baseline),
    )


def _rule(document: object) -> MetricRule | FigureRule:
    if isinstance(document, Mapping) and "figure" in document:
        given = _mapping(document, "a rule", ("figure", "max_increase"))
        if given["figure"] not in FIGURES:
            raise UsageError(
                f"there is no figure {given['figure']!r}", f"Choose from: {', '.join(FIGURES)}"
            )
        return FigureRule(given["figure"], _number(given, "max_increase", 0.0) or 0.0)
    given = _mapping(document, "a rule", ("metric", "margin", "task"))
    margin = _number(given, "margin", None)
    if margin is not None and margin <= 0:
        raise UsageError(f"margin is {margin:g}", "Two percentage points are 0.02.")
    texts = {name: given.get(name) for name in ("metric", "task")}
    return MetricRule(
        margin=margin, **{name: None if one is None else str(one) for name, one in texts.items()}
    )


def _requirements(document: object) -> Requirements:
    given = _mapping(document, "require", tuple(one.name for one in fields(Requirements)))
    for name in ("samples", "max_failed"):
        _number(given, name, None)
    for name in ("all_samples", "same_dataset", "same_grader"):
        if not isinstance(given.get(name, True), bool):
            raise UsageError(f"{name} cannot be {given[name]!r}", "It is true or false.")
    return Requirements(**given)


def _mapping(document: object, what: str, known: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(document, Mapping):
        raise UsageError(f"{what} must be a mapping", f"Its keys are: {', '.join(known)}")
    if unknown := [str(name) for name in document if name not in known]:
        raise UsageError(f"{what} has no {unknown[0]!r}", f"Its keys are: {', '.join(known)}")
    return {str(name): value for name, value in document.items()}


def _number(given: Mapping[str, Any], name: str, default: float | None) -> float | None:
    value = given.get(name, default)
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise UsageError(f"{name} cannot be {value!r}", "It is a number.")
