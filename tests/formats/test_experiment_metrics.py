"""The metrics of an experiment over all files that are imported into it."""

import json
from pathlib import Path
from typing import Any

from ml_agents_results.formats.importing import ImportResult, load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from tests.formats.readers.inspect_logs import log, sample, write_json
from tests.formats.writers.sample_experiments import all_runs


def imported(
    processor: ResultsProcessor, path: Path, *values: Any, name: str = "s", **options: Any
) -> ImportResult:
    samples = [sample(n, scores={name: {"value": one}}) for n, one in enumerate(values)]
    known = json.loads(json.dumps(log(*samples)))
    known["eval"]["task"] = path.stem
    given = ImportOptions(experiment_id="e", **options)
    return load(processor.database, [LogSource(write_json(path, known))], given)


def kinds(result: ImportResult) -> list[tuple[str, str, bool]]:
    return [(one["name"], one["kind"], one["is_primary"]) for one in result.metrics]


def values(processor: ResultsProcessor) -> list[tuple[str, bool | None, float | None]]:
    return [(run.task, run.is_correct, run.score) for run in all_runs(processor, "e")]


def test_a_later_file_with_other_values_makes_the_metric_numeric(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    assert kinds(imported(processor, tmp_path / "a.json", 0, 1)) == [("s", "binary", True)]
    assert kinds(imported(processor, tmp_path / "b.json", 1, 0.5)) == [("s", "numeric", True)]
    assert values(processor) == [
        ("a", None, 0), ("a", None, 1), ("b", None, 1), ("b", None, 0.5),
    ]  # fmt: skip
    again = imported(processor, tmp_path / "a.json", 0, 1)
    assert (again.skipped, kinds(again)) == (2, [("s", "numeric", True)])


def test_a_metric_of_right_and_wrong_goes_before_a_number_of_an_earlier_file(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    first = imported(processor, tmp_path / "a.json", 0.2, 0.4, name="rouge")
    assert kinds(first) == [("rouge", "numeric", True)]
    second = imported(processor, tmp_path / "b.json", 1, 0, name="acc")
    # The choice of an earlier import stays, for figures do not change by an import.
    assert kinds(second) == [("rouge", "numeric", True), ("acc", "binary", False)]
    assert second.ungraded == 2
    assert "the primary metric of experiment e is rouge; acc is stored" in second.warnings[0]
    third = imported(processor, tmp_path / "b.json", 1, 0, name="acc", metric="acc")
    assert kinds(third)[0] == ("acc", "binary", True)
    assert values(processor) == [
        ("a", None, None), ("a", None, None), ("b", True, None), ("b", False, None),
    ]  # fmt: skip


def test_a_score_that_changed_is_a_conflict(tmp_path: Path, processor: ResultsProcessor) -> None:
    def samples(other: float) -> list[dict[str, Any]]:
        return [sample(1, scores={"s": {"value": 1}, "f1": {"value": other}})]

    def load_with(other: float) -> ImportResult:
        path = write_json(tmp_path / "a.json", log(*samples(other)))
        return load(processor.database, [LogSource(path)], ImportOptions(experiment_id="e"))

    assert load_with(0.5).inserted == 1
    assert load_with(0.5).skipped == 1
    changed = load_with(0.25)
    assert (changed.updated, changed.conflicts) == (1, 1)
    [run] = all_runs(processor, "e")
    assert [(one.metric, one.value) for one in run.scores or ()] == [("f1", 0.25)]
