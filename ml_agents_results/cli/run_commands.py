"""run, resume: experiments that ask real models."""

import signal
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ml_agents_results.cli.shared import (
    DbPath,
    DbUrl,
    ExperimentId,
    Json,
    closed_at_end,
    emit_json,
    listed,
    named_database,
    open_database,
    print_table,
    printable,
    resolve_id,
    say,
)
from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ml_agents_results.config import DatabaseConfig
    from ml_agents_results.experiments.progress import Progress
    from ml_agents_results.experiments.session import RunSummary
    from ml_agents_results.processor import ResultsProcessor

PARTLY = 5
"""The exit code of an experiment with failed runs."""

Concurrency = Annotated[
    int | None,
    typer.Option(
        "--concurrency", help="Questions in flight at once. [default: 4; resuming: as before]"
    ),
]
Timeout = Annotated[
    float | None, typer.Option("--timeout", help="Seconds for one attempt of one call.")
]
MaxRetries = Annotated[
    int | None,
    typer.Option(
        "--max-retries", help="Attempts beyond the first. [default: 5; resuming: as before]"
    ),
]
PerMinute = Annotated[
    float | None, typer.Option("--requests-per-minute", help="Attempts a minute at most.")
]
BaseUrl = Annotated[
    str | None,
    typer.Option(
        "--base-url", metavar="URL", help="An OpenAI-compatible endpoint: vLLM, Ollama, ..."
    ),
]
Prompts = Annotated[
    str | None,
    typer.Option("--prompts", metavar="DIR", help="Prompts that replace those of the package."),
]
OutputDir = Annotated[
    str | None,
    typer.Option(
        "--output-dir",
        metavar="DIR",
        help="Where a folder with the CSV and JSON files is made. [default: ./outputs; resuming: "
        "as before]",
    ),
]
DatasetSource = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        metavar="SOURCE",
        help="A .jsonl, .csv or BIG-Bench .json file, a folder of them, a Hugging Face name "
        "(owner/name), or `builtin`. [default: builtin; resuming: as before]",
    ),
]


def run(
    approach: Annotated[
        list[str] | None,
        typer.Option(
            "--approach",
            metavar="NAME,...",
            help="None, CoT, PoT, Reflection, RAP, CoVe, SoT, ToT; with commas or repeated. "
            "[default: None]",
        ),
    ] = None,
    dataset: DatasetSource = None,
    samples: Annotated[
        int | None, typer.Option("--samples", help="Questions of each task. [default: all]")
    ] = None,
    repeats: Annotated[
        int | None, typer.Option("--repeats", help="How often each is asked. [default: 1]")
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            help="local, openai, openrouter, anthropic. [default: local, where installed]",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Its name there; a .gguf file for `local`.")
    ] = None,
    base_url: BaseUrl = None,
    temperature: Annotated[float | None, typer.Option("--temperature")] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", help="Tokens of one answer at most.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed")] = None,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
    max_retries: MaxRetries = None,
    requests_per_minute: PerMinute = None,
    parsing: Annotated[
        str | None,
        typer.Option("--parsing", help="auto, instructor, regex, manual. [default: auto]"),
    ] = None,
    grader: Annotated[
        str | None, typer.Option("--grader", help="exact, any_of, or a plug-in. [default: exact]")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="Which column holds input, target, id or task. Repeatable.",
        ),
    ] = None,
    prompts: Prompts = None,
    allow_code_execution: Annotated[
        bool | None,
        typer.Option(
            "--allow-code-execution",
            help="Let ProgramOfThought run the model's programs (docs/running.md).",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="A title for people.")] = None,
    description: Annotated[str | None, typer.Option("--description")] = None,
    config: Annotated[
        str | None,
        typer.Option("--config", metavar="FILE", help="Settings in YAML; options go before them."),
    ] = None,
    experiment_id: Annotated[
        str | None, typer.Option("--experiment-id", help="An id of your own.")
    ] = None,
    save_to_db: Annotated[
        bool | None,
        typer.Option("--save-to-db/--no-save-to-db", help="[default: save]", show_default=False),
    ] = None,
    db_path: DbPath = None,
    db_url: DbUrl = None,
    output_dir: OutputDir = None,
    as_json: Json = False,
) -> None:
    """Ask models, and record every answer as it arrives."""
    from ml_agents_results.config import ExperimentConfig
    from ml_agents_results.experiments.config_file import read_config
    from ml_agents_results.experiments.runner import ExperimentRunner

    settings = read_config(config) if config is not None else {}
    given = {
        "approaches": None if approach is None else listed(approach),
        "dataset": dataset,
        "samples": samples,
        "repeats": repeats,
        "provider": provider,
        "model": model,
        "base_url": base_url,
        "temperature": temperature,
        "max_tokens": max_tokens,
        "seed": seed,
        "concurrency": concurrency,
        "timeout": timeout,
        "max_retries": max_retries,
        "requests_per_minute": requests_per_minute,
        "parsing": parsing,
        "grader": grader,
        "columns": _mapping(columns),
        "prompts": prompts,
        "allow_code_execution": allow_code_execution,
        "name": name,
        "description": description,
        "output_dir": output_dir,
    }
    study = ExperimentConfig.from_dict(
        {**settings, **{name: value for name, value in given.items() if value is not None}}
    )
    processor = None
    if study.database.enabled if save_to_db is None else save_to_db:
        if db_path is None and db_url is None:
            named = settings.get("database") or {}
            db_path, db_url = named.get("db_path"), named.get("url")
        processor = partial(_processor, db_path, db_url, study.database)
    elif db_path is not None or db_url is not None:
        raise UsageError("--no-save-to-db with a database", "Leave one of them out.")
    runner = ExperimentRunner(study, processor, _progress())
    with _stopping_gently():
        summary = runner.run(experiment_id)
    _report(summary, as_json)


def resume(
    experiment_id: ExperimentId,
    from_database: Annotated[
        bool, typer.Option("--from-database", help="What is done is what the database holds.")
    ] = True,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Ask failed runs again, too.")
    ] = False,
    dataset: DatasetSource = None,
    base_url: BaseUrl = None,
    concurrency: Concurrency = None,
    timeout: Timeout = None,
    max_retries: MaxRetries = None,
    requests_per_minute: PerMinute = None,
    prompts: Prompts = None,
    db_path: DbPath = None,
    db_url: DbUrl = None,
    output_dir: OutputDir = None,
    as_json: Json = False,
) -> None:
    """Ask what is missing of an experiment, and nothing twice."""
    from ml_agents_results.config import ExperimentConfig
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.processor import ResultsProcessor

    database = open_database(db_path, db_url)
    with database.read() as connection:
        experiment = resolve_id(connection, experiment_id)
    extra = {
        "base_url": base_url,
        "concurrency": concurrency,
        "timeout": timeout,
        "max_retries": max_retries,
        "requests_per_minute": requests_per_minute,
        "prompts": prompts,
        "output_dir": output_dir,
    }
    changes = ExperimentConfig(
        dataset=dataset, extra={name: value for name, value in extra.items() if value is not None}
    )
    runner = ExperimentRunner(changes, ResultsProcessor(database), _progress())
    with _stopping_gently():
        summary = runner.resume(experiment, retry_failed)
    if not summary.asked:
        say(f"Nothing was left to ask of {experiment}.")
    _report(summary, as_json)


def _mapping(values: list[str] | None) -> dict[str, str] | None:
    if values is None:
        return None
    pairs = [value.partition("=") for value in values]
    for field, equals, column in pairs:
        if not (field and equals and column):
            raise UsageError(
                f"--map {field}{equals}{column}", "It looks like --map input=question."
            )
    return {field: column for field, _, column in pairs}


def _processor(
    db_path: str | None, db_url: str | None, settings: "DatabaseConfig"
) -> "ResultsProcessor":
    from dataclasses import replace

    from ml_agents_results.database.engine import Database
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.processor import ResultsProcessor

    place = named_database(db_path, db_url, create=True).config
    database = closed_at_end(
        Database(replace(settings, enabled=True, db_path=place.db_path, url=place.url))
    )
    if DatabaseManager(database).initialize_schema():
        say(f"Created the database {database}.")
    return ResultsProcessor(database)


def _progress() -> "Progress":
    from rich.console import Console

    from ml_agents_results.experiments.progress import progress_on

    return progress_on(Console(stderr=True))


@contextmanager
def _stopping_gently() -> "Iterator[None]":
    """A polite kill is treated as Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(summary: "RunSummary", as_json: bool) -> None:
    if as_json:
        emit_json(summary.document())
    else:
        columns = ["approach", "accuracy", "runs", "failed", "unparsed", "ungraded", "cost (USD)"]
        rows = [
            (
                tally.approach_name,
                None if tally.accuracy is None else f"{tally.accuracy:.1%}",
                tally.runs,
                tally.failed,
                tally.unparsed,
                tally.ungraded,
                tally.total_cost,
            )
            for tally in summary.variants
        ]
        print_table(columns, rows, numbers=6)
        typer.echo(f"Experiment {printable(summary.experiment_id)}: {summary.status}")
        typer.echo(f"Files: {printable(summary.output_dir)}")
    if summary.failed:
        say(f"{summary.failed} of {summary.planned_runs} runs failed; see experiment_errors.json.")
        raise typer.Exit(PARTLY)
