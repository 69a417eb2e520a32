"""Writes a runs file of made-up answers: seeded, of any size, with effects worth analysing.

Every approach after the first helps in some tasks and harms in others, takes longer and costs
more. The same options give the same file.
"""

import argparse
import gzip
import json
import math
import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO, cast

TASKS = (
    "boolean_expressions",
    "date_understanding",
    "geometric_shapes",
    "logical_deduction",
    "navigate",
    "object_counting",
    "sports_understanding",
    "word_sorting",
)
APPROACHES = ("None", "ChainOfThought")
START = datetime(2026, 1, 1, tzinfo=UTC)
USD_PER_TOKEN = 6e-7
TEXT = "we first note that the answer follows from what is given so it must be true "


def runs(
    *,
    samples: int,
    tasks: int,
    approaches: tuple[str, ...] = APPROACHES,
    seed: int = 0,
    text_length: int = 200,
) -> Iterator[dict[str, Any]]:
    """The lines of a runs file.

    Args:
        samples: Samples of each task.
        text_length: Characters of a raw output, on average; the first approach writes a tenth.
    """
    names = [TASKS[n] if n < len(TASKS) else f"task_{n:03d}" for n in range(tasks)]
    chance = random.Random(seed)
    ease = {name: chance.gauss(0.4, 0.7) for name in names}
    effects = {
        (approach, name): 0.0 if place == 0 else chance.gauss(0.8, 0.9)
        for place, approach in enumerate(approaches)
        for name in names
    }
    clock = 0
    for name in names:
        for index in range(samples):
            # An easy sample is easy for all approaches: that is what pairing gains from.
            sample = ease[name] + chance.gauss(0, 1.2)
            for place, approach in enumerate(approaches):
                clock += 1
                right = _chance_of(sample + effects[approach, name])
                yield _run(chance, approach, place, name, index, right, text_length, clock)


def _chance_of(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def _run(
    chance: random.Random,
    approach: str,
    place: int,
    task: str,
    index: int,
    right: float,
    text_length: int,
    clock: int,
) -> dict[str, Any]:
    expected = "ABCDE"[index % 5]
    length = max(1, round(chance.lognormvariate(0, 0.4) * text_length * (1 if place else 0.1)))
    run: dict[str, Any] = {
        "approach_name": approach,
        "provider": "generated",
        "model": "model-1",
        "task": task,
        "sample_index": index,
        "sample_id": f"{task}-{index}",
        "input_text": f"Question {index} of {task}: which of A to E holds?",
        "expected_answer": expected,
        "execution_time_ms": round(300 * chance.lognormvariate(0, 0.5) + 4 * length),
        "created_at": (START + timedelta(seconds=clock)).isoformat(),
    }
    if chance.random() < 0.004:
        return run | {"error": "TimeoutError: no answer within 60 s"}
    answer = expected if chance.random() < right else chance.choice("ABCDE".replace(expected, ""))
    text = (TEXT * (length // len(TEXT) + 1))[:length]
    prompt, completion = 30 + 20 * place, length // 4 + 5
    run |= {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "cost_estimate": round(USD_PER_TOKEN * (prompt + 4 * completion), 8),
    }
    if chance.random() < 0.01:
        return run | {"raw_output": text}
    return run | {
        "raw_output": f"{text}\nSo the answer is {answer}.",
        "parsed_answer": answer,
        "parsing_method": "regex",
        "parsing_confidence": round(min(0.99, max(0.3, chance.gauss(0.55 + 0.35 * right, 0.1))), 3),
        "is_correct": answer == expected,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", help="runs.jsonl, runs.jsonl.gz, or - for standard output")
    parser.add_argument("--samples", type=int, default=250, help="samples of each task")
    parser.add_argument("--tasks", type=int, default=len(TASKS))
    parser.add_argument("--approaches", default=",".join(APPROACHES), help="with commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--text-length", type=int, default=200, help="characters of an output")
    given = parser.parse_args()
    lines = runs(
        samples=given.samples,
        tasks=given.tasks,
        approaches=tuple(given.approaches.split(",")),
        seed=given.seed,
        text_length=given.text_length,
    )
    with opened(given.output) as file:
        for line in lines:
            file.write(json.dumps(line) + "\n")


def opened(output: str) -> AbstractContextManager[TextIO]:
    if output == "-":
        return nullcontext(sys.stdout)
    if output.endswith(".gz"):
        return cast(TextIO, gzip.open(output, "wt", encoding="utf-8"))
    return Path(output).open("w", encoding="utf-8")


if __name__ == "__main__":
    main()
