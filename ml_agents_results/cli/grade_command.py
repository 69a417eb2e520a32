"""grade: asks a person for answers that no parser found."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_agents_results.cli.database_options import DbPath, DbUrl, open_database
from ml_agents_results.cli.experiment_lookup import ExperimentId, resolve_id
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
    db_path: DbPath = None,
    db_url: DbUrl = None,
    as_json: Json = False,
) -> None:
    """Read answers that no parser found; `score` grades all answers again."""
    from ml_agents_results.experiments.platform_files import rewrite_platform_files
    from ml_agents_results.experiments.regrading import Regrading
    from ml_agents_results.processor import ResultsProcessor

    if (run_id is None) != (answer is None):
        raise UsageError("--run-id and --answer go together", "Give both or neither.")
    database = open_database(db_path, db_url)
    with database.read() as connection:
        experiment = resolve_id(connection, experiment_id)
    with ResultsProcessor(database) as processor:
        grading = Regrading(processor, experiment)
        document: dict[str, Any] = {"experiment_id": experiment, "grader": grading.grader}
        if run_id is not None and answer is not None:
            run = grading.correct(run_id, answer)
            document.update(read=1, run_id=run_id, is_correct=run.is_correct)
        else:
            document["read"] = _read_by_hand(grading)
        rewrite_platform_files(database, experiment)
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
