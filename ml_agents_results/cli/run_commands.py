"""run, resume: experiments that ask models and record the answers."""

import signal
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_agents_results.cli.database_options import DatabaseOptions, closed_at_end, created
from ml_agents_results.cli.estimate_table import print_estimate
from ml_agents_results.cli.experiment_lookup import EXPERIMENT, resolve_id
from ml_agents_results.cli.help_panels import DATABASE, MODEL, QUESTIONS
from ml_agents_results.cli.option_groups import Names, flag, grouped, option
from ml_agents_results.cli.option_values import completing, listed, pairs
from ml_agents_results.cli.output_options import JSON, PARTLY, emit_json
from ml_agents_results.cli.setting_options import SettingOptions, named_models
from ml_agents_results.errors import UsageError
from ml_agents_results.records import APPROACHES
from ml_agents_results.reports.terminal import print_report, say, write

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ml_agents_results.config import DatabaseConfig
    from ml_agents_results.experiments.execution import RunSummary
    from ml_agents_results.experiments.progress import Progress
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.reports.report import Report

_MODEL = option(
    "NAME,...",
    "Model at the provider; a .gguf file for `local`; provider:model for one elsewhere. Several, "
    "with commas or repeated, have a --concurrency of their own each.",
    panel=MODEL,
)


@grouped
def run(
    approach: Names = option(
        "NAME,...",
        f"{', '.join(APPROACHES)}; or your own: name=prompt.md, module:function. With commas or "
        "repeated. [default: None]",
        autocompletion=completing(lambda: APPROACHES),
    ),
    columns: Names = option(
        "FIELD=COLUMN",
        "The dataset's column for input, target, id or task. Repeatable.",
        "--map",
        panel=QUESTIONS,
    ),
    model: Names = _MODEL,
    *,
    settings: Annotated[dict[str, Any], SettingOptions()],
    config: str | None = option("FILE", "Settings in YAML; options override them."),
    experiment_id: str | None = option("ID", "Id of the new experiment. [default: generated]"),
    save_to_db: bool | None = option(
        None,
        "Record the answers in the database. [default: save-to-db]",
        "--save-to-db/--no-save-to-db",
        panel=DATABASE,
        show_default=False,
    ),
    extend: str | None = option(
        "ID",
        "Add to this experiment: new totals of --samples and --repeats, further --model and "
        "--approach. Existing runs are not asked again.",
    ),
    dry_run: bool = flag("--dry-run", "Print calls, tokens and cost, and ask nothing."),
    pilot: int | None = option(
        "N",
        "With --dry-run: ask this many questions of each variant, to estimate from them.",
        min=1,
    ),
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Ask models and record every answer as it arrives."""
    from ml_agents_results.config import ExperimentConfig
    from ml_agents_results.experiments.config_file import read_config, read_text
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.experiments.study import prepare

    if pilot is not None and not dry_run:
        raise UsageError("--pilot goes with --dry-run", "Add --dry-run, or leave it out.")
    if "system" in settings:
        settings["system"] = read_text(settings["system"])
    if extend is not None:
        if config or columns or experiment_id or save_to_db is False:
            raise UsageError(
                "--extend takes the settings of the experiment",
                "Leave out --config, --map, --experiment-id and --no-save-to-db.",
            )
        added = {"approaches": listed(approach), "models": listed(model)}
        _extend(extend, added, settings, dry_run, pilot, where, as_json)
        return
    file = read_config(config) if config is not None else {}
    given = {
        "approaches": None if approach is None else listed(approach),
        "columns": pairs("--map", columns, "input=question") or None,
        **named_models(model),
        **settings,
    }
    if model is not None:
        file.pop("model", None)
        file.pop("models", None)
    study = ExperimentConfig.from_dict(
        {**file, **{name: value for name, value in given.items() if value is not None}}
    )
    if dry_run:
        planned = prepare(study)
        print_estimate(planned, bytearray(len(planned.plan)), pilot, where, as_json)
        return
    processor = None
    if study.database.enabled if save_to_db is None else save_to_db:
        if not where.given:
            named = file.get("database") or {}
            where = DatabaseOptions(named.get("db_path"), named.get("url"))
        processor = partial(_processor, where, study.database)
    elif where.given:
        raise UsageError("--no-save-to-db and a database cannot be combined", "Leave one out.")
    study.database.enabled = processor is not None
    runner = ExperimentRunner(study, processor, _progress(), experiment_id=experiment_id)
    with _stopping_gently():
        summary = runner.run()
    _report(summary, as_json, None if processor is None else where.repeated)


@grouped
def resume(
    experiment_id: list[str] = EXPERIMENT,
    from_database: bool = flag(
        "--from-database",
        "Take finished runs from the database, as always.",
        default=True,
        show_default=False,
    ),
    retry_failed: bool = flag("--retry-failed", "Also ask failed runs again."),
    retry: Names = option(
        "OUTCOME,...",
        "Also ask runs again that `failed`, or were `truncated`: cut off at the token limit.",
        autocompletion=completing(lambda: ("failed", "truncated")),
    ),
    max_tokens: int | None = option(
        "N",
        "With --retry truncated: the new limit of those runs, recorded with each; no others are "
        "asked.",
        panel=MODEL,
        min=1,
    ),
    approach: Names = option(
        "NAME,...", "Approaches of your own, given again for an experiment from elsewhere."
    ),
    model: Names = option(
        "NAME,...", "The same models, given again for an experiment from elsewhere.", panel=MODEL
    ),
    *,
    settings: Annotated[dict[str, Any], SettingOptions(resuming=True)],
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Resume an experiment; only missing runs are asked."""
    given = {**settings, **named_models(model)}
    if approach is not None:
        given["approaches"] = listed(approach)
    runner = _runner(experiment_id, given, where)
    with _stopping_gently():
        summary = runner.resume(
            retry_failed=retry_failed, retry=listed(retry), max_tokens=max_tokens
        )
    _end(summary, as_json, where.repeated)


def _extend(
    experiment_id: str,
    added: dict[str, Any],
    settings: dict[str, Any],
    dry_run: bool,
    pilot: int | None,
    where: DatabaseOptions,
    as_json: bool,
) -> None:
    """Adds to an experiment, or prints what that would ask."""
    from ml_agents_results.experiments.extension import Extension

    added |= {name: settings.pop(name) for name in ("samples", "repeats") if name in settings}
    runner = _runner([experiment_id], settings, where)
    if dry_run:
        planned = runner.planned(Extension(**added))
        print_estimate(*planned, pilot, where, as_json)
        return
    with _stopping_gently():
        summary = runner.extend(**added)
    _end(summary, as_json, where.repeated)


def _runner(
    references: "Sequence[str]", settings: dict[str, Any], options: DatabaseOptions
) -> "ExperimentRunner":
    """The runner of an experiment that is there, with the settings that were given anew."""
    from ml_agents_results.config import ExperimentConfig
    from ml_agents_results.experiments.runner import ExperimentRunner
    from ml_agents_results.processor import ResultsProcessor

    database = options.current()
    with database.read() as connection:
        experiment = resolve_id(connection, references)
    processor = ResultsProcessor(database)
    return ExperimentRunner(
        ExperimentConfig(**settings), processor, _progress(), experiment_id=experiment
    )


def _end(summary: "RunSummary", as_json: bool, option: str) -> None:
    if not summary.asked:
        say(f"Nothing is left to ask in {summary.experiment_id}.")
    _report(summary, as_json, option)


def _processor(options: DatabaseOptions, settings: "DatabaseConfig") -> "ResultsProcessor":
    from dataclasses import replace

    from ml_agents_results.database.engine import Database
    from ml_agents_results.processor import ResultsProcessor

    named = options.named(create=True).config
    database = closed_at_end(
        Database(replace(settings, enabled=True, db_path=named.db_path, url=named.url))
    )
    created(database)
    return ResultsProcessor(database)


def _progress() -> "Progress":
    from rich.console import Console

    from ml_agents_results.experiments.progress import progress_on

    return progress_on(Console(stderr=True))


@contextmanager
def _stopping_gently() -> "Iterator[None]":
    """Treats SIGTERM like Ctrl-C."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _report(summary: "RunSummary", as_json: bool, option: str | None) -> None:
    """Prints what was done and what to do next; `option` names the database, if it was saved."""
    if as_json:
        emit_json(summary.document())
    else:
        print_report(_tallies(summary))
        for look in summary.looks:
            write(f"{look}.")
        early = ", ended early since the differences are clear" if summary.stopped_early else ""
        write(f"Experiment {summary.experiment_id}: {summary.status}{early}")
        write(f"Files: {summary.output_dir}")
        if summary.from_cache:
            stored = f"{summary.from_cache} of {summary.asked} runs have answers of the cache"
            write(f"{stored}, which have neither time nor cost.")
        if option is not None:
            command = "compare" if len(summary.variants) > 1 else "analyze"
            say(f"Next: ml-agents {command} --experiment-ids {summary.experiment_id}{option}")
    if summary.failed:
        say(f"{summary.failed} of {summary.planned_runs} runs failed; see experiment_errors.json.")
    if summary.grading_errors:
        say(f"{summary.grading_errors} answers have no grade: {summary.grading_error}")
        score = f"ml-agents score --experiment-id {summary.experiment_id}{option or ''}"
        say(f"Grade them again: {score} --primary --grader NAME")
    if summary.failed or summary.grading_errors or summary.status != "completed":
        raise typer.Exit(PARTLY)


def _tallies(summary: "RunSummary") -> "Report":
    """One table: the variants with accuracies, their intervals, counts and costs."""
    from ml_agents_results.reports.columns import COLUMNS, columns
    from ml_agents_results.reports.report import Report, Table, View

    rows = []
    for tally in summary.variants:
        low, high = tally.interval
        rows.append({**tally.document(), "ci_low": low, "ci_high": high})
    names = ("approach_name", "provider", "model")
    different = [name for name in names if len({row[name] for row in rows}) > 1]
    shown = columns(
        *(different or names[:1]),
        *("accuracy", "ci", "runs", "failed", "unparsed", "ungraded"),
        "total_cost",
        level="95%",
    )
    view = View("variants", "Accuracy", shown, rows, interval=COLUMNS["accuracy_ci"])
    return Report("Run", [Table("Variants", shown, rows, [view])])
