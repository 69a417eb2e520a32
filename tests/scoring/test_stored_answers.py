from typing import Any

import pytest

from ml_agents_results.records import RunRecord
from ml_agents_results.scoring.graders import find_grader
from ml_agents_results.scoring.stored_answers import Rescoring, guess_kinds


def stored(output: str | None, target: str | None = "18", **columns: Any) -> RunRecord:
    return RunRecord(
        experiment_id="e", approach_name="CoT", sample_index=columns.pop("sample_index", 0),
        input_text=columns.pop("question", "How much is it?"), expected_answer=target,
        raw_output=output, **columns,
    )  # fmt: skip


EXACT = Rescoring(find_grader("exact"))


@pytest.mark.parametrize(
    ("run", "value", "label"),
    [
        (stored("So 9*2=18.\nThe answer is 18."), True, ""),
        (stored("The answer is 20."), False, ""),
        (stored("The answer is 1", metadata_json={"finish_reason": "length"}), None, "truncated"),
        (stored("I'm sorry, but I can't help with that."), None, "refused"),
        (stored("Hello."), None, "unparsed"),
        (stored("Let me think about it."), None, "unparsed"),
        (stored("The answer is 18.", None), None, "no_target"),
        (stored(None), None, "unparsed"),
        (stored("(A) no", "B", metadata_json={"choices": ["x", "y"]}), False, ""),
        (stored("The answer is y.", "B", metadata_json={"choices": ["x", "y"]}), True, ""),
    ],
)
def test_raw_outputs_are_read_and_graded(run: RunRecord, value: bool | None, label: str) -> None:
    before = run.parsed_answer, run.is_correct, run.metadata_json
    verdict = EXACT.score(run).verdict
    assert (verdict.value, verdict.label) == (value, label)
    assert (run.parsed_answer, run.is_correct, run.metadata_json) == before


def test_a_stored_reading_is_kept_unless_reading_anew_is_asked_for() -> None:
    run = stored("The answer is 18.", parsed_answer="20", parsing_method="regex")
    again = Rescoring(find_grader("exact"), reparse=True)
    assert EXACT.score(run) == (None, EXACT.score(run).verdict)
    assert (EXACT.score(run).verdict.value, again.score(run).verdict.value) == (False, True)
    run.parsing_method = "manual"
    assert again.score(run).verdict.value is False


def test_a_pattern_outranks_what_is_stated() -> None:
    run = stored("My choice: 18. The answer is 20.")
    rescoring = Rescoring(find_grader("exact"), pattern=r"My choice: (\d+)")
    assert rescoring.score(run).verdict.value is True
    assert rescoring.definition != EXACT.definition
    assert EXACT.definition == Rescoring(find_grader("exact")).definition


def test_kinds_are_guessed_from_stored_targets() -> None:
    runs = [stored("x", str(n), task="sums", sample_index=n) for n in range(30)]
    runs += [stored("x", "yes" if n % 2 else "no", task="logic", sample_index=n) for n in range(8)]
    assert {task: guess.kind for task, guess in guess_kinds(runs).items()} == {
        "sums": "number",
        "logic": "boolean",
    }
