"""Every Eval Ever: samples with totals beside them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from ml_agents_results.errors import ResultsError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ScoreRecord
from tests.formats.readers.conftest import Importer
from tests.formats.readers.every_eval_ever_files import UUID, line, write

Refused = Callable[..., ResultsError]


def test_every_field(tmp_path: Path, imported: Importer, processor: ResultsProcessor) -> None:
    told, (run,) = imported(write(tmp_path / "x", line()))
    assert run.experiment_id == "arith_lab_m_1767"
    assert (run.approach_name, run.provider, run.model) == ("ChainOfThought", "openrouter", "lab/m")
    assert (run.task, run.sample_index, run.sample_id) == ("arith", 0, "q1")
    assert (run.input_text, run.expected_answer) == ("2+2?", "4")
    assert (run.raw_output, run.parsed_answer, run.parsing_method) == ("It is 4", "4", "regex")
    assert (run.is_correct, run.score, run.execution_time_ms) == (True, None, 812)
    assert (run.prompt_tokens, run.completion_tokens, run.cost_estimate) == (20, 5, None)
    assert run.created_at == datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC)
    assert (run.metadata_json or {})["prompt"] == "Q: 2+2?"
    assert told.sources[0]["chosen"] == {
        "metric": "accuracy (the first in the file)",
        "approach": "ChainOfThought (metadata.approach)",
    }
    experiment = processor.get_experiment(run.experiment_id)
    assert (experiment.name, experiment.status) == ("our lab", "completed")
    assert experiment.environment_json["tool"] == "inspect_ai"
    again, _ = imported(tmp_path)
    assert (again.read, again.skipped) == (1, 1)


def test_one_result_is_the_grade(tmp_path: Path, imported: Importer, refused: Refused) -> None:
    other = line(evaluation_result_id="r2", evaluation={"score": 0.5, "is_correct": False})
    path = write(tmp_path / "x", line(), other)
    assert refused(path, metric="x").hint == "Its metrics are: accuracy, f1"
    _, (run,) = imported(path)
    assert (run.is_correct, run.scores) == (True, [ScoreRecord(0.5, metric="f1")])
    _, (run,) = imported(path, metric="f1")
    assert (run.score, run.is_correct) == (0.5, None)


def test_failed_repeated_and_conversations(tmp_path: Path, imported: Importer) -> None:
    talk = [{"role": "assistant", "content": "hm"}, {"role": "assistant", "content": "five"}]
    _, runs = imported(
        write(
            tmp_path / "x",
            line(error="timeout"),
            line(),
            line("q2", output=None, messages=talk, interaction_type="multi_turn", metadata=None),
            totals=False,
        ),
        approach="None",
    )
    assert [(run.sample_id, run.repeat_index, run.is_correct, run.error) for run in runs] == [
        ("q1", 0, None, "timeout"), ("q1", 1, True, None), ("q2", 0, True, None),
    ]  # fmt: skip
    assert runs[2].raw_output == "five"


def test_totals_alone_are_no_runs(tmp_path: Path, refused: Refused) -> None:
    write(tmp_path / "x", line()).unlink()
    assert "has totals only" in refused(tmp_path / "x" / f"{UUID}.json").message


def test_line_without_an_id(tmp_path: Path, refused: Refused) -> None:
    assert "line 2 has no sample_id" in refused(write(tmp_path / "x", line(), line(None))).message


def test_ids_of_mixed_type(tmp_path: Path, refused: Refused) -> None:
    assert "whose id is a number" in refused(write(tmp_path / "x", line("1"), line(1))).message


def test_scores_that_the_totals_call_unknown(tmp_path: Path, imported: Importer) -> None:
    unknown = line(evaluation={"score": -1, "is_correct": False})
    path = write(tmp_path / "x", unknown, line("q2", evaluation={"score": -1, "is_correct": False},
                                               evaluation_name="other",
                                               evaluation_result_id="r2"))  # fmt: skip
    totals = path.with_name(f"{UUID}.json")
    document = json.loads(totals.read_text(encoding="utf-8"))
    document["evaluation_results"][0]["metric_config"]["has_unknown_level"] = True
    totals.write_text(json.dumps(document), encoding="utf-8")
    _, runs = imported(path)
    assert {run.sample_id: (run.score, run.is_correct) for run in runs} == {
        "q1": (None, None),
        "q2": (-1, None),
    }
