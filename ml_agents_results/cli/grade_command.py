"""grade: answers read by a person, and parsed answers graded again."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ml_agents_results.cli.shared import (
    DbPath,
    DbUrl,
    ExperimentId,
    Json,
    emit_json,
    open_database,
    resolve_id,
)
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say, write

if TYPE_CHECKING:
    from ml_agents_results.experiments.regrading import Regrading

_SHOWN = 3000
"""Characters of an output that are shown, from its end."""


def grade(
    experiment_id: ExperimentId,
    run_id: Annotated[
        str | None, typer.Option("--run-id", help="The run whose answer you read.")
    ] = None,
    answer: Annotated[str | None, typer.Option("--answer", help="That answer.")] = None,
    regrade: Annotated[
        bool, typer.Option("--regrade", help="Grade all parsed answers again.")
    ] = False,
    grader: Annotated[
        str | None, typer.Option("--grader", help="exact, any_of, or a plug-in.")
    ] = None,
    db_path: DbPath = None,
    db_url: DbUrl = None,
    as_json: Json = False,
) -> None:
    """Read the answers that no parser found, one by one, or grade all answers again."""
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
