"""grade: asks a person for answers that no parser found, and grades answers again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_agents_results.cli.database_options import DbPath, DbUrl, open_database
from ml_agents_results.cli.experiment_lookup import ExperimentId, resolve_id
from ml_agents_results.cli.help_panels import SCORING
from ml_agents_results.cli.output_options import Json, emit_json
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say, write

if TYPE_CHECKING:
    from ml_agents_results.experiments.regrading import Regrading

_SHOWN = 3000
"""Characters of an output to show, its last ones."""


def grade(
    experiment_id: ExperimentId,
    run_id: Annotated[
        str | None,
        typer.Option("--run-id", metavar="RUN_ID", help="Run whose answer you have read."),
    ] = None,
    answer: Annotated[
        str | None, typer.Option("--answer", metavar="TEXT", help="The answer of that run.")
    ] = None,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Grade all parsed answers again.")
    ] = False,
    grader: Annotated[
        str | None,
        typer.Option(
            "--grader",
            metavar="NAME",
            help="exact, any_of, or that of a plug-in.",
            rich_help_panel=SCORING,
        ),
    ] = None,
    db_path: DbPath = None,
    db_url: DbUrl = None,
    as_json: Json = False,
) -> None:
    """Read answers that no parser found, or grade all answers again."""
    from ml_agents_results.experiments.regrading import Regrading
    from ml_agents_results.processor import ResultsProcessor

    if (run_id is None) != (answer is None):
        raise UsageError("--run-id and --answer go together", "Give both or neither.")
    if regrade and run_id is not None:
        raise UsageError("--regrade and --run-id cannot be combined", "Give one of them.")
    database = open_database(db_path, db_url)
    with database.read() as connection:
        experiment = resolve_id(connection, experiment_id)
    with ResultsProcessor(database) as processor:
        grading = Regrading(processor, experiment, grader)
        document: dict[str, Any] = {"experiment_id": experiment, "grader": grading.grader}
        if regrade:
            document.update(grading.again()._asdict())
        elif run_id is not None and answer is not None:
            run = grading.correct(run_id, answer)
            document.update(read=1, run_id=run_id, is_correct=run.is_correct)
        else:
            document["read"] = _read_by_hand(grading)
        grading.write_files()
    if as_json:
        emit_json(document)
    else:
        write(", ".join(f"{name}: {value}" for name, value in document.items()))


def _read_by_hand(grading: "Regrading") -> int:
    """Shows every run without an answer and asks for it; returns how many were read."""
    read = 0
    for run in grading.unread():
        output = (run.raw_output or "")[-_SHOWN:]
        say(f"\n{run.approach_name} {run.task}:{run.sample_index} ({run.id})")
        say(f"Question: {run.input_text}\n\nOutput:\n{output}\n")
        try:
            answer = typer.prompt(
                "The answer it states (Enter: none, q: stop)",
                default="",
                show_default=False,
                err=True,
            )
        except typer.Abort:
            break
        if answer.strip() == "q":
            break
        if answer.strip():
            grading.correct(run.id or "", answer.strip())
            read += 1
    return read
