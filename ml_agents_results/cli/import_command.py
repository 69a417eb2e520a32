"""import: results from files."""

import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from ml_agents_results.cli.shared import (
    DbPath,
    DbUrl,
    Json,
    emit_json,
    named_database,
    open_database,
    progress,
)
from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.reports.terminal import print_table, say, write

if TYPE_CHECKING:
    from io import BufferedReader

    from ml_agents_results.database.engine import Database
    from ml_agents_results.formats.importing import ImportResult
    from ml_agents_results.formats.log_source import LogSource

STANDARD_INPUT = "-"


class Duplicates(StrEnum):
    """What to do with a sample that is answered twice."""

    refuse = "refuse"
    latest = "latest"
    repeats = "repeats"


class OnConflict(StrEnum):
    """What to do with a run that is in the database with other contents."""

    REPLACE = "replace"
    KEEP = "keep"
    FAIL = "fail"


def import_(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE",
            help="A file, or a folder of logs. Runs files may be packed with gzip; `-` is stdin.",
        ),
    ],
    experiment_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID",
            help="Where the runs go. [default: as the file says, else its name and fingerprint]",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="A title for the experiment.")] = None,
    format_name: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="inspect, lm-eval, promptfoo, helm, openai-evals, eee (Every Eval Ever), legacy, "
            "archive, database or runs. [default: looks at the file]",
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="FIELD=COLUMN",
            help="What the file calls a field, as in --map raw_output=response. Repeatable.",
        ),
    ] = None,
    approach: Annotated[
        str | None, typer.Option(help="The approach of runs that name none, and of whole logs.")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="The task of all runs. [default: as the log says]")
    ] = None,
    scorer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose grade counts. [default: the first scorer's]"),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The metric that is the grade. [default: the usual]"),
    ] = None,
    filter_name: Annotated[
        str | None,
        typer.Option(
            "--filter",
            metavar="NAME",
            help="The filter that takes answers from outputs. [default: the first]",
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The split of the dataset (HELM). [default: test, else valid]"
        ),
    ] = None,
    expected: Annotated[
        str | None,
        typer.Option(
            "--expected-var", metavar="NAME", help="The variable that holds the expected answer."
        ),
    ] = None,
    model_args: Annotated[
        bool,
        typer.Option(
            "--keep-model-args", help="Keep the arguments of models; they may hold secrets."
        ),
    ] = False,
    duplicates: Annotated[
        Duplicates,
        typer.Option(
            help="A sample answered twice: refuse the import, keep the latest answer, or number "
            "the answers as repeats."
        ),
    ] = Duplicates.refuse,
    on_conflict: Annotated[
        OnConflict,
        typer.Option(help="A run that is recorded with other contents: replace it, keep it, fail."),
    ] = OnConflict.REPLACE,
    skip_broken: Annotated[
        bool,
        typer.Option("--skip-broken", help="Leave out files that cannot be read, and name them."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be imported, and change nothing.")
    ] = False,
    db_path: DbPath = None,
    db_url: DbUrl = None,
    as_json: Json = False,
) -> None:
    """Import results from files, all of them or nothing."""
    from ml_agents_results.formats.importing import load
    from ml_agents_results.formats.log_source import ImportOptions

    if experiment_id == "latest":
        raise UsageError("`latest` means the newest experiment", "Choose another --experiment-id.")
    options = ImportOptions(
        experiment_id=experiment_id,
        name=name,
        approach=approach,
        task=task,
        columns=_columns(columns or ()),
        duplicates=duplicates.value,
        on_conflict=on_conflict.value,
        scorer=scorer,
        metric=metric,
        filter=filter_name,
        split=split,
        expected=expected,
        model_args=model_args,
        skip_broken=skip_broken,
    )
    with ExitStack() as stack:
        sources = [stack.enter_context(_source(file)) for file in files]
        database = stack.enter_context(_target(db_path, db_url, dry_run))
        advance = stack.enter_context(progress("Importing", sum(one.size for one in sources)))
        result = load(
            database,
            sources,
            options,
            format_name=format_name,
            dry_run=dry_run,
            progress=advance,
        )
    if result.conflicts:
        became = "would be" if dry_run else "were"
        what = "kept as they are" if on_conflict is OnConflict.KEEP else "replaced"
        say(f"{result.conflicts:,} runs are recorded with other contents; they {became} {what}.")
    for warning in result.warnings:
        say(f"Warning: {warning}")
    if as_json:
        emit_json(result.to_dict())
    else:
        write(_told(result))
        if dry_run or len(result.sources) > 1:
            _print_sources(result)
        if dry_run:
            _print_choices(result)


def _columns(pairs: Sequence[str]) -> dict[str, str]:
    columns = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not (field and equals and column):
            raise UsageError(
                f"--map {pair} is not FIELD=COLUMN", "As in: --map raw_output=response"
            )
        if field in columns:
            raise UsageError(f"--map names the field {field} twice", "Give it one column.")
        columns[field] = column
    return columns


@contextmanager
def _source(file: str) -> Iterator["LogSource"]:
    """The file; standard input is kept aside, for it is read more than once."""
    from ml_agents_results.formats.log_source import LogSource

    if file != STANDARD_INPUT:
        yield LogSource(file)
        return
    with tempfile.NamedTemporaryFile(prefix="ml-agents-", suffix=".tmp") as kept:
        # Block by block as it comes: a read that waits for a full one may outlast an interrupt.
        stdin = cast("BufferedReader", sys.stdin.buffer)
        while block := stdin.read1(1 << 16):
            kept.write(block)
        kept.flush()
        yield LogSource(kept.name, "stdin")


@contextmanager
def _target(db_path: str | None, db_url: str | None, dry_run: bool) -> Iterator["Database"]:
    """The database; for a dry run without one, a database that is gone afterwards."""
    if dry_run:
        try:
            named_database(db_path, db_url)
        except NotFoundError:
            with tempfile.TemporaryDirectory(prefix="ml-agents-") as folder:
                from ml_agents_results.database.manager import DatabaseManager

                manager = DatabaseManager(str(Path(folder) / "dry_run.db"))
                manager.initialize_schema()
                yield manager.database
                manager.database.close()
            return
    yield open_database(db_path, db_url, create=not dry_run)


def _print_sources(result: "ImportResult") -> None:
    """A line for each file: what it holds."""
    print_table(
        ("file", "format", "experiment", "runs", "failed", "ungraded"),
        (
            (
                Path(one["file"]).name,
                one["format"],
                ", ".join(one["experiments"]),
                one["read"],
                one["failed"],
                one["ungraded"],
            )
            for one in result.sources
        ),
        numbers=3,
    )


def _print_choices(result: "ImportResult") -> None:
    """What was chosen for files by which rule, and what of them would not become runs."""
    chosen: dict[tuple[str, str, str], list[str]] = {}
    left_out: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for one in result.sources:
        file = Path(one["file"]).name
        for what, choice in one["chosen"].items():
            value, _, rule = choice.removesuffix(")").rpartition(" (")
            chosen.setdefault((what, value, rule), []).append(file)
        for what, count in one["left_out"].items():
            left_out.setdefault(what, []).append(file)
            counts[what] += count
    if chosen:
        print_table(
            ("what", "chosen", "rule", "file"),
            ((*choice, _files(files)) for choice, files in chosen.items()),
        )
    if left_out:
        print_table(
            ("left out", "file", "number"),
            ((what, _files(files), counts[what]) for what, files in left_out.items()),
            numbers=1,
        )


def _files(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{len(names)} files"


def _told(result: "ImportResult") -> str:
    counts = [
        f"{count:,} {name}"
        for name, count in (
            ("inserted", result.inserted),
            ("updated", result.updated),
            ("already there", result.skipped),
            ("superseded", result.superseded),
        )
        if count
    ]
    places = ", ".join(result.experiments)
    if result.skipped + result.superseded == result.read and result.skipped:
        return f"Nothing to do: {places} has all {result.read:,} runs already."
    done = "Would import" if result.dry_run else "Imported"
    told = f"{done} {result.read:,} runs into {places}: {', '.join(counts)}."
    graded = []
    if result.failed:
        graded.append(f"{result.failed:,} failed")
    if result.ungraded:
        graded.append(f"{result.ungraded:,} without a grade")
    return f"{told}\nOf these, {' and '.join(graded)}." if graded else told
