"""Few-shot examples: what is shown, recorded and refused."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import InvalidFileError, ResultsError, UsageError
from ml_agents_results.experiments.resumption import ResumeRefused
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.experiments.study import Study, prepare
from ml_agents_results.processor import ResultsProcessor
from tests.endpoint import Endpoint
from tests.experiments.studies import config, doubling, resume

EXAMPLES = [
    {"input": "Double of  0?", "target": "0", "task": "t"},
    {"input": "Double of 20?", "target": "40", "output": "20 + 20. The answer is 40.", "task": "t"},
    {"input": "Double of 30?", "target": "60", "task": "u"},
    {"input": "Double of 31?", "target": "62", "task": "u"},
]


def written(path: Path, rows: list[dict[str, Any]]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def study(tmp_path: Path, examples: list[dict[str, Any]], shots: int, **changes: Any) -> Study:
    asked = [{"input": "Double of 0?", "target": "0"}, {"input": "Double of 1?", "target": "2"}]
    return prepare(
        ExperimentConfig(
            dataset=written(tmp_path / "q.jsonl", changes.pop("asked", asked)),
            examples=written(tmp_path / "examples.jsonl", examples),
            shots=shots,
            **changes,
        )
    )


def shown(prepared: Study, index: int, approach: int = 0) -> list[tuple[str, str]]:
    question = prepared.plan.questions[index]
    turns = prepared.history(prepared.approaches[approach], question)
    found = (re.search(r"Double of +\d+\?", turn.content) for turn in turns)
    return [(t.role, m[0] if m else t.content) for t, m in zip(turns, found, strict=True)]


def test_the_first_examples_are_shown_and_never_the_question_itself(tmp_path: Path) -> None:
    prepared = study(tmp_path, EXAMPLES, 2, approaches=["None", "Reflection"])
    assert shown(prepared, 1) == [
        ("user", "Double of  0?"), ("assistant", "The answer is 0."),
        ("user", "Double of 20?"), ("assistant", "20 + 20. The answer is 40."),
    ]  # fmt: skip
    assert [text for _, text in shown(prepared, 0)][::2] == ["Double of 20?", "Double of 30?"]
    # An approach with one prompt asks examples by it; those of several show the bare questions.
    single, several = (
        [turn.content for turn in prepared.history(approach, prepared.plan.questions[1])]
        for approach in prepared.approaches
    )
    assert single[0].startswith("Answer the following question.\n\nQuestion:\nDouble of  0?\n")
    assert several[:2] == ["Double of  0?", "0"]


def test_a_task_is_shown_its_own_and_a_system_prompt_stays_first(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "S"}, {"role": "user", "content": "Double of 1?"}]
    prepared = study(tmp_path, EXAMPLES, 1, asked=[{"input": turns, "task": "u", "target": "2"}])
    assert shown(prepared, 0) == [
        ("system", "S"),
        ("user", "Double of 30?"),
        ("assistant", "The answer is 60."),
    ]


@pytest.mark.parametrize(
    ("examples", "shots", "error", "message"),
    [
        (EXAMPLES[:2], 2, UsageError, "has 1 examples besides the question itself"),
        ([{"input": "x"}], 1, InvalidFileError, "line 1 has no answer to show"),
        (EXAMPLES, 0, UsageError, "shots is 0"),
    ],
)
def test_what_cannot_be_shown(
    tmp_path: Path, examples: list[dict[str, Any]], shots: int, error: type[ResultsError],
    message: str,
) -> None:  # fmt: skip
    with pytest.raises(error, match=message):
        study(tmp_path, examples, shots)
    with pytest.raises(UsageError, match="examples and shots go together"):
        prepare(ExperimentConfig(shots=1))


def test_they_are_sent_recorded_and_refused_when_they_changed(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    path = written(tmp_path / "examples.jsonl", EXAMPLES)
    with Endpoint(doubling) as endpoint:
        asked = config(
            endpoint, tmp_path, approaches=["CoT"], samples=2, examples=path, shots=2, system="Hi."
        )
        ExperimentRunner(asked, processor).run("mine")
        roles = [message["role"] for message in endpoint.bodies[-1]["messages"]]
        assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
        known = processor.get_experiment("mine").environment_json["examples"]
        assert (known["name"], known["shots"], len(known["fingerprint"])) == (
            "examples.jsonl", 2, 64,
        )  # fmt: skip
        with pytest.raises(UsageError, match="shots cannot be changed"):
            ExperimentRunner(ExperimentConfig(shots=1), processor, experiment_id="mine").resume()
        written(tmp_path / "examples.jsonl", [*EXAMPLES[:3], {**EXAMPLES[3], "output": "62!"}])
        with pytest.raises(ResumeRefused, match="examples that mine shows have changed"):
            resume(processor, "mine")
