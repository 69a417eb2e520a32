"""Parsing: taking the answer out of what the model wrote.

Two parsers, in this order: `instructor` reads the structured answer that the model was held to,
`regex` looks for it in free text. What neither finds stays unparsed, until a person reads it
(`ml-agents grade`, stored as `manual`). The expected answer is never looked at.

The confidence, 0 to 1, says how explicitly the output states the answer that was taken: the
strength of the evidence (the constants below) times the share of statements of that strength that
agree with it. It says nothing about the answer being right.
"""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ml_agents_results.config import ParsingMode
from ml_agents_results.records import ParsingMetrics
from ml_agents_results.scoring.graders import same_answer

STRUCTURED = 1.0
EXPLICIT = 0.95
PHRASE = 0.8
WHOLE_OUTPUT = 0.7
LAST_CANDIDATE = 0.4
"""Strength of evidence: a structured answer; a line like `Answer: 42` or `The answer is 42`; a
sentence that says so in the middle of a line; an output that is short enough to be the answer; the
last number (choice, yes or no) of an output to a question that asks for one."""

_LONGEST_SEARCHED = 100_000
_LONGEST_WHOLE = 60
_LONGEST_ANSWER = 1000
_MOST_STATEMENTS = 50
_PLACEHOLDER = "X"  # The prompts say "The answer is X", and small models repeat it.


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
    """What an approach is held to. A field for reasoning would turn `None` into another one."""
    return AnswerOnly if approach_name == "None" else StructuredAnswer


@dataclass(frozen=True, slots=True)
class ParsedAnswer:
    """What was taken from the output; all None but the metrics where nothing was found."""

    parsed_answer: str | None
    parsing_method: str | None
    parsing_confidence: float | None
    metrics: ParsingMetrics


def parse(
    raw_output: str,
    structured: dict[str, Any] | None,
    question: str,
    mode: ParsingMode = "auto",
    held_to_schema: bool = False,
) -> ParsedAnswer:
    """Takes the answer from an output.

    Args:
        structured: The structured answer where the model gave one.
        question: Its text tells whether a number, a choice or yes or no is asked for.
        held_to_schema: Whether a structured answer was asked for; its absence then is a failure.
    """
    start = time.perf_counter()
    attempts, failure, method = 0, None, None
    found: tuple[str, float] | None = None
    if mode == "instructor" or (mode == "auto" and (held_to_schema or structured is not None)):
        attempts, method = 1, "instructor"
        try:
            found = _from_structured(structured)
        except ValueError as error:
            failure = f"instructor: {error}"
    if found is None and mode in ("auto", "regex"):
        attempts, method = attempts + 1, "regex"
        found = _from_text(raw_output, question)
        if found is None:
            failure = "; ".join(filter(None, [failure, "regex: no answer is stated"]))
    answer, confidence = found or (None, None)
    metrics = ParsingMetrics(
        parsing_attempts=attempts,
        fallback_used=attempts > 1 and answer is not None,
        confidence_score=confidence,
        extraction_time_ms=round((time.perf_counter() - start) * 1000),
        error_details=failure,
    )
    return ParsedAnswer(answer, method if answer is not None else None, confidence, metrics)


def _from_structured(structured: dict[str, Any] | None) -> tuple[str, float]:
    """Raises ValueError that says what is wrong with the structured answer."""
    if structured is None:
        raise ValueError("the output is no structured answer")
    reasoning = structured.get("reasoning")
    try:
        schema = AnswerOnly if reasoning is None else StructuredAnswer
        answer: str = schema.model_validate(structured).answer.strip()
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ValueError("; ".join(faults)) from error
    if not 0 < len(answer) <= _LONGEST_ANSWER:
        raise ValueError("the answer is empty" if not answer else "the answer is an essay")
    stated = _statements(_EXPLICIT, (reasoning or "")[-_LONGEST_SEARCHED:])
    return answer, STRUCTURED * _agreement([*stated, answer])


def _from_text(raw_output: str, question: str) -> tuple[str, float] | None:
    text = raw_output[-_LONGEST_SEARCHED:].rpartition("</think>")[2].strip()
    wanted = _wanted(question)
    if text.startswith("{"):
        # A structured answer that is cut off: its answer counts where that is whole.
        closed = [value for value in map(_bare, _JSON_ANSWER.findall(text)) if value]
        return (closed[-1], EXPLICIT) if closed else None
    for pattern, strength in ((_EXPLICIT, EXPLICIT), (_PHRASE, PHRASE)):
        if stated := [_narrow(value, wanted) for value in _statements(pattern, text)]:
            return stated[-1], round(strength * _agreement(stated), 4)
    if 0 < len(text) <= _LONGEST_WHOLE and "\n" not in text:
        whole = _narrow(_bare(text), wanted)
        if whole and not _EMPTY_STATEMENT.search(whole) and _is_one(whole, wanted):
            return whole, WHOLE_OUTPUT
    if wanted is not None and (candidates := wanted.findall(text)):
        agreement = 1.0 if wanted is _NUMBER else _agreement(candidates)
        return candidates[-1], round(LAST_CANDIDATE * agreement, 4)
    return None


_EXPLICIT = re.compile(
    r"\banswer[\s*_]*[:=][\s*_]*(?P<line>\S.*)"
    r"|^[ \t*_#>\"-]*(?:so |thus |therefore,? )?the (?:final |correct )?answer is[\s*_:]*"
    r"(?P<own_line>\S.*?)(?=[.!?](?:\s|$)|$)"
    r"|^\#{4}\s*(?P<hashes>\S.*)$"
    r"|<answer>(?P<tag>[^<]*)</answer>"
    r"|\\boxed\{(?P<box>(?:[^{}\n]|\{[^{}\n]*\})*)\}",
    re.IGNORECASE | re.MULTILINE,
)
_JSON_ANSWER = re.compile(r'"answer"\s*:\s*"([^"\\]*)"')
_PHRASE = re.compile(
    r"\banswer (?:to this question |to the question )?(?:is|must be|would be|should be)\b[ :*]*"
    r"(?P<sentence>\S.*?)(?=[.!?](?:\s|$)|$)",
    re.IGNORECASE | re.MULTILINE,
)
_EMPTY_STATEMENT = re.compile(rf":$|\banswer is {_PLACEHOLDER}$")
_NUMBER = re.compile(
    r"(?<![\w.])[-\u2212]?[$€£¥]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:/\d+)?%?(?!\w)"
)
_CHOICE = re.compile(r"\([A-Z]\)")
_TRUTH = re.compile(r"\b(?:yes|no|true|false)\b", re.IGNORECASE)
_ASKS_NUMBER = re.compile(
    r"\bhow (?:many|much|old|far|long|tall|fast|high)\b|\bwhat is (?:-?\d|\()"
    r"|\b(?:sum|product|remainder|difference|quotient|average|mean|median|area|perimeter|speed)\b",
    re.IGNORECASE,
)
_ASKS_TRUTH = re.compile(r"\b(?:yes or no|true or false)\b", re.IGNORECASE)


def _wanted(question: str) -> re.Pattern[str] | None:
    """What the answer to this question looks like, where its text tells."""
    if len(set(_CHOICE.findall(question))) > 1:
        return _CHOICE
    if _ASKS_TRUTH.search(question):
        return _TRUTH
    return _NUMBER if _ASKS_NUMBER.search(question) else None


def _statements(pattern: re.Pattern[str], text: str) -> list[str]:
    values = (_bare(found[found.lastgroup or 0]) for found in pattern.finditer(text))
    stated = [value for value in values if 0 < len(value) <= _LONGEST_ANSWER]
    return [value for value in stated if value != _PLACEHOLDER][-_MOST_STATEMENTS:]


def _bare(value: str) -> str:
    """Without Markdown, JSON's quotes and a box around the answer, and without the full stop."""
    value = value.strip().strip("*_`\"' ").strip()
    if box := re.fullmatch(r"\$?\\boxed\{(.*)\}\$?", value.rstrip(".")):
        value = box[1]
    return value.removesuffix(".").rstrip("*_`\"', ")


def _narrow(value: str, wanted: re.Pattern[str] | None) -> str:
    """The one number (choice, yes or no) of a value that says more than that."""
    found = wanted.findall(value) if wanted is not None else []
    return str(found[0]) if len(found) == 1 else value


def _is_one(value: str, wanted: re.Pattern[str] | None) -> bool:
    """Whether a value can be the answer as it is: not several of what is asked for."""
    return wanted is None or len(wanted.findall(value)) <= 1


def _agreement(stated: Sequence[str]) -> float:
    """The share of statements that agree with the last one."""
    return sum(same_answer(value, stated[-1]) for value in stated) / len(stated)
