"""Experiments to export: an ordinary one, and one of texts that formats cannot hold."""

from datetime import UTC, datetime, timedelta

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ParsingMetrics, RunRecord
from ml_agents_results.repositories.run_repository import RunRepository

START = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)

ODD_TEXTS = (
    "",
    "\x00\x01\x1b[31m\x7f",
    "\ud800 alone \udfff",
    "\ufdd0 and \ufdd00041",
    "]]> </script><script>alert(1)</script> \\input{x} %&$#_{}~^",
    "=HYPERLINK('x')",
    "-1+1",
    'quote " comma , semicolon ;\r\nline\rreturn\n\nend\n',
    "emoji 🧪 \u202e right to left \u2028 separator",
    "_x0041_ | pipe `code` *star* <b>",
)


def save_experiments(processor: ResultsProcessor) -> None:
    """exp (two variants), second (one), odd (texts), none (no runs), failed."""
    processor.save_experiment(
        "exp", {"dataset": "sums", "seed": 7}, name="Sums", status="completed"
    )
    processor.save_runs(study())
    processor.save_experiment("second", {}, name='it\'s "quoted"\nand\u2028/../odd 🧪')
    processor.save_runs([run("second", sample, "Reflection") for sample in range(12)])
    processor.save_experiment("odd", {"text": "\x00 \ud800"}, name="odd", description="\ud800")
    processor.save_runs(odd("odd"))
    processor.save_experiment("none", {})
    processor.save_experiment("failed", {})
    processor.save_runs(
        [
            run("failed", sample, is_correct=None, error="down", raw_output=None)
            for sample in range(3)
        ]
    )


def run(experiment_id: str, sample: int, approach: str = "None", **values: object) -> RunRecord:
    """A graded run of which everything is known."""
    fields: dict[str, object] = {
        "experiment_id": experiment_id,
        "approach_name": approach,
        "provider": "openai",
        "model": "m-1",
        "task": f"task {sample % 3}",
        "sample_index": sample,
        "sample_id": f"s{sample}",
        "input_text": f"What is {sample} + 1?",
        "expected_answer": str(sample + 1),
        "raw_output": f"It is {sample + 1}.",
        "parsed_answer": str(sample + 1),
        "parsing_method": "regex",
        "parsing_confidence": 0.5 + (sample % 5) / 10,
        "is_correct": True,
        "execution_time_ms": 100 + sample,
        "cost_estimate": 0.001 * (sample + 1),
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "created_at": START + timedelta(seconds=sample),
        "metadata_json": {"temperature": 0.0, "nested": {"a": [1, None, "é"]}},
        "parsing_metrics": ParsingMetrics(1, False, 0.9, 3, None),
    }
    return RunRecord(**{**fields, **values})  # type: ignore[arg-type]


def study(experiment_id: str = "exp", samples: int = 30) -> list[RunRecord]:
    """Two variants of which one is better, with wrong, failed and ungraded runs among them."""
    runs = []
    for sample in range(samples):
        runs.append(run(experiment_id, sample, is_correct=sample % 2 == 0))
        runs.append(
            run(
                experiment_id,
                sample,
                "ChainOfThought",
                is_correct=sample % 5 != 0,
                execution_time_ms=900 + 7 * sample,
                cost_estimate=0.004,
            )
        )
    runs[3] = run(
        experiment_id,
        1,
        "ChainOfThought",
        is_correct=None,
        error="HTTP 500: overloaded",
        raw_output=None,
        parsed_answer=None,
        parsing_method=None,
        parsing_confidence=None,
        execution_time_ms=None,
        cost_estimate=None,
        metadata_json=None,
        parsing_metrics=None,
    )
    runs[5] = run(experiment_id, 2, "ChainOfThought", is_correct=None, parsed_answer=None)
    return runs


def odd(experiment_id: str) -> list[RunRecord]:
    """A run for each text that some format cannot hold."""
    return [
        run(
            experiment_id,
            place,
            task=text[:20],
            sample_id=text,
            input_text=text,
            expected_answer=text,
            raw_output=text,
            parsed_answer=text,
            metadata_json={"text": text, text: 1},
            parsing_metrics=ParsingMetrics(error_details=text),
            is_correct=None if place % 2 else True,
            error=text if place % 2 else None,
        )
        for place, text in enumerate(ODD_TEXTS)
    ]


def all_runs(processor: ResultsProcessor, *experiment_ids: str) -> list[RunRecord]:
    with processor.database.read() as connection:
        repository = RunRepository(connection)
        return [one for name in experiment_ids for one in repository.iterate([name])]
