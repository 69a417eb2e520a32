"""import: reads results from files into a database."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ml_agents_results.cli.database_options import (
    DatabaseOptions,
    close_files,
)
from ml_agents_results.cli.help_panels import SCORING
from ml_agents_results.cli.log_files import log_source
from ml_agents_results.cli.option_groups import Names, argument, flag, grouped, option
from ml_agents_results.cli.option_values import completing, listed, pairs
from ml_agents_results.cli.output_options import JSON, emit_json
from ml_agents_results.cli.progress_bar import progress_bar
from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.formats.log_source import Duplicates, OnConflict
from ml_agents_results.formats.recipes import NAMES
from ml_agents_results.formats.registry import READERS, reader_names
from ml_agents_results.reports.terminal import print_table, say, write

if TYPE_CHECKING:
    from ml_agents_results.database.engine import Database
    from ml_agents_results.formats.importing import ImportResult
    from ml_agents_results.formats.log_source import ImportOptions


@dataclass
class ReadingOptions:
    """How files are read; the fields of `ImportOptions`, as they are typed."""

    experiment_id: str | None = option(
        "ID", "Experiment to import into. [default: the file's, else its name and fingerprint]"
    )
    name: str | None = option("TEXT", "Title of the experiment.")
    format: str | None = option(
        "FORMAT",
        f"{', '.join(READERS)}, or one of another package; eee is Every Eval Ever. [default: "
        "recognized by the contents]",
        autocompletion=completing(reader_names),
    )
    columns: Names = option(
        "FIELD=COLUMN",
        "The file's column for a field, as in --map raw_output=response; paths such as info.ok and "
        "factors such as latency*1000 are columns, too. `FIELD=` leaves the field out. Repeatable. "
        "[default: the usual names]",
        "--map",
    )
    constants: Names = option(
        "FIELD=VALUE",
        "A field that is the same in all runs, as in --set model=gpt-4o. Repeatable.",
        "--set",
    )
    recipe: str | None = option(
        "NAME",
        f"How a table is read: a YAML file (docs/recipes.md), or one of {', '.join(NAMES)}; none: "
        "as any other table. [default: recognized by the columns]",
    )
    wide: Names = option(
        "COLUMN=NAME",
        "A column with the answers (or grades) of one approach, or, with --approach, of one model: "
        "--wide answer_a=A --wide answer_b=B. Columns such as correct_a go along.",
    )
    approach: str | None = option(
        "NAME", "Approach of runs that name none, and of logs without approaches."
    )
    task: str | None = option("NAME", "Task of all runs. [default: the log's]")
    scorer: str | None = option("NAME", "Scorer whose grade counts. [default: the first]")
    metric: str | None = option(
        "NAME", "Metric that is the grade. [default: the format's usual one]"
    )
    scales: Names = option(
        "METRIC=LOW..HIGH",
        "The lowest and highest value of a metric, as in --bounds rating=1..5: intervals stay "
        "between them. Repeatable. [default: the log's, or that of the usual name]",
        "--bounds",
        panel=SCORING,
    )
    lower_is_better: Names = option(
        "METRIC,...",
        "Metrics for which lower is better, such as error rates.",
        panel=SCORING,
    )
    filter: str | None = option(
        "NAME", "Filter that takes answers from outputs (lm-eval). [default: the first]"
    )
    split: str | None = option("NAME", "Split of the dataset (HELM). [default: test, else valid]")
    expected: str | None = option(
        "NAME", "Variable that holds the expected answer (promptfoo).", "--expected-var"
    )
    model_args: bool = flag(
        "--keep-model-args", "Record the arguments of models, which may hold secrets."
    )
    duplicates: Duplicates = option(
        None,
        "A sample answered twice: refuse the import, keep the latest answer, or number the answers "
        "as repeats.",
        default="refuse",
    )
    on_conflict: OnConflict = option(
        None,
        "A run that is recorded with other contents: replace it, keep it, or fail.",
        default="replace",
    )
    skip_broken: bool = flag("--skip-broken", "Skip files that cannot be read, and name them.")
    parse: bool = flag(
        "--parse", "Read answers from raw outputs and grade them: --parsing auto.", panel=SCORING
    )
    parsing: Literal["none", "auto", "regex"] = option(
        "MODE", "How answers are read from raw outputs: auto, regex.", default="none", panel=SCORING
    )
    grader: str | None = option(
        "NAME", "Grader of the answers that were read. [default: exact]", panel=SCORING
    )
    answer_kind: str | None = option(
        "KIND",
        "Kind of the answers: number, choice, math, ... [default: guessed by task]",
        panel=SCORING,
    )

    def chosen(self) -> "ImportOptions":
        """What the options mean to the importer.

        Raises:
            UsageError: One is not understood.
        """
        from ml_agents_results.formats.log_source import ImportOptions

        if self.experiment_id == "latest":
            raise UsageError(
                "`latest` means the newest experiment", "Choose another --experiment-id."
            )
        values = vars(self) | {
            "columns": pairs("--map", self.columns, "raw_output=response"),
            "constants": pairs("--set", self.constants, "model=gpt-4o"),
            "wide": pairs("--wide", self.wide, "answer_a=A"),
            "scales": _scales(self.scales),
            "lower_is_better": tuple(listed(self.lower_is_better)),
            "parsing": "auto" if self.parse and self.parsing == "none" else self.parsing,
        }
        del values["format"], values["parse"]
        return ImportOptions(**values)


@grouped
def import_(
    files: list[str] = argument(
        "FILE",
        "A file, or a folder of logs, also in a store, as s3://bucket/file. Runs files may be "
        "packed with gzip; `-` is stdin.",
        default=...,
    ),
    *,
    reading: ReadingOptions,
    dry_run: bool = flag("--dry-run", "Show what would be imported, and change nothing."),
    where: DatabaseOptions,
    as_json: bool = JSON,
) -> None:
    """Import results from files, all of them or nothing."""
    from ml_agents_results.formats.importing import load

    options = reading.chosen()
    with ExitStack() as stack:
        sources = [stack.enter_context(log_source(file)) for file in files]
        database = stack.enter_context(_target(where, dry_run))
        advance = stack.enter_context(
            progress_bar("Importing", sum(source.size for source in sources))
        )
        result = load(
            database,
            sources,
            options,
            format_name=reading.format,
            dry_run=dry_run,
            progress=advance,
        )
    if result.conflicts:
        became = "would be" if dry_run else "were"
        what = "kept" if options.on_conflict == "keep" else "replaced"
        say(f"{result.conflicts:,} runs are recorded with other contents; they {became} {what}.")
    for warning in result.warnings:
        say(f"Warning: {warning}")
    if as_json:
        emit_json(result.to_dict())
    else:
        write(_sentences(result))
        if dry_run or len(result.sources) > 1:
            _print_sources(result)
        if dry_run:
            _print_choices(result)


def _scales(given: list[str] | None) -> dict[str, tuple[float, float]]:
    """The bounds of metrics from METRIC=LOW..HIGH."""
    scales = {}
    for name, text in pairs("--bounds", given, "rating=1..5").items():
        low, _, high = text.partition("..")
        try:
            scales[name] = float(low), float(high)
        except ValueError:
            raise UsageError(f"--bounds {name}={text} is not LOW..HIGH", "As in: 1..5") from None
        if not -inf < scales[name][0] < scales[name][1] < inf:
            raise UsageError(f"--bounds {name}={text} is empty", "The lower bound comes first.")
    return scales


@contextmanager
def _target(where: DatabaseOptions, dry_run: bool) -> Iterator["Database"]:
    """The database; for a dry run without one, a temporary database."""
    if dry_run:
        try:
            where.named()
        except NotFoundError:
            with tempfile.TemporaryDirectory(prefix="ml-agents-") as folder:
                from ml_agents_results.database.manager import DatabaseManager

                manager = DatabaseManager(str(Path(folder) / "dry_run.db"))
                manager.initialize_schema()
                yield manager.database
                manager.database.close()
            return
        yield where.current()
        return
    from ml_agents_results.database.manager import DatabaseManager

    database = where.named(create=True)
    created = DatabaseManager(database).initialize_schema()
    try:
        yield database
    except BaseException:
        # A failed import leaves no database behind that it created.
        if created and (path := database.path) is not None:
            close_files()
            for suffix in ("", "-wal", "-shm"):
                Path(f"{path}{suffix}").unlink(missing_ok=True)
        raise
    if created:
        say(f"Created the database {database}.")


def _print_sources(result: "ImportResult") -> None:
    """Prints a line for each file: its format, experiments and counts."""
    print_table(
        ("file", "format", "experiment", "runs", "failed", "ungraded"),
        (
            (
                Path(source["file"]).name,
                source["format"],
                ", ".join(source["experiments"]),
                source["read"],
                source["failed"],
                source["ungraded"],
            )
            for source in result.sources
        ),
        numbers=3,
    )


def _print_choices(result: "ImportResult") -> None:
    """Prints what was chosen for files by which rule, and which parts would not become runs."""
    chosen: dict[tuple[str, str, str], list[str]] = {}
    left_out: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for source in result.sources:
        file = Path(source["file"]).name
        for what, choice in source["chosen"].items():
            value, _, rule = choice.removesuffix(")").rpartition(" (")
            chosen.setdefault((what, value, rule), []).append(file)
        for what, count in source["left_out"].items():
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


_SHOWN = 10
"""How many experiments a message names."""


def _sentences(result: "ImportResult") -> str:
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
    ids = result.experiments
    experiments = ", ".join(ids[:_SHOWN])
    if len(ids) > _SHOWN:
        experiments += f" and {len(ids) - _SHOWN:,} more"
    if result.skipped + result.superseded == result.read and result.skipped:
        return f"Nothing to do: {experiments} has all {result.read:,} runs already."
    done = "Would import" if result.dry_run else "Imported"
    counted = f"{done} {result.read:,} runs into {experiments}: {', '.join(counts)}."
    graded = []
    if result.failed:
        graded.append(f"{result.failed:,} failed")
    if result.ungraded:
        graded.append(f"{result.ungraded:,} without a grade")
    return f"{counted}\nOf these, {' and '.join(graded)}." if graded else counted
