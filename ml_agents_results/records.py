"""Plain values that cross the layers. They carry data and know nothing of databases or files."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

SCHEMA_VERSION = 2
"""The version of the JSON documents that commands and exports write."""

ExperimentStatus = Literal["running", "completed", "failed"]
STATUSES: tuple[ExperimentStatus, ...] = get_args(ExperimentStatus)

MetricKind = Literal["binary", "numeric"]

PARSING_METHODS = ("instructor", "instructor_multiple", "regex", "manual")
"""How an answer was taken from the output; `instructor_multiple` occurs in older databases only."""

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

    A name that is not known here is returned as it is.
    """
    return _CANONICAL.get(name.lower(), name)


class Variant(NamedTuple):
    """What is compared: the runs of one approach with one model in one experiment."""

    experiment_id: str
    approach_name: str
    provider: str
    model: str

    def __str__(self) -> str:
        return "/".join(self)


@dataclass(slots=True)
class ParsingMetrics:
    """How the answer of one run was found.

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
class RunRecord:
    """One sample answered once by one approach with one provider's model.

    The natural key is (experiment_id, approach_name, provider, model, task, sample_index,
    repeat_index). Absent is None, never 0 or "".

    Attributes:
        id: None lets the database choose a new id, or keep the one it has for this key.
        sample_index: The index of the sample within its task, from 0.
        repeat_index: Which repetition of the sample this is, from 0.
        sample_id: The data set's own id of the sample.
        is_correct: None if the run is not graded.
        score: Where grading is not yes or no.
        execution_time_ms: Time of the model, in ms.
        cost_estimate: USD.
        error: What ended the run without an answer; such a run is never graded.
        created_at: Timezone-aware; None means now.
        metadata_json: Anything else, as JSON values.
        parsing_metrics: None leaves metrics that were saved before as they are.
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

    @property
    def variant(self) -> Variant:
        return Variant(self.experiment_id, self.approach_name, self.provider, self.model)


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
    """The value of one metric for one run.

    Attributes:
        value: None if the source has no number for it.
        label: What the source or person wrote, such as `C`, `yes` or `7`.
        explanation: Why, in the words of the scorer.
        details_json: Anything else that belongs to the score.
    """

    value: float | None
    label: str | None = None
    explanation: str | None = None
    details_json: dict[str, Any] | None = None


@dataclass(slots=True)
class ExperimentRecord:
    """One configured study.

    Attributes:
        config_json: What was asked for; enough to resume.
        environment_json: Where it ran and on what: versions, git commit, data set, prompts.
    """

    id: str
    name: str | None = None
    description: str | None = None
    status: ExperimentStatus = "running"
    created_at: datetime | None = None
    updated_at: datetime | None = None
    config_json: dict[str, Any] = field(default_factory=dict)
    environment_json: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class SaveCounts:
    """What saving many runs did; `skipped` are those that were there already, unchanged."""

    read: int = 0
    inserted: int = 0
    updated: int = 0

    @property
    def skipped(self) -> int:
        return self.read - self.inserted - self.updated


@dataclass
class StandardResponse:
    """A provider's answer as experiment platforms hand it over.

    Attributes:
        text: The model's output.
        generation_time: Seconds.
        parameters: Generation parameters that were sent.
        metadata: May carry experiment_id, run_id, approach, sample_index, task, repeat_index,
            sample_id, input_text, expected_answer, is_correct, score, error, latency (seconds),
            cost (USD), parsing_method, parsing_confidence and parsing_metrics (a mapping of
            attempts, fallback_used, confidence, extraction_time_ms, error_details).
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
