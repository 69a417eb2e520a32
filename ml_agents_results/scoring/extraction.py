"""Extraction: takes the answer from what the model wrote.

Two parsers, in this order: `instructor` reads the structured answer that the model was held to,
`regex` looks for it in free text. What neither finds is `truncated`, `refused` or `unparsed`, until
a person reads it (`ml-agents grade`, stored as `manual`). The expected answer is never looked at.

What is taken keeps unit, sign, brackets and bounds: nothing is dropped before it is compared.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_agents_results.config import ParsingMode
from ml_agents_results.errors import UsageError
from ml_agents_results.records import ParsingMetrics
from ml_agents_results.scoring import (
    cleaning,
    evidence,
    kinds,
    options,
    phrases,
    reading,
    statements,
    unstated,
)
from ml_agents_results.scoring.evidence import Evidence, Reading, Statement, confidence
from ml_agents_results.scoring.kinds import AnswerKind, Expectation

Outcome = Literal["truncated", "refused", "unparsed"]
"""Why no answer was found."""

VERSION = 3
"""Counts the changes of what is extracted; part of a metric's definition."""

CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "pause_turn"})
FILTERED = frozenset({"content_filter", "refusal", "safety", "recitation", "prohibited_content"})
"""Finish reasons, in lower case, of an output that is cut off, and of one that was declined."""

ENDPOINT_REASON = "endpoint_finish_reason"
"""Key in a run's metadata: why the model stopped in the endpoint's words, where the run's
`finish_reason` says what was made of it."""

_LONGEST_ANSWER = evidence.LONGEST

_TAIL = 20_000
"""Characters at the end that are searched for statements first."""


class AnswerOnly(BaseModel):
    """What a model fills in that is asked for no reasoning."""

    model_config = ConfigDict(extra="forbid")

    answer: str = Field(description="The final answer alone: no sentence, no explanation.")


class StructuredAnswer(BaseModel):
    """What a model fills in that reasons: in one answer, and the reasoning first."""

    model_config = ConfigDict(extra="forbid")

    reasoning: str = Field(description="The reasoning that leads to the answer, step by step.")
    answer: str = Field(description="The final answer alone: no sentence, no explanation.")


def schema_for(approach_name: str) -> type[BaseModel]:
    """The schema that an approach is held to. A field for reasoning would turn `None` into another
    approach."""
    return AnswerOnly if approach_name == "None" else StructuredAnswer


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What was taken from the output; all None but the metrics where nothing was found.

    Attributes:
        outcome: Why there is no answer; None where there is one, and for `manual`.
        extraction: For the run's metadata: evidence, span (in the raw output, where the answer
            stands there to the letter), label.
    """

    parsed_answer: str | None
    parsing_method: str | None
    parsing_confidence: float | None
    metrics: ParsingMetrics
    outcome: Outcome | None = None
    extraction: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    answer: str
    evidence: Evidence
    confidence: float
    label: str = ""


def parse(
    raw_output: str,
    structured: dict[str, Any] | None,
    question: str,
    mode: ParsingMode = "auto",
    held_to_schema: bool = False,
    *,
    kind: AnswerKind | None = None,
    choices: Sequence[str] | Mapping[str, str] | None = None,
    labels: Sequence[str] = (),
    finish_reason: str | None = None,
    pattern: str | None = None,
) -> ParsedAnswer:
    """Takes the answer from an output.

    Args:
        structured: The structured answer where the model gave one.
        question: Its text; shown options, `yes or no` and the like are read from it.
        held_to_schema: Whether a structured answer was asked for; its absence then is a failure.
        kind: The kind of answer that the task asks for; None reads any kind.
        choices: The options, where they are not part of the question.
        labels: The closed set of kind `label`.
        finish_reason: Why the model stopped, in the endpoint's words.
        pattern: A regular expression with one group that finds the answer; it outranks all but
            the structured answer.

    Raises:
        UsageError: The pattern is not a regular expression with one group.
    """
    start = time.perf_counter()
    expected = kinds.expectation(question, kind, choices, labels)
    own_pattern = compile_pattern(pattern) if pattern is not None else None
    attempts, failure, method = 0, None, None
    found: _Found | None = None
    outcome: Outcome | None = None
    reason = (finish_reason or "").lower()
    filtered, cut = reason in FILTERED, reason in CUT_OFF
    if mode == "instructor" or (mode == "auto" and (held_to_schema or structured is not None)):
        attempts, method = 1, "instructor"
        try:
            found = None if filtered else _from_structured(structured, expected)
        except ValueError as error:
            failure = f"instructor: {error}"
    if found is None and mode in ("auto", "regex"):
        attempts, method = attempts + 1, "regex"
        if not filtered:
            result = _from_text(raw_output, expected, own_pattern, cut=cut)
            found, outcome = (result, None) if isinstance(result, _Found) else (None, result)
        if found is None:
            failure = "; ".join(filter(None, [failure, "regex: no answer is stated"]))
    if found is None and mode != "manual":
        outcome = "refused" if filtered else "truncated" if cut else outcome or "unparsed"
    metrics = ParsingMetrics(
        parsing_attempts=attempts,
        fallback_used=attempts > 1 and found is not None,
        confidence_score=found.confidence if found else None,
        extraction_time_ms=round((time.perf_counter() - start) * 1000),
        error_details=failure,
    )
    if found is None:
        return ParsedAnswer(None, None, None, metrics, outcome)
    extraction: dict[str, Any] = {"evidence": found.evidence}
    if (index := raw_output.rfind(found.answer)) >= 0:
        extraction["span"] = [index, index + len(found.answer)]
    if found.label:
        extraction["label"] = found.label
    return ParsedAnswer(found.answer, method, found.confidence, metrics, None, extraction)


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """A user's pattern. Raises UsageError where it is not one with exactly one group."""
    try:
        compiled = re.compile(pattern, re.MULTILINE)
    except re.error as error:
        raise UsageError(f"the answer pattern is not a regular expression: {error}") from error
    if compiled.groups != 1:
        raise UsageError(
            f"the answer pattern has {compiled.groups} groups",
            r"It needs one, around the answer: 'My choice: (\w)'.",
        )
    return compiled


def _from_structured(structured: dict[str, Any] | None, expected: Expectation) -> _Found:
    """Raises ValueError that says what is wrong with the structured answer."""
    if structured is None:
        raise ValueError("the output is not a structured answer")
    values = dict(structured)
    answer = values.get("answer")
    if isinstance(answer, int | float):
        values["answer"] = str(answer)
    reasoning = values.get("reasoning")
    try:
        schema = AnswerOnly if reasoning is None else StructuredAnswer
        text: str = schema.model_validate(values).answer.strip()
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError("; ".join(faults)) from error
    if not 0 < len(text) <= _LONGEST_ANSWER:
        raise ValueError("the answer is empty" if not text else "the answer is an essay")
    text = cleaning.clean(text).text or text
    inner = statements.find(text, options=expected.options)
    source = inner[-1].text if inner and inner[-1].text else text
    read = reading.of_statement(source, expected, final=True)
    if read is None:
        raise ValueError("the answer says nothing")
    stated = _stated(cleaning.clean(reasoning or "").text, expected, None, cut=False)
    agreeing = _agreement([*(r for _, r in stated), read], expected)
    return _Found(read.text, "structured", confidence("structured", agreeing), read.status)


def _from_text(
    raw_output: str, expected: Expectation, pattern: re.Pattern[str] | None, *, cut: bool
) -> _Found | Outcome:
    cleaned = cleaning.clean(raw_output, expected.question)
    if cleaned.unfinished:
        return "truncated"
    if not cleaned.text:
        return "unparsed"
    if cleaned.before_run_on:
        before = cleaning.Cleaned(cleaned.before_run_on, cleaned.bold)
        found = _from_cleaned(before, expected, pattern, cut=False)
        if isinstance(found, _Found):
            return found
    return _from_cleaned(cleaned, expected, pattern, cut=cut)


def _stated(
    text: str, expected: Expectation, pattern: re.Pattern[str] | None, *, cut: bool
) -> list[tuple[Statement, Reading | None]]:
    """The statements that count, with what each says; None for a final one that is not readable."""
    counted: list[tuple[Statement, Reading | None]] = []
    for statement in statements.find(text, options=expected.options, pattern=pattern):
        if cut and not statement.closed:
            continue
        if not statement.text:
            if statement.evidence == "box" and not statement.closed:
                counted.append((statement, None))
            continue
        final = statement.evidence in evidence.FINAL
        read = reading.of_statement(
            statement.text, expected, final=final, label=statement.evidence == "label"
        )
        if read is None:
            if final and statement.evidence != "hashes":
                counted.append((statement, None))
            continue
        if statement.negated and not read.status:
            read = Reading(f"not {read.text}", "negated")
        counted.append((statement, read))
    return counted


def _from_cleaned(
    cleaned: cleaning.Cleaned,
    expected: Expectation,
    pattern: re.Pattern[str] | None,
    *,
    cut: bool,
) -> _Found | Outcome:
    text = cleaned.text
    stated = _stated(text[-_TAIL:], expected, pattern, cut=cut)
    if stated:
        text = text[-_TAIL:]
    elif len(text) > _TAIL:
        stated = _stated(text, expected, pattern, cut=cut)
    if stated:
        last, read = stated[-1]
        revised = reading.revision(text, last.end, expected)
        if revised is not None:
            return _Found(revised.text, "sentence", confidence("sentence", 0.5), revised.status)
        if read is None:
            return "truncated" if cut else "unparsed"
        if (listed := _listed_apart(stated, text, expected)) is not None:
            return _Found(listed, last.evidence, confidence(last.evidence, 0.3), "multiple")
        if read.status == "negated" and reading.is_closed_set(expected):
            earlier = [r for _, r in stated[:-1] if r is not None and not r.status]
            if not earlier:
                return "unparsed"
            read = earlier[-1]
        elif read.status == "negated":
            # "The answer is C. The answer is not A." states C.
            denied = read.text.removeprefix("not ")
            for _, earlier_read in reversed(stated[:-1]):
                if earlier_read is not None and not earlier_read.status:
                    if not reading.agree(earlier_read.text, denied, expected):
                        read = earlier_read
                    break
        agreeing = _agreement([r for _, r in stated if r is not None], expected, read)
        sure = confidence(last.evidence, agreeing, loose=read.loose)
        return _Found(read.text, last.evidence, sure, read.status)
    if cut:
        return "truncated"
    weak = unstated.read(cleaned, expected)
    if weak is not None:
        evidence, read = weak
        return _Found(read.text, evidence, confidence(evidence), read.status)
    return "refused" if phrases.is_refusal(text) else "unparsed"


_BETWEEN = re.compile(r"[\s.*#-]*(?:(?:so|thus|therefore|and|the)\b,?\s*)*", re.IGNORECASE)


def _listed_apart(
    stated: Sequence[tuple[Statement, Reading | None]], text: str, expected: Expectation
) -> str | None:
    """Three or more statements on lines in a row that all differ: several answers, not one."""
    if len(stated) < 3:
        return None
    tail = list(stated[-3:])
    if any(read is None or read.status for _, read in tail):
        return None
    for (one, _), (other, _) in pairwise(tail):
        if not _BETWEEN.fullmatch(text[one.end : other.start]):
            return None
    texts = [read.text for _, read in tail if read is not None]
    earlier = [read.text for _, read in stated[:-1] if read is not None]
    if any(reading.agree(text, texts[-1], expected) for text in earlier):
        return None  # the last one is stated elsewhere, too
    if expected.options and any(options.read(text, expected.options) is None for text in texts):
        return None
    if any(reading.agree(a, b, expected) for i, a in enumerate(texts) for b in texts[i + 1 :]):
        return None
    return "; ".join(texts)


def _agreement(
    readings: Sequence[Reading | None], expected: Expectation, taken: Reading | None = None
) -> float:
    """The share of statements that agree with the one taken (the last)."""
    stated = [read for read in readings if read is not None]
    if not stated:
        return 1.0
    last = taken or stated[-1]
    agreeing = sum(reading.agree(read.text, last.text, expected) for read in stated)
    return min(1.0, agreeing / len(stated))
