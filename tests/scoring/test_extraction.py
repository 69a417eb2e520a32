import time
from dataclasses import replace

import pytest

from ml_agents_results.records import ParsingMetrics
from ml_agents_results.scoring.evidence import CALIBRATION, Evidence, confidence
from ml_agents_results.scoring.extraction import StructuredAnswer, parse, schema_for

HOW_MANY = "How many rolls does she sell?"
CHOICES = "Which year? Options: (A) 1900 (B) 2000 (C) 2100"
TRUTH = "Does it follow? Answer yes or no."
NAME = "Who is third?"


@pytest.mark.parametrize(
    ("output", "question", "answer", "evidence"),
    [
        ("Steps...\nAnswer: 395", HOW_MANY, "395", "label"),
        ("**Final answer:** 395 rolls.", HOW_MANY, "395 rolls", "label"),
        ("so it is \\boxed{395}.", HOW_MANY, "395", "box"),
        ("Answer: $\\boxed{\\frac{1}{2}}$.", NAME, "\\frac{1}{2}", "box"),
        ("24*18 = 432\n#### 395", HOW_MANY, "395", "hashes"),
        ("<answer> Ada </answer>", NAME, "Ada", "tag"),
        ("Answer:\n\nAda", NAME, "Ada", "label"),
        ('{"reasoning": "...", "answer": "Ada"', NAME, "Ada", "tag"),
        ("I think the answer is (B) 2000. Hope it helps!", CHOICES, "B", "sentence"),
        ("The answer is: **3.5**", "Half of seven?", "3.5", "sentence"),
        ("7 / 2 = 3.5.\nThe answer is 3.5. I am sure.", "Half of seven?", "3.5", "sentence"),
        ("The answer is X.\nSo the answer is Ada!", NAME, "Ada", "sentence"),
        ("Ada.", NAME, "Ada", "whole"),
        ("No, it does not.", TRUTH, "No", "whole"),
        ("24 * 18 - 37 = 395", HOW_MANY, "395", "whole"),
        ("24 * 18 = 432.\nShe sells 432 - 37 = 395 rolls.", HOW_MANY, "395 rolls", "last_line"),
        ("It cannot be 1900.\nIt must be (B).", CHOICES, "B", "sentence"),
        ("Let me see.\nYes, it does follow.", TRUTH, "Yes", "last_line"),
        ("<think>Answer: 3. Or 4?</think>\nAnswer: 395", HOW_MANY, "395", "label"),
    ],
)
def test_the_answer_is_taken_with_a_confidence_that_fits_the_evidence(
    output: str, question: str, answer: str, evidence: Evidence
) -> None:
    parsed = parse(output, None, question)
    assert (parsed.parsed_answer, parsed.parsing_method) == (answer, "regex")
    assert parsed.extraction["evidence"] == evidence
    assert parsed.parsing_confidence == parsed.metrics.confidence_score == CALIBRATION[evidence]
    assert (parsed.metrics.parsing_attempts, parsed.metrics.fallback_used) == (1, False)


@pytest.mark.parametrize(
    ("output", "question"),
    [
        ("", HOW_MANY),
        ("   \n ", HOW_MANY),
        ("I like rolls very much.\nThey are round and smell of bread.", HOW_MANY),
        ("Ada stands before Bo.\nBo stands before Cy, who is 3 m tall.", NAME),
        ("Answer:", NAME),
        ("The answer is X.\nI do not know.", NAME),
        ("The answer is X.", NAME),
        ('{"reasoning": "12 is in it", "answer": "Ada, Bo, Ada, Bo, A', NAME),
        ("Answer: " + "Ada, " * 1000, NAME),
    ],
)
def test_where_no_answer_is_stated_none_is_made_up(output: str, question: str) -> None:
    parsed = parse(output, None, question)
    assert (parsed.parsed_answer, parsed.parsing_method, parsed.parsing_confidence) == (None,) * 3
    assert parsed.metrics.error_details == "regex: no answer is stated"


def test_contradicting_statements_lower_the_confidence() -> None:
    parsed = parse("Answer: 12\nNo, wait.\nAnswer: 14\nAnswer: 14.0", None, HOW_MANY)
    assert parsed.parsed_answer == "14.0"
    assert parsed.parsing_confidence == confidence("label", 2 / 3)
    structured = {"reasoning": "First: Answer: 12. Then", "answer": "14"}
    assert parse("", structured, HOW_MANY).parsing_confidence == confidence("structured", 1 / 2)


def test_a_structured_answer_goes_before_the_text() -> None:
    filled = StructuredAnswer(reasoning="24 * 18 - 37", answer=" 395 ").model_dump()
    parsed = parse("Answer: 1", filled, HOW_MANY, held_to_schema=True)
    assert (parsed.parsed_answer, parsed.parsing_method) == ("395", "instructor")
    assert parsed.parsing_confidence == CALIBRATION["structured"]
    assert parse("Answer: 1", filled, HOW_MANY, "regex").parsed_answer == "1"
    assert parse("", {"answer": "395"}, HOW_MANY).parsed_answer == "395"


def test_without_an_approach_no_reasoning_is_asked_for() -> None:
    assert set(schema_for("None").model_fields) == {"answer"}
    assert list(schema_for("ChainOfThought").model_fields) == ["reasoning", "answer"]


@pytest.mark.parametrize(
    ("structured", "reason"),
    [
        (None, "instructor: the output is not a structured answer"),
        ({"reasoning": "1"}, "instructor: answer: Field required"),
        ({"reasoning": "", "answer": " "}, "instructor: the answer is empty"),
        ({"reasoning": "", "answer": "1 " * 999}, "instructor: the answer is an essay"),
        ({"reasoning": "", "answer": [3]}, "instructor: answer: Input should be a valid string"),
    ],
)
def test_the_text_is_the_fallback_of_a_structured_answer_that_failed(
    structured: dict[str, object] | None, reason: str
) -> None:
    parsed = parse("Answer: 395", structured, HOW_MANY, held_to_schema=True)
    assert (parsed.parsed_answer, parsed.parsing_method) == ("395", "regex")
    assert replace(parsed.metrics, extraction_time_ms=0) == ParsingMetrics(
        2, True, CALIBRATION["label"], 0, reason
    )
    strict = parse("Answer: 395", structured, HOW_MANY, "instructor", held_to_schema=True)
    assert strict.parsed_answer is None
    assert replace(strict.metrics, extraction_time_ms=0) == ParsingMetrics(
        1, False, None, 0, reason
    )


def test_manual_leaves_the_answer_to_a_person() -> None:
    parsed = parse("Answer: 395", None, HOW_MANY, "manual")
    assert parsed.parsed_answer is None
    assert parsed.metrics.parsing_attempts == 0


def test_huge_outputs_are_parsed_in_no_time() -> None:
    start = time.perf_counter()
    for piece in ("x", "answer", "answer ", "answer is ", " ", "*", "\\boxed{", "<answer>", "####",
                  "12,", "answer:*", "-\n", "- \n*"):  # fmt: skip
        parse(piece * (5_000_000 // len(piece)), None, HOW_MANY)
    parsed = parse("x" * 5_000_000 + "\nAnswer: 395", None, HOW_MANY)
    assert parsed.parsed_answer == "395"
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize(
    "text",
    ["A`" * 50_000 + " 12", "\n" * 100_000 + "(note", "\ncheck " * 12_000 + "\n\nz",
     "Who: " + " " * 100_000 + "x", "n" * 100_000 + " by Ada"],
)  # fmt: skip
def test_no_output_takes_long_to_read(text: str) -> None:
    started = time.process_time()
    for question in ("Who wrote it?", "Is it so? yes or no", HOW_MANY):
        parse(text, None, question)
    assert time.process_time() - started < 2
