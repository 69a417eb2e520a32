"""list, show, delete: experiments and their runs."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import typer

from ml_agents_results.cli.database_options import DatabaseOptions
from ml_agents_results.cli.experiment_lookup import EXPERIMENT, resolve_id
from ml_agents_results.cli.help_panels import OUTPUT
from ml_agents_results.cli.option_groups import flag, grouped, option
from ml_agents_results.cli.option_values import require_utf8
from ml_agents_results.cli.output_options import JSON, emit_json
from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.reports.terminal import print_report, print_table, say, write
from ml_agents_results.reports.wording import moment, percent

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ml_agents_results.records import RunRecord
    from ml_agents_results.repositories.experiment_repository import ExperimentCounts


@grouped
def list_(
    limit: int = option(
        "N",
        "Number of experiments to show (0: all). --json lists all.",
        default=50,
        panel=OUTPUT,
        min=0,
    ),
    *,
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """List the experiments, newest first."""
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository

    database = where.current()
    with database.read() as connection:
        lines = ExperimentRepository(connection).list()
    if as_json:
        emit_json({"experiments": [line.to_dict() for line in lines]})
        return
    if not lines:
        say(f"{database} holds no experiments yet. Import some with: ml-agents import FILE")
        return
    print_table(
        (
            "id",
            "name",
            "status",
            "created (UTC)",
            "runs",
            "graded",
            "failed",
            "variants",
            "accuracy",
        ),
        [
            (
                counts.id,
                counts.name,
                counts.status,
                moment(counts.created_at),
                _runs(counts, "/"),
                counts.graded,
                counts.failed,
                counts.variants,
                percent(counts.accuracy),
            )
            for counts in lines[: limit or None]
        ],
        numbers=5,
        titles=2,
    )
    if limit and len(lines) > limit:
        say(f"{len(lines) - limit:,} older ones are not shown; show all with: --limit 0")


def _runs(counts: "ExperimentCounts", of: str) -> str:
    """How many runs there are; of how many planned, where some are missing."""
    if counts.planned is None or counts.runs >= counts.planned:
        return f"{counts.runs:,}"
    return f"{counts.runs:,}{of}{counts.planned:,}"


@grouped
def show(
    experiment_id: list[str] = EXPERIMENT,
    run: str | None = option("RUN_ID", "Show one run with its texts."),
    sample: str | None = option(
        "TASK:INDEX", "Show the answers of all variants to one sample; also by its sample_id."
    ),
    *,
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Show one experiment, one of its runs, or all answers to one of its samples."""
    if run is not None and sample is not None:
        raise UsageError("--run and --sample cannot be combined", "Give one of them.")
    with where.current().read() as connection:
        chosen = resolve_id(connection, experiment_id)
        if run is not None:
            _show_run(connection, chosen, run, as_json)
        elif sample is not None:
            _show_sample(connection, chosen, sample, as_json)
        else:
            _show_experiment(connection, chosen, as_json)


@grouped
def delete(
    experiment_id: list[str] = EXPERIMENT,
    yes: bool = flag("--yes", "Delete without asking."),
    *,
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Delete an experiment with all its runs."""
    from ml_agents_results.database.manager import DatabaseManager
    from ml_agents_results.repositories.claim_repository import ClaimRepository
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository
    from ml_agents_results.repositories.run_repository import RunRepository
    from ml_agents_results.repositories.this_process import ThisProcess

    database = where.current()
    with database.read() as connection:
        chosen = resolve_id(connection, experiment_id)
        runs = RunRepository(connection).count(chosen)
        workers = ClaimRepository(connection, chosen).workers(ThisProcess())
    if workers:
        say(f"Note: it is being recorded by {', '.join(workers)}, which will end with an error.")
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError(
                f"this would delete experiment {chosen} with {runs:,} runs",
                "Confirm it with --yes.",
            )
        question = f"Delete experiment {chosen} with {runs:,} runs for good?"
        typer.confirm(question, abort=True, err=True)
    with database.write() as connection:
        runs = RunRepository(connection).count(chosen)
        ExperimentRepository(connection).delete(chosen)
    DatabaseManager(database).reclaim()
    if as_json:
        emit_json({"experiment_id": chosen, "deleted_runs": runs})
    else:
        write(f"Deleted experiment {chosen} with {runs:,} runs.")


def _show_experiment(connection: "Connection", experiment_id: str, as_json: bool) -> None:
    from ml_agents_results.formats.record_objects import experiment_object
    from ml_agents_results.reports.accuracy_report import summary_report
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository
    from ml_agents_results.repositories.filters import Filters
    from ml_agents_results.services.summary import SummaryService

    experiments = ExperimentRepository(connection)
    record, counts = experiments.get(experiment_id), experiments.counts(experiment_id)
    report = SummaryService(connection, Filters(experiment_id=(experiment_id,))).report()
    if as_json:
        numbers = {"runs": counts.runs, "graded": counts.graded, "failed": counts.failed}
        summary = report.to_dict()
        emit_json({**experiment_object(record), **numbers, "summary_statistics": summary})
        return
    imports = record.environment_json.get("imports", [])
    lines = {
        "Experiment": record.id,
        "Name": record.name,
        "Description": record.description,
        "Status": record.status,
        "Created": f"{moment(record.created_at)} UTC" if record.created_at else None,
        "Runs": f"{_runs(counts, ' of ')}, {counts.graded:,} graded, {counts.failed:,} failed",
        "Imported from": ", ".join(source["file"] for source in imports),
        **{f"Config {name}": value for name, value in record.config_json.items()},
    }
    _print_fields(lines)
    write()
    print_report(summary_report(report))


def _show_run(connection: "Connection", experiment_id: str, run_id: str, as_json: bool) -> None:
    from ml_agents_results.repositories.run_repository import RunRepository
    from ml_agents_results.repositories.score_repository import ScoreRepository

    require_utf8(run_id)
    run = RunRepository(connection).get(run_id)
    if run.experiment_id != experiment_id:
        raise NotFoundError(
            f"experiment {experiment_id} has no run {run_id}",
            f"It belongs to: --experiment-id {run.experiment_id}",
        )
    run.scores = list(ScoreRepository(connection).of_run(run_id)) or None
    values = asdict(run)
    if as_json:
        emit_json(values)
        return
    values["scores"] = _scores(run)
    texts = {name: values.pop(name) for name in ("input_text", "raw_output")}
    _print_fields(values)
    for name, text in texts.items():
        _print_text(name, text)


def _show_sample(connection: "Connection", experiment_id: str, sample: str, as_json: bool) -> None:
    from ml_agents_results.repositories.run_repository import RunRepository
    from ml_agents_results.repositories.score_rows import scores_of_runs

    require_utf8(sample)
    # The name of a task may hold colons.
    task, _, number = sample.rpartition(":")
    repository = RunRepository(connection)
    is_index = number.isascii() and number.isdigit() and len(number) < 10
    runs = repository.of_sample(experiment_id, task, int(number)) if is_index else []
    if not runs and (known := repository.samples_of_id(experiment_id, sample)):
        if len(known) > 1:
            raise UsageError(
                f"--sample {sample} is the id of {len(known):,} samples",
                f"Choose one: {', '.join(f'--sample {one}:{index}' for one, index in known[:5])}",
            )
        task, number = known[0][0], str(known[0][1])
        runs = repository.of_sample(experiment_id, *known[0])
    elif not is_index:
        raise UsageError(
            f"--sample {sample} is not TASK:INDEX, nor the id of a sample",
            "As in: --sample boolean_expressions:12, or --sample 12 where there are no tasks.",
        )
    if not runs:
        named = f" of task {task!r}" if task else " without a task"
        raise NotFoundError(
            f"experiment {experiment_id} has no sample {number}{named}",
            f"See its tasks: ml-agents analyze --experiment-id {experiment_id} "
            "--report-type accuracy",
        )
    scores = scores_of_runs(connection, [str(run.id) for run in runs])
    for run in runs:
        run.scores = scores.get(str(run.id))
    if as_json:
        document = {"experiment_id": experiment_id, "task": task, "sample_index": int(number)}
        emit_json({**document, "runs": [asdict(run) for run in runs]})
        return
    _print_fields({"Sample": f"{task}:{number}" if task else number})
    asked: tuple[str | None, str | None] | None = None
    for run in runs:
        if (question := (run.input_text, run.expected_answer)) != asked:
            _print_text("input_text", run.input_text)
            _print_fields({"\nExpected": run.expected_answer})
            asked = question
        _print_answer(run, runs)


def _print_answer(run: "RunRecord", runs: "Sequence[RunRecord]") -> None:
    variant = "/".join(filter(None, (run.approach_name, run.provider, run.model)))
    repeated = any(other.variant == run.variant and other is not run for other in runs)
    ungraded = "no grade" if run.score is None else f"score {run.score:g}"
    verdict = {True: "correct", False: "wrong", None: ungraded}[run.is_correct]
    facts = [
        variant + (f" repeat {run.repeat_index}" if repeated else ""),
        "failed" if run.error else verdict,
    ]
    if run.parsing_confidence is not None:
        facts.append(f"confidence {run.parsing_confidence:.2f}")
    if run.execution_time_ms is not None:
        facts.append(f"{run.execution_time_ms:,} ms")
    if run.cost_estimate is not None:
        facts.append(f"{run.cost_estimate:.6f} USD")
    _print_text(", ".join(facts), run.error or run.raw_output)
    _print_fields({"\nParsed": run.parsed_answer, "Scores": _scores(run), "Run": run.id})


def _scores(run: "RunRecord") -> str:
    """The values, or else the labels, of the metrics next to the primary one."""
    return ", ".join(
        f"{score.metric}{f' by {score.author}' if score.author else ''} "
        f"{score.label or 'no value' if score.value is None else f'{score.value:g}'}"
        for score in run.scores or ()
    )


def _print_fields(values: dict[str, Any]) -> None:
    for name, value in values.items():
        if value not in (None, "", {}, []):
            shown = json.dumps(value) if isinstance(value, dict | list) else str(value)
            write(f"{name}: {shown}")


def _print_text(title: str, text: str | None) -> None:
    write(f"\n--- {title} ---\n{text or '(none)'}")
