import io
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from ml_agents_results.formats.exporting import export
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord
from tests.formats.writers.sample_experiments import all_runs, run


def read(path: Path) -> list[RunRecord]:
    return [_record(json.loads(line)) for line in path.read_bytes().splitlines()]


def _record(values: dict[str, Any]) -> RunRecord:
    values["created_at"] = datetime.fromisoformat(values["created_at"])
    metrics = values["parsing_metrics"]
    values["parsing_metrics"] = metrics and ParsingMetrics(**metrics)
    return RunRecord(**values)


def test_a_runs_file_holds_every_run_as_it_was(processor: ResultsProcessor, tmp_path: Path) -> None:
    for name in ("exp", "odd", "failed"):
        path = tmp_path / f"{name}.jsonl"
        export(processor.database, name, path)
        assert read(path) == all_runs(processor, name)


def test_several_experiments_follow_each_other_in_the_order_asked_for(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    export(processor.database, ["second", "exp"], tmp_path / "two.jsonl")
    assert read(tmp_path / "two.jsonl") == all_runs(processor, "second", "exp")


def test_an_experiment_without_runs_gives_an_empty_file(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    export(processor.database, "none", tmp_path / "none.jsonl")
    assert (tmp_path / "none.jsonl").read_bytes() == b""


def test_metadata_that_json_cannot_hold_does_not_break_the_line(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    """Databases of other programs hold NaN, lists and wide integers there."""
    stored = ['{"a": NaN}', "[1, 2]", '{"wide": 123456789012345678901234567890}']
    with processor.database.write() as connection:
        for sample, text in enumerate(stored):
            connection.exec_driver_sql(
                "UPDATE runs SET metadata_json = ? WHERE experiment_id = 'second' "
                "AND sample_index = ?",
                (text, sample),
            )
    export(processor.database, "second", tmp_path / "out.jsonl")
    by_sample = {one.sample_index: one.metadata_json for one in read(tmp_path / "out.jsonl")}
    assert by_sample[0] == {"a": None}
    assert by_sample[1] == {"value": [1, 2]}
    assert by_sample[2] == {"wide": 123456789012345678901234567890}


def test_progress_adds_up_to_the_runs_written(processor: ResultsProcessor, tmp_path: Path) -> None:
    processor.save_runs([run("second", sample) for sample in range(1203)])
    steps: list[int] = []
    export(
        processor.database,
        ["second", "exp"],
        tmp_path / "out.jsonl",
        progress=steps.append,
    )
    assert sum(steps) == len(all_runs(processor, "second", "exp")) > 1203


def test_runs_go_to_standard_output(processor: ResultsProcessor, capfdbinary: Any) -> None:
    export(processor.database, "exp", "-", "jsonl")
    lines = capfdbinary.readouterr().out
    assert [json.loads(line)["id"] for line in io.BytesIO(lines)] == [
        one.id for one in all_runs(processor, "exp")
    ]
