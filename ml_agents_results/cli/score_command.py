"""score: scores stored answers again by a grader."""

from typing import Annotated

import typer

from ml_agents_results.cli.database_options import DbPath, DbUrl, open_database
from ml_agents_results.cli.experiment_lookup import ExperimentId, resolve_id
from ml_agents_results.cli.help_panels import SCORING
from ml_agents_results.cli.output_options import Json, emit_json
from ml_agents_results.cli.progress_bar import progress_bar
from ml_agents_results.errors import UsageError
from ml_agents_results.reports.terminal import say, write

PARTLY = 5
"""The exit code where the grader failed on some runs."""


def score(
    experiment_id: ExperimentId,
    grader: Annotated[
        str | None,
        typer.Option(
            "--grader",
            metavar="NAME",
            help="Grader, with settings (number,relative=0.01), or module:function. "
            "[default: the experiment's]",
            rich_help_panel=SCORING,
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="METRIC", help="The metric. [default: the grader's name]"),
    ] = None,
    primary: Annotated[
        bool, typer.Option("--primary", help="Make it the metric that reports are about.")
    ] = False,
    reparse: Annotated[
        bool,
        typer.Option(
            "--reparse",
            help="Read the outputs again; what a person has read stays.",
            rich_help_panel=SCORING,
        ),
    ] = False,
    answer_kind: Annotated[
        str | None,
        typer.Option(
            "--answer-kind",
            metavar="KIND",
            help="Kind of answer: number, choice, math, ... [default: as stored, else guessed]",
            rich_help_panel=SCORING,
        ),
    ] = None,
    answer_pattern: Annotated[
        str | None,
        typer.Option(
            "--answer-pattern",
            metavar="REGEX",
            help="Regular expression whose one group is the answer; with --reparse.",
            rich_help_panel=SCORING,
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace scores of a metric that is defined otherwise.")
    ] = False,
    db_path: DbPath = None,
    db_url: DbUrl = None,
    as_json: Json = False,
) -> None:
    """Score stored answers again; no model is asked."""
    from ml_agents_results.experiments.platform_files import rewrite_platform_files
    from ml_agents_results.experiments.rescoring import StoredScoring
    from ml_agents_results.processor import ResultsProcessor
    from ml_agents_results.scoring.extraction import compile_pattern
    from ml_agents_results.scoring.kinds import check_kind

    if answer_pattern is not None:
        if not reparse:
            raise UsageError("--answer-pattern needs --reparse", "Add --reparse.")
        compile_pattern(answer_pattern)
    kind = None if answer_kind is None else check_kind(answer_kind)
    database = open_database(db_path, db_url)
    with database.read() as connection:
        experiment = resolve_id(connection, experiment_id)
    with ResultsProcessor(database) as processor:
        scoring = StoredScoring(
            processor,
            experiment,
            grader,
            name=name,
            primary=primary,
            reparse=reparse,
            answer_kind=kind,
            pattern=answer_pattern,
            force=force,
        )
        with progress_bar("Scoring") as progress:
            result = scoring.run(progress)
        if result.primary:
            rewrite_platform_files(database, experiment)
    if as_json:
        emit_json({"experiment_id": experiment, "grader": scoring.grader, **result.document()})
    else:
        counts = [f"{result.scored} of {result.read} answers scored", f"{result.changed} changed"]
        counts += [f"{count} {label}" for label, count in result.without.most_common()]
        write(f"{result.metric}: {', '.join(counts)}")
    if result.errors:
        say(f"The grader failed on {result.errors} answers: {result.first_error}")
        raise typer.Exit(PARTLY)
