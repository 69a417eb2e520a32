"""`ml-agents edit`: names, tags, notes and the primary metric of an experiment."""

from pathlib import Path

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from tests.commands import call, document, refusal


@pytest.fixture
def filled(processor: ResultsProcessor, db_path: Path) -> Path:
    metrics = [
        MetricRecord("exact", "binary", 0, 1, True, is_primary=True),
        MetricRecord("f1", "numeric", 0, 1, True),
    ]
    processor.save_experiment("e", {"samples": 1}, name="Old", metrics=metrics)
    scores = [ScoreRecord(0.25, metric="f1")]
    processor.save_run(RunRecord("e", "a", 0, raw_output="x", is_correct=True, scores=scores))
    return db_path


def test_names_tags_and_notes(filled: Path, processor: ResultsProcessor) -> None:
    edit = ("edit", "--experiment-id", "e", "--db-path", filled)
    call(*edit, "--name", "New", "--add-tag", "prod,v2", "--note", "good one")
    edited = document(*edit, "--remove-tag", "v2", "--add-tag", "prod", "--note", "still")
    assert (edited["name"], edited["tags"], edited["metric"]) == ("New", ["prod"], "exact")
    assert [note["text"] for note in edited["notes"]] == ["good one", "still"]
    record = processor.get_experiment("e")
    assert (record.tags_json, record.config_json) == (["prod"], {"samples": 1})
    assert document("list", "--db-path", filled)["experiments"][0]["tags"] == ["prod"]
    assert "intact" in call("db-check", "--db-path", filled).output


def test_another_primary_metric_loses_nothing(filled: Path, processor: ResultsProcessor) -> None:
    edit = ("edit", "--experiment-id", "e", "--db-path", filled)
    assert document(*edit, "--primary", "f1")["metric"] == "f1"
    (run,) = processor.iter_runs("e")
    assert (run.is_correct, run.score) == (None, 0.25)
    assert {score.metric: score.value for score in run.scores or ()}["exact"] == 1
    assert document(*edit, "--primary", "exact")["metric"] == "exact"
    (run,) = processor.iter_runs("e")
    assert (run.is_correct, run.score) == (True, None)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "nothing to change is given"),
        (["--remove-tag", "prod"], 2, "e has no tag 'prod'"),
        (["--primary", "bleu"], 3, "experiment 'e' has no metric 'bleu'"),
    ],
)
def test_what_cannot_be_edited(filled: Path, options: list[str], code: int, message: str) -> None:
    said, _ = refusal("edit", "--experiment-id", "e", *options, "--db-path", filled, code=code)
    assert said == message
