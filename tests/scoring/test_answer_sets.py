"""Answers of many styles, each with the verdict of a careful person who saw question and target.

Of the verdicts of an answer any one is accepted. The texts were written for this project.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.scoring.extraction import parse
from ml_agents_results.scoring.graders import grade

DATA = Path(__file__).parent / "data"
STYLES = (
    "word_problems",
    "mathematics",
    "multiple_choice",
    "logic",
    "quantities",
    "varied",
    "prose",
    "further",
    "assorted",
    "everyday",
)


def answers(style: str) -> Iterator[dict[str, Any]]:
    with (DATA / f"{style}.jsonl").open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def verdict(case: dict[str, Any]) -> str:
    parsed = parse(
        case["output"], None, case["question"], "regex", finish_reason=case.get("finish")
    )
    graded = grade(parsed.parsed_answer, case["target"], question=case["question"])
    return {True: "right", False: "wrong", None: "ungraded"}[graded.is_correct]


@pytest.mark.parametrize("style", STYLES)
def test_every_answer_has_the_verdict_of_a_careful_person(style: str) -> None:
    counts: Counter[str] = Counter()
    missed = []
    for case in answers(style):
        wanted = case["verdict"] if isinstance(case["verdict"], list) else [case["verdict"]]
        given = verdict(case)
        counts[wanted[0]] += 1
        if given not in wanted:
            missed.append((case["id"], case["target"], case["output"], given, wanted))
    assert not missed
    assert counts["right"] > 60
    assert counts["wrong"] + counts["ungraded"] > 20
