"""Outputs of lm-evaluation-harness: filters, repeats, multiple choice, and what it leaves out."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.errors import ResultsError
from ml_agents_results.processor import ResultsProcessor
from tests.formats.readers.conftest import Importer
from tests.formats.readers.lm_eval_logs import DATE, choices, row, write

Refused = Callable[..., ResultsError]


def test_every_field(tmp_path: Path, imported: Importer, processor: ResultsProcessor) -> None:
    other = row(name="flexible", filtered_resps=["5"], exact_match=0.0)
    result, (run,) = imported(write(tmp_path / "x", "gsm8k_cot", row(), other))
    assert run.experiment_id == f"lab__m_{DATE}"
    assert (run.approach_name, run.provider, run.model) == (
        "ChainOfThought", "local-chat-completions", "lab/m",
    )  # fmt: skip
    assert (run.task, run.sample_index, run.sample_id, run.repeat_index) == (
        "gsm8k_cot", 0, "hash0", 0,
    )  # fmt: skip
    assert (run.input_text, run.expected_answer) == ("Q: 0?", "4")
    assert (run.raw_output, run.parsed_answer) == ("It is 4", "4")
    assert (run.is_correct, run.score) == (True, None)
    assert run.created_at == datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    absent = (run.execution_time_ms, run.cost_estimate, run.prompt_tokens, run.completion_tokens)
    assert set(absent) == {None}
    metadata = run.metadata_json or {}
    assert metadata["resps"] == [["It is 4", "It is 5"]]
    scores = {one.metric: one.value for one in run.scores or ()}
    assert scores == {"f1,strict": 0.5, "exact_match,flexible": 0, "f1,flexible": 0.5}
    of_other = [one.details_json for one in run.scores or () if one.metric == "f1,flexible"]
    assert of_other == [{"answer": "5"}]
    assert result.sources[0]["chosen"] == {
        "approach": "ChainOfThought (name of the task)",
        "filter": "strict (the first in the file)",
        "metric": "exact_match,strict (the usual one)",
    }
    experiment = processor.get_experiment(run.experiment_id)
    assert experiment.environment_json["tool_version"] == "0.4.9"
    assert experiment.environment_json["git"] == {"commit": "abc"}
    assert experiment.config_json["tasks"] == {
        "gsm8k_cot": {"num_fewshot": 3, "metadata": {"version": 1}}
    }
    assert "model_args" not in experiment.config_json["config"]


def test_folder_is_one_experiment_with_its_tasks(tmp_path: Path, imported: Importer) -> None:
    for task in ("a", "b_with_underscores"):
        write(tmp_path / "x", task, row(0), row(1))
    result, runs = imported(tmp_path)
    assert result.experiments == [f"lab__m_{DATE}"]
    assert {run.task for run in runs} == {"a", "b_with_underscores"}
    again, same = imported(tmp_path / "x" / f"results_{DATE}.json")
    assert (again.read, again.skipped) == (4, 4)
    assert same == runs


def test_the_primary_metric_of_several_tasks_grades_the_most_runs(
    tmp_path: Path, imported: Importer
) -> None:
    write(tmp_path / "x", "a", *(row(n, "none", metrics=["exact_match"]) for n in range(2)))
    for task in ("b", "c"):
        write(tmp_path / "x", task, *(choices(-1, -2, doc_id=n, name="none") for n in range(3)))
    result, runs = imported(tmp_path)
    assert {run.task: (run.is_correct, run.score) for run in runs} == {
        "a": (None, None), "b": (False, None), "c": (False, None),
    }  # fmt: skip
    assert [s.metric for run in runs if run.task == "a" for s in run.scores or ()] == (
        ["exact_match"] * 2
    )
    assert (result.ungraded, [one["ungraded"] for one in result.sources]) == (2, [2, 0, 0])
    assert (
        f"the primary metric of experiment lab__m_{DATE} is acc; exact_match is stored next to it "
        "(to change: --metric exact_match)"
    ) in result.warnings
    # An import into what is there changes no figure.
    again, same = imported(tmp_path / "x" / f"samples_a_{DATE}.jsonl")
    assert (again.skipped, again.ungraded, same) == (2, 2, runs)


def test_filter_and_metric_of_ones_choice(
    tmp_path: Path, imported: Importer, refused: Refused
) -> None:
    other = row(name="flexible", filtered_resps=["5"], exact_match=0.0)
    path = write(tmp_path / "x", "a", row(), other)
    assert refused(path, filter="x").hint == "Its filters are: strict, flexible"
    assert refused(path, metric="x").hint == (
        "Its metrics are: f1,strict, exact_match,strict, f1,flexible, exact_match,flexible"
    )
    _, (run,) = imported(path, filter="flexible")
    assert (run.parsed_answer, run.is_correct) == ("5", False)
    _, (run,) = imported(path, metric="f1")
    assert (run.score, run.is_correct) == (0.5, None)


@pytest.mark.parametrize("swapped", [False, True])
def test_filters_follow_or_alternate(tmp_path: Path, imported: Importer, swapped: bool) -> None:
    lines = [row(n, name) for name in ("strict", "flexible") for n in range(3)]
    if swapped:
        lines.sort(key=lambda one: one["doc_id"])
    del lines[-1]
    _, runs = imported(write(tmp_path / "x", "a", *lines))
    flexible = ["exact_match,flexible", "f1,flexible"]
    assert [[score.metric for score in run.scores or ()] for run in runs] == [
        [*flexible, "f1,strict"], [*flexible, "f1,strict"], ["f1,strict"],
    ]  # fmt: skip


def test_answer_that_was_not_found_is_not_wrong(tmp_path: Path, imported: Importer) -> None:
    lost = row(filtered_resps=["[invalid]"], exact_match=0.0)
    result, (run,) = imported(write(tmp_path / "x", "a", lost))
    assert (run.parsed_answer, run.is_correct, run.score) == (None, None, None)
    assert result.ungraded == 1
    assert run.scores is None


def test_multiple_choice(tmp_path: Path, imported: Importer) -> None:
    _, (run,) = imported(write(tmp_path / "x", "a", choices(-3.5, -0.5, -7)))
    assert run.raw_output == "[-3.5, -0.5, -7.0]"
    assert (run.parsed_answer, run.is_correct) == ("choice 1", False)


def test_older_lines(tmp_path: Path, imported: Importer) -> None:
    old = row(arguments=[["Q: old?", {"until": []}]])
    del old["metrics"], old["filter"], old["doc_hash"]
    _, (run,) = imported(write(tmp_path / "x", "a", old, results=False))
    assert (run.input_text, run.is_correct, run.sample_id) == ("Q: old?", True, None)
    assert (run.model, run.provider) == ("x", "")


def test_results_file_that_is_missing_is_told(tmp_path: Path, imported: Importer) -> None:
    result, (run,) = imported(write(tmp_path / "lab__m", "a", row(), results=False))
    assert "there is no results file next to it" in result.warnings[0]
    assert run.experiment_id == f"lab__m_{DATE}"
    assert run.created_at == datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def test_fields_from_elsewhere(tmp_path: Path, imported: Importer) -> None:
    _, (run,) = imported(
        write(tmp_path / "x", "a", row()),
        columns={"sample_id": "doc.id", "input_text": "doc.question", "task": "doc.topic"},
    )
    assert (run.sample_id, run.input_text, run.task) == ("q0", "0?", "sums")


def test_lines_that_were_appended_again(
    tmp_path: Path, imported: Importer, refused: Refused
) -> None:
    path = write(tmp_path / "x", "a", row(), row(target="new"))
    assert "is answered twice" in refused(path).message
    _, (run,) = imported(path, duplicates="latest")
    assert run.expected_answer == "new"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ('{"doc_id": 0, "doc": {}, "resps": []}\n{"doc_id": 1, "do', "line 2"),
        ('{"doc_id": "x", "doc": {}, "resps": []}', "has the doc_id 'x'"),
        ('{"doc_id": -1, "doc": {}, "resps": []}', "has the doc_id -1"),
        ('{"doc_id": 0, "doc": {}, "resps": []}\n[]', "line 2: it is a list, not an object"),
    ],
)
def test_broken_files(tmp_path: Path, refused: Refused, lines: str, message: str) -> None:
    path = tmp_path / f"samples_a_{DATE}.jsonl"
    path.write_text(lines, encoding="utf-8")
    assert message in refused(path).message


def test_filters_that_old_lines_do_not_name(tmp_path: Path, imported: Importer) -> None:
    lines = [row(n, exact_match=float(second)) for second in range(2) for n in range(2)]
    for line in lines:
        del line["metrics"], line["filter"]
    path = write(tmp_path / "x", "a", *lines)
    results = tmp_path / "x" / f"results_{DATE}.json"
    content = json.loads(results.read_text())
    content["configs"]["a"]["filter_list"] = [{"name": "strict"}, {"name": "flexible"}]
    content["results"]["a"] = {"exact_match,strict": 0.0, "exact_match,flexible": 1.0}
    results.write_text(json.dumps(content))
    result, runs = imported(path)
    assert [run.is_correct for run in runs] == [False, False]
    assert not any("its own" in warning for warning in result.warnings)
    assert {score.metric: score.value for score in runs[0].scores or ()} == {
        "f1,strict": 0.5, "exact_match,flexible": 1.0, "f1,flexible": 0.5,
    }  # fmt: skip


def test_a_figure_of_all_answers_at_once_is_named(tmp_path: Path, imported: Importer) -> None:
    path = write(
        tmp_path / "x", "a", row(metrics=["acc", "mcc"], acc=1.0, mcc=[1, 0], filter="none")
    )
    results = tmp_path / "x" / f"results_{DATE}.json"
    content = json.loads(results.read_text())
    content["results"]["a"] = {"acc,none": 0.0, "mcc,none": 0.25}
    content["configs"]["a"]["metric_list"] = [
        {"metric": "acc", "aggregation": "def agg_of_mine(items):\n    return 0\n"}
    ]
    results.write_text(json.dumps(content))
    result, _ = imported(path)
    assert [warning.partition(": ")[2] for warning in result.warnings] == [
        "its own aggregate (agg_of_mine) of acc is 0; the mean of the 1 samples that were imported "
        "is 1",
        "its own mcc is 0.25, of all answers at once: no single one has a value",
    ]


def test_totals_alone_are_left_out_of_a_folder(tmp_path: Path, imported: Importer) -> None:
    write(tmp_path / "x", "a", row()).unlink()
    write(tmp_path / "y", "b", row(0))
    result, runs = imported(tmp_path)
    assert len(runs) == 1
    assert any("has totals only" in one and "left out" in one for one in result.warnings)


def test_totals_alone_are_no_runs(tmp_path: Path, refused: Refused) -> None:
    write(tmp_path / "x", "a", row()).unlink()
    error = refused(tmp_path / "x" / f"results_{DATE}.json")
    assert "has totals only" in error.message
    assert "--log_samples" in str(error.hint)


@given(st.dictionaries(
    st.sampled_from([*row(), "acc"]),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=8,
    ),
))  # fmt: skip
def test_values_of_any_kind_are_taken_or_refused(
    tmp_path: Path, imported: Importer, values: dict[str, Any]
) -> None:
    path = write(tmp_path / "x", "a", {**row(), **values})
    try:
        result, _ = imported(path, format_name="lm-eval")
    except ResultsError:
        return
    assert result.read == 1
