"""Records: plain values that cross the layers, independent of databases and files."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

SCHEMA_VERSION = 2
"""The version of the JSON documents that commands and exports write."""

ExperimentStatus = Literal["running", "completed", "failed"]
HIGHEST_COST = 1e6
"""USD; a higher cost of one run is an error of who reports it, and its square may be no number."""

STATUSES: tuple[ExperimentStatus, ...] = get_args(ExperimentStatus)

MetricKind = Literal["binary", "numeric"]
METRIC_KINDS: tuple[MetricKind, ...] = get_args(MetricKind)

PARSING_METHODS = ("instructor", "instructor_multiple", "regex", "manual")
"""Ways to take an answer from an output; `instructor_multiple` occurs in older databases only."""

APPROACHES: dict[str, str] = {
    "None": "None",
    "CoT": "ChainOfThought",
    "PoT": "ProgramOfThought",
    "Reflection": "Reflection",
    "RAP": "ReasoningAsPlanning",
    "CoVe": "ChainOfVerification",
    "SoT": "SkeletonOfThought",
    "ToT": "TreeOfThought",
}
"""Short name to long name of every approach known here."""

_CANONICAL = {name.lower(): long for short, long in APPROACHES.items() for name in (short, long)}


def canonical_approach(name: str) -> str:
    """The long name of an approach given by its short or long name in any case.

    An unknown name is returned unchanged.
    """
    return _CANONICAL.get(name.lower(), name)


_FINISH_REASONS = {
    "length": ("max_tokens", "max_output_tokens", "model_length", "token_limit"),
    "content_filter": ("content_filtered", "safety", "prohibited_content", "blocklist"),
    "refusal": ("refused",),
}
_CANONICAL_REASON = {name: reason for reason, names in _FINISH_REASONS.items() for name in names}


def canonical_finish_reason(reason: str) -> str:
    """The reason why a model stopped, under one name for all providers.

    `length` is the token limit, `content_filter` and `refusal` an answer that was withheld. What
    is not known here is returned unchanged.
    """
    lower = reason.lower()
    return lower if lower in _FINISH_REASONS else _CANONICAL_REASON.get(lower, reason)


class Variant(NamedTuple):
    """A unit of comparison: the runs of one approach with one model in one experiment."""

    experiment_id: str
    approach_name: str
    provider: str
    model: str

    def __str__(self) -> str:
        return "/".join(self)


def differing_fields(variants: Collection[Variant]) -> list[str]:
    """The parts in which variants differ; the approach where they do not differ."""
    columns = zip(*variants, strict=True)
    names = next(iter(variants))._fields if variants else ()
    return [name for name, values in zip(names, columns, strict=True) if len(set(values)) > 1] or [
        "approach_name"
    ]


def variant_labels(variants: Collection[Variant]) -> dict[Variant, str]:
    """The shortest names that tell the variants of one table apart."""
    fields = differing_fields(variants)
    return {
        variant: " / ".join(filter(None, (getattr(variant, name) for name in fields)))
        for variant in variants
    }


@dataclass(slots=True)
class ParsingMetrics:
    """The parsing of one run's answer.

    Attributes:
        parsing_attempts: Parsers tried.
        fallback_used: Whether the first parser failed and another one answered.
        confidence_score: The parser's confidence, 0 to 1.
        extraction_time_ms: Time that parsing took, in ms.
        error_details: What went wrong on the way.
    """

    parsing_attempts: int | None = None
    fallback_used: bool | None = None
    confidence_score: float | None = None
    extraction_time_ms: int | None = None
    error_details: str | None = None


@dataclass(slots=True)
class MetricRecord:
    """A named quantity measured on the runs of an experiment.

    Attributes:
        kind: `binary` if every value is 0 or 1, else `numeric`: decided for the metric, never value
            by value. None while there is no value.
        lower: The lowest value there can be; None if that is not known, as for `upper`.
        higher_is_better: None if that is not known.
        scorer: The grader, judge or person that produces the values.
        definition_json: What the number means in its source: key, filter, split, scale, judge.
        is_primary: Whether `is_correct` and `score` of the runs have its values.
    """

    name: str
    kind: MetricKind | None = None
    lower: float | None = None
    upper: float | None = None
    higher_is_better: bool | None = None
    scorer: str | None = None
    definition_json: dict[str, Any] = field(default_factory=dict)
    is_primary: bool = False


@dataclass(slots=True)
class ScoreRecord:
    """The value of one metric for one run, by one author.

    Attributes:
        value: None if the source has no number for it.
        label: What the source or person wrote, such as `C`, `yes` or `7`.
        explanation: Why, in the words of the scorer.
        details_json: Anything else that belongs to the score.
        metric: The name of the metric.
        author: Who scored; empty if there is only one.
        cost_estimate: What scoring cost, in USD.
        created_at: Timezone-aware; None if the score came with its run.
    """

    value: float | None
    label: str | None = None
    explanation: str | None = None
    details_json: dict[str, Any] | None = None
    metric: str = ""
    author: str = ""
    cost_estimate: float | None = None
    created_at: datetime | None = None


@dataclass(slots=True)
class RunRecord:
    """One sample answered once by one approach with one provider's model.

    The natural key is (experiment_id, approach_name, provider, model, task, sample_index,
    repeat_index). Absent is None, never 0 or "".

    Attributes:
        id: None lets the database choose a new id, or keep the one it has for this key.
        sample_index: The index of the sample within its task, from 0.
        repeat_index: Which repetition of the sample it is, from 0.
        sample_id: The dataset's own id of the sample.
        is_correct: The value of the primary metric if that is binary; None if not graded.
        score: The value of the primary metric if that is numeric.
        execution_time_ms: Time of the model, in ms.
        cost_estimate: USD.
        error: What ended the run without an answer; such a run is never graded.
        created_at: Timezone-aware; None means now.
        metadata_json: Anything else, as JSON values.
        parsing_metrics: None leaves those that were saved before unchanged.
        finish_reason: Why the model stopped; see `canonical_finish_reason`.
        reasoning_text: What the model wrote before its answer, if that is returned separately.
        reasoning_tokens: Of the completion tokens, those of the reasoning.
        cached_tokens: Of the prompt tokens, those that the provider had cached.
        scores: Values of further metrics, and of the primary one if there is more than a value.
            A metric that the experiment does not have is added to it as numeric. None leaves those
            that were saved before unchanged, as do scores of other metrics and authors.
    """

    experiment_id: str
    approach_name: str
    sample_index: int
    provider: str = ""
    model: str = ""
    task: str = ""
    repeat_index: int = 0
    id: str | None = None
    sample_id: str | None = None
    input_text: str | None = None
    expected_answer: str | None = None
    raw_output: str | None = None
    parsed_answer: str | None = None
    parsing_method: str | None = None
    parsing_confidence: float | None = None
    is_correct: bool | None = None
    score: float | None = None
    execution_time_ms: int | None = None
    cost_estimate: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    error: str | None = None
    created_at: datetime | None = None
    metadata_json: dict[str, Any] | None = None
    parsing_metrics: ParsingMetrics | None = None
    finish_reason: str | None = None
    reasoning_text: str | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    scores: list[ScoreRecord] | None = None

    @property
    def variant(self) -> Variant:
        return Variant(self.experiment_id, self.approach_name, self.provider, self.model)


@dataclass(slots=True)
class ExperimentRecord:
    """One configured study.

    Attributes:
        config_json: What was asked for; enough to resume.
        environment_json: Where it ran and on what: versions, git commit, dataset, prompts.
        tags_json: Labels that experiments are found by.
        notes_json: Remarks of people, in the order they were made: each a text, or an object.
        metrics: What its runs are measured by. None leaves those that were saved before.
    """

    id: str
    name: str | None = None
    description: str | None = None
    status: ExperimentStatus = "running"
    created_at: datetime | None = None
    updated_at: datetime | None = None
    config_json: dict[str, Any] = field(default_factory=dict)
    environment_json: dict[str, Any] = field(default_factory=dict)
    tags_json: list[Any] = field(default_factory=list)
    notes_json: list[Any] = field(default_factory=list)
    metrics: list[MetricRecord] | None = None

    def noted(self, name: str) -> Mapping[str, Any]:
        """An object of the environment (`plan`, `dataset`), which may hold anything; empty where
        there is none."""
        value = (self.environment_json or {}).get(name)
        return value if isinstance(value, Mapping) else {}


@dataclass(slots=True)
class QueueRecord:
    """Runs that were drawn once for people to label.

    Attributes:
        metric: The metric that the labels are scores of.
        size: Runs in the queue.
        population: Runs that they were drawn from at random: those of the filters that have not
            failed. None if the runs were chosen and not drawn.
        seed: Of the drawing; the same seed draws the same runs from the same population.
        unit: What was drawn: runs, or samples, of each of which all runs are in the queue.
        filters: Conditions of the population: a filter's name to its values.
        blind: Whether people see the runs without model, approach and other scores.
        author: Who drew it.
        created_at: Timezone-aware; None means now.
    """

    name: str
    metric: str
    size: int
    population: int | None = None
    seed: int | None = None
    filters: dict[str, Any] = field(default_factory=dict)
    blind: bool = False
    author: str = ""
    created_at: datetime | None = None
    unit: Literal["run", "sample"] = "run"


@dataclass
class StandardResponse:
    """A provider's answer as experiment platforms hand it over.

    Attributes:
        text: The model's output.
        generation_time: Seconds.
        parameters: Generation parameters that were sent.
        metadata: May carry experiment_id, run_id, approach, sample_index, task, repeat_index,
            sample_id, input_text, expected_answer, is_correct, score, error, latency (seconds),
            cost (USD), parsing_method, parsing_confidence, finish_reason, reasoning_text,
            reasoning_tokens, cached_tokens and parsing_metrics (a mapping of attempts,
            fallback_used, confidence, extraction_time_ms, error_details).
        parsing_metadata: How the answer was extracted; kept with the run.
        extracted_answer: The parsed answer.
    """

    text: str
    provider: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    generation_time: float | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    response_id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    parsing_metadata: dict[str, Any] | None = None
    extracted_answer: str | None = None
