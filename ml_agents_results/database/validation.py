"""Validation: checks a record and turns it into the values that are stored.

Every rule here is also a constraint of the schema, stated in the user's words. Repositories and
mapper events apply the same rules.
"""

from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any

from ml_agents_results.database.digests import content_digest, input_fingerprint
from ml_agents_results.database.new_ids import new_id
from ml_agents_results.database.types import to_json, to_stored
from ml_agents_results.errors import InvalidRecordError
from ml_agents_results.records import (
    HIGHEST_COST,
    METRIC_KINDS,
    PARSING_METHODS,
    STATUSES,
    ExperimentRecord,
    MetricRecord,
    ParsingMetrics,
    RunRecord,
    ScoreRecord,
    canonical_approach,
    canonical_finish_reason,
)

LONGEST_NAME = 500
LONGEST_KEY = 2000
"""Bytes of all names in a key: a row of an index of PostgreSQL holds 2,704."""

_LARGEST_INTEGER = 2**31 - 1
_NUMBER = (int, float)


def refused(field: str, value: object, rule: str) -> InvalidRecordError:
    """Names the field, the value and the rule."""
    try:
        shown = repr(value)
    except ValueError:
        # An integer of more digits than Python prints.
        shown = f"a huge {type(value).__name__}"
    return InvalidRecordError(
        f"`{field}` is {shown if len(shown) <= 80 else shown[:77] + '...'}; it must be {rule}",
        "Correct the value, or leave the field out if it is not known.",
    )


def check_name(field: str, value: object, *, empty: bool = False) -> str:
    """A short text that keys are made of."""
    if isinstance(value, str) and len(value) <= LONGEST_NAME and (value or empty):
        return to_stored(value)
    raise refused(field, value, f"a text of {0 if empty else 1} to {LONGEST_NAME} characters")


def check_id(field: str, value: object) -> str:
    """An id that people type and files are named after."""
    if isinstance(value, str) and 0 < len(value) <= LONGEST_NAME and value.isprintable():
        return value
    raise refused(field, value, f"a text of 1 to {LONGEST_NAME} printable characters")


def check_text(field: str, value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, str):
        return to_stored(value)
    raise refused(field, value, "a text or null")


def check_count(field: str, value: object) -> int | None:
    """A whole number from 0; a float is rounded, so that measured times may be passed on."""
    if value is None:
        return None
    number = _number_in(value)
    if number is not None and 0 <= number < _LARGEST_INTEGER + 0.5:
        return round(number)
    raise refused(field, value, f"a number from 0 to {_LARGEST_INTEGER}, or null")


def check_index(field: str, value: object) -> int:
    number = _number_in(value)
    if isinstance(number, int) and 0 <= number <= _LARGEST_INTEGER:
        return number
    raise refused(field, value, "a whole number from 0")


def _number_in(value: Any) -> int | float | None:
    """The number that a value is, as a scalar of Python or numpy."""
    if isinstance(value, _NUMBER):
        return None if isinstance(value, bool) else value
    return _number_in(value.item()) if getattr(value, "shape", None) == () else None


def _number(rule: str, accepts: Callable[[float], bool]) -> Callable[[str, object], float | None]:
    def check(field: str, value: object) -> float | None:
        if value is None:
            return None
        number = _number_in(value)
        try:
            if number is not None and accepts(number):
                return float(number)
        except OverflowError:
            # An integer may be too large for a float.
            pass
        raise refused(field, value, rule)

    return check


check_fraction = _number("a number from 0 to 1, or null", lambda value: 0 <= value <= 1)
check_cost = _number(
    f"a number from 0 to {HIGHEST_COST:,.0f} (USD), or null",
    lambda value: 0 <= value <= HIGHEST_COST,
)
check_number = _number("a finite number or null", isfinite)


def check_flag(field: str, value: Any) -> bool | None:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, _NUMBER) and value in (0, 1):
        return bool(value)
    if getattr(value, "shape", None) == ():
        return check_flag(field, value.item())
    raise refused(field, value, "true, false or null")


def check_time(field: str, value: object) -> datetime:
    if value is None:
        return datetime.now(UTC)
    if isinstance(value, datetime) and value.tzinfo is not None:
        # At the ends of the calendar there may be no such time in UTC.
        with suppress(OverflowError):
            return value.astimezone(UTC)
    raise refused(field, value, "a time with its time zone")


def check_json(field: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise refused(field, value, "a JSON object or null")
    return _json_text(field, value)


def _json_text(field: str, value: object) -> str:
    try:
        return to_stored(to_json(value))
    except (ValueError, TypeError, RecursionError) as error:
        raise refused(field, value, f"plain JSON without NaN or Infinity ({error})") from error


def stored_time(moment: datetime, sqlite: bool) -> Any:
    """SQLite keeps times as text, in UTC and in an order that sorts."""
    return moment.isoformat(" ", "microseconds").removesuffix("+00:00") if sqlite else moment


def check_status(status: object) -> str:
    """The status of an experiment."""
    if isinstance(status, str) and status in STATUSES:
        return status
    raise refused("status", status, f"one of {', '.join(STATUSES)}")


def check_list(field: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, list):
        raise refused(field, value, "a JSON list or null")
    return _json_text(field, value)


def check_tags(field: str, value: object) -> str | None:
    """Tags: texts that people type."""
    if isinstance(value, list):
        for tag in value:
            check_id(field, tag)
    return check_list(field, value)


def experiment_values(experiment: ExperimentRecord) -> tuple[Any, ...]:
    """The stored values of an experiment, in the order of `COVERED`.

    Raises:
        InvalidRecordError: Names the field, its value and the rule that it breaks.
    """
    check_id("id", experiment.id)
    return (
        check_text("name", experiment.name),
        check_text("description", experiment.description),
        check_time("created_at", experiment.created_at),
        check_json("config_json", experiment.config_json),
        check_status(experiment.status),
        check_time("updated_at", experiment.updated_at),
        check_json("environment_json", experiment.environment_json),
        check_tags("tags_json", experiment.tags_json),
        check_list("notes_json", experiment.notes_json),
    )


@lru_cache(maxsize=1024)
def _checked_names(
    experiment_id: str, approach_name: str, provider: str, model: str, task: str
) -> tuple[str, ...]:
    """The stored names of a run's key. The same few come with every run."""
    names = (
        check_id("experiment_id", experiment_id),
        canonical_approach(check_name("approach_name", approach_name)),
        check_name("provider", provider, empty=True),
        check_name("model", model, empty=True),
        check_name("task", task, empty=True),
    )
    key = "".join(names)
    # A character has at most four bytes.
    if len(key) > LONGEST_KEY // 4 and len(key.encode()) > LONGEST_KEY:
        rule = f"{LONGEST_KEY} bytes at most, together with the other names"
        raise refused("task" if task else "model", task or model, rule)
    return names


def run_row(run: RunRecord, sqlite: bool) -> tuple[Any, ...]:
    """The stored values of a run, in the order of `RUN_COLUMNS`.

    Raises:
        InvalidRecordError: Names the field, its value and the rule that it breaks.
    """
    question = check_text("input_text", run.input_text)
    expected = check_text("expected_answer", run.expected_answer)
    if (method := run.parsing_method) is not None and method not in PARSING_METHODS:
        raise refused("parsing_method", method, f"one of {', '.join(PARSING_METHODS)}, or null")
    correct = check_flag("is_correct", run.is_correct)
    # An empty text says that there was none.
    error = check_text("error", run.error) or None
    if error is not None and correct is not None:
        raise refused("is_correct", correct, "null if the run ended in an error")
    if (reason := check_text("finish_reason", run.finish_reason)) is not None:
        reason = canonical_finish_reason(reason)
    # In the order of COVERED.
    content = (
        question,
        expected,
        check_text("raw_output", run.raw_output),
        check_text("parsed_answer", run.parsed_answer),
        method,
        check_fraction("parsing_confidence", run.parsing_confidence),
        correct,
        check_count("execution_time_ms", run.execution_time_ms),
        check_cost("cost_estimate", run.cost_estimate),
        check_json("metadata_json", run.metadata_json),
        check_text("sample_id", run.sample_id),
        check_number("score", run.score),
        check_count("prompt_tokens", run.prompt_tokens),
        check_count("completion_tokens", run.completion_tokens),
        error,
        reason,
        check_text("reasoning_text", run.reasoning_text),
        check_count("reasoning_tokens", run.reasoning_tokens),
        check_count("cached_tokens", run.cached_tokens),
    )
    given = (run.experiment_id, run.approach_name, run.provider, run.model, run.task)
    try:
        *names, task = _checked_names(*given)
    except TypeError:
        # What has no hash is not a text either.
        *names, task = _checked_names.__wrapped__(*given)
    return (
        new_id() if run.id is None else check_id("id", run.id),
        *names,
        check_index("sample_index", run.sample_index),
        *content[:9],
        stored_time(check_time("created_at", run.created_at), sqlite),
        content[9],
        task,
        check_index("repeat_index", run.repeat_index),
        content[10],
        input_fingerprint(question, expected),
        *content[11:15],
        content_digest(content),
        outcome_of(error, correct, content[11], reason, content[3], content[2]),
        *content[15:],
    )


def outcome_of(
    error: str | None,
    correct: bool | None,
    score: float | None,
    finish_reason: str | None,
    parsed: str | None,
    output: str | None,
) -> str:
    """The same as `models.OUTCOME`, which the database checks."""
    if error is not None:
        return "failed"
    if correct is not None:
        return "correct" if correct else "wrong"
    if score is not None:
        return "scored"
    if parsed is not None:
        return "ungraded"
    if finish_reason == "length":
        return "truncated"
    if finish_reason in ("content_filter", "refusal"):
        return "refused"
    return "ungraded" if output is None else "unparsed"


def parsing_row(metrics: ParsingMetrics) -> tuple[Any, ...]:
    """The stored values of parsing metrics, in the order of `PARSING_COLUMNS`, and the digest."""
    values = (
        check_count("parsing_attempts", metrics.parsing_attempts),
        check_flag("fallback_used", metrics.fallback_used),
        check_fraction("confidence_score", metrics.confidence_score),
        check_count("extraction_time_ms", metrics.extraction_time_ms),
        check_text("error_details", metrics.error_details),
    )
    return (*values, content_digest(values))


def metric_row(
    experiment_id: str, metric: MetricRecord, created_at: datetime | None, sqlite: bool
) -> tuple[Any, ...]:
    """The stored values of a metric, in the order of `METRIC_COLUMNS`.

    Raises:
        InvalidRecordError: Names the field, its value and the rule that it breaks.
    """
    if metric.kind is not None and metric.kind not in METRIC_KINDS:
        raise refused("kind", metric.kind, f"one of {', '.join(METRIC_KINDS)}, or null")
    lower, upper = check_number("lower", metric.lower), check_number("upper", metric.upper)
    if lower is not None and upper is not None and lower > upper:
        raise refused("lower", lower, f"at most `upper`, {upper}")
    if (primary := check_flag("is_primary", metric.is_primary)) is None:
        raise refused("is_primary", None, "true or false")
    moment = check_time("created_at", created_at)
    values = (
        metric.kind,
        lower,
        upper,
        check_flag("higher_is_better", metric.higher_is_better),
        check_text("scorer", metric.scorer),
        check_json("definition_json", metric.definition_json),
        primary,
    )
    return (
        check_id("experiment_id", experiment_id),
        check_name("name", metric.name),
        *values,
        stored_time(moment, sqlite),
        content_digest((*values, moment)),
    )


_NOTHING = (None, None, None, None)


def score_row(score: ScoreRecord, sqlite: bool) -> tuple[Any, ...]:
    """The stored values of a score, in the order of `SCORE_COLUMNS` after run and metric.

    Raises:
        InvalidRecordError: Names the field, its value and the rule that it breaks.
    """
    rest = (score.label, score.explanation, score.details_json, score.cost_estimate)
    value, moment = score.value, score.created_at
    if value.__class__ is float and rest == _NOTHING and moment is None and score.author == "":
        # As almost all scores of imports are.
        return ("", check_number("value", value), *_NOTHING, None, None)
    author = check_name("author", score.author, empty=True)
    value = check_number("value", value)
    if rest == _NOTHING:
        content: tuple[Any, ...] = _NOTHING
        digest = None
    else:
        content = (
            check_text("label", score.label),
            check_text("explanation", score.explanation),
            check_json("details_json", score.details_json),
            check_cost("cost_estimate", score.cost_estimate),
        )
        digest = content_digest(content)
    if moment is not None:
        moment = stored_time(check_time("created_at", moment), sqlite)
    return (author, value, *content, moment, digest)
