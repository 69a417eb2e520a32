"""Command group: loads each command when it is called, and reports errors in two lines."""

import errno
import os
import sys
import traceback
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Any

import typer
from typer.core import TyperCommand, TyperGroup

from ml_agents_results.cli.database_options import close_files, damage
from ml_agents_results.cli.help_panels import ORDER, OWN
from ml_agents_results.errors import CorruptDatabaseError, ResultsError, UsageError
from ml_agents_results.redaction import redact_text
from ml_agents_results.reports.terminal import printable, say

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

ENTRY_POINTS = "ml_agents_results.commands"
"""Packages add commands as entry points of this group: a function, or a `typer.Typer`."""

INTERRUPTED = 130
BROKEN_PIPE = 1
_FAULTS = {
    "int_parsing": "not a whole number",
    "int_from_float": "not a whole number",
    "float_parsing": "not a number",
    "greater_than_equal": "less than {ge}",
    "less_than_equal": "more than {le}",
}
_OUTPUT_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

_BUILT_IN = {
    "run": ("run_commands.run", "Ask models and record every answer as it arrives."),
    "resume": ("run_commands.resume", "Resume an experiment; only missing runs are asked."),
    "grade": ("grade_command.grade", "Read unparsed answers yourself, or label random runs."),
    "record": ("record_command.record", "Record what Inspect, lm-eval or pytest evaluate."),
    "score": ("score_command.score", "Score stored answers again, by a rule or a judge."),
    "analyze": ("analysis_commands.analyze", "Report accuracy, ranks, times, costs and more."),
    "compare": ("analysis_commands.compare", "Compare variants on the samples they share."),
    "view": ("view_command.view", "Show the results in the browser, and grade answers there."),
    "export": ("export_command.export", "Write experiments to a file or folder."),
    "import": ("import_command.import_", "Import results from files, all of them or nothing."),
    "list": ("experiment_commands.list_", "List the experiments, newest first."),
    "show": ("experiment_commands.show", "Show an experiment, a run, or all answers to a sample."),
    "edit": ("edit_command.edit", "Name, describe, tag or annotate an experiment."),
    "delete": ("experiment_commands.delete", "Delete an experiment with all its runs."),
    "db-init": ("database_commands.db_init", "Create a database."),
    "db-migrate": ("database_commands.db_migrate", "Bring the schema of a database up to date."),
    "db-backup": ("maintenance_commands.db_backup", "Back up a database, even while it is used."),
    "db-restore": ("maintenance_commands.db_restore", "Restore a database from a backup."),
    "db-check": ("maintenance_commands.db_check", "Check that a database is intact."),
    "db-repair": ("maintenance_commands.db_repair", "Save what a damaged database still holds."),
    "db-stats": ("database_commands.db_stats", "Show the rows and the size of a database."),
}
"""Function of each command and what it does, in the order of the help; a help line holds 62
characters."""


class _Plugins(Mapping[str, Any]):
    """The commands of other packages by name."""

    def __getitem__(self, name: str) -> Any:
        return _plugin(self._points()[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._points())

    def __len__(self) -> int:
        return len(self._points())

    @staticmethod
    @cache
    def _points() -> "dict[str, EntryPoint]":
        from importlib.metadata import entry_points

        return {point.name: point for point in entry_points(group=ENTRY_POINTS)}


class GroupedCommand(TyperCommand):
    """A command whose help lists its options by group (`rich_help_panel`)."""

    def help_sections(self, ctx: Any) -> dict[str, list[tuple[str, str]]]:
        """The arguments and options by section: how each is written, and its help."""
        sections: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is not None:
                named = getattr(parameter, "rich_help_panel", None)
                default = OWN[parameter.param_type_name != "argument"]
                sections.setdefault(named or default, []).append(record)
        known = {name: index for index, name in enumerate(ORDER)}
        names = sorted(sections, key=lambda name: known.get(name, len(known)))
        return {name: sections[name] for name in names}

    def format_options(self, ctx: Any, formatter: Any) -> None:
        for name, records in self.help_sections(ctx).items():
            with formatter.section(name):
                formatter.write_dl(records)


class BuiltInCommand(TyperCommand):
    """A command of this package: listed by its help alone, imported when it is called."""

    def __init__(self, name: str, function: str, help: str) -> None:
        super().__init__(name, short_help=help)
        self._function = function

    def loaded(self) -> Any:
        """The command with its options."""
        module, function = self._function.split(".")
        return _single(getattr(import_module(f"ml_agents_results.cli.{module}"), function))

    def make_context(self, *words: Any, **settings: Any) -> Any:
        return self.loaded().make_context(*words, **settings)


def _single(function: Callable[..., Any]) -> Any:
    program = typer.Typer(add_completion=False, rich_markup_mode=None)
    program.command(cls=GroupedCommand)(function)
    return typer.main.get_command(program)


@cache
def _plugin(point: "EntryPoint") -> Any:
    """The command of an entry point; if it cannot be loaded, one that says why."""
    try:
        loaded = point.load()
    except Exception as error:  # noqa: BLE001 - a broken package must not break the others
        reason = f"{type(error).__name__}: {error}"

        def unavailable() -> None:
            raise UsageError(
                f"the command {point.name!r} cannot be loaded: {reason}",
                f"It is declared as {point.value!r}: reinstall or remove the package.",
            )

        unavailable.__doc__ = f"Cannot be loaded: {reason}"
        return _single(unavailable)
    return typer.main.get_command(loaded) if isinstance(loaded, typer.Typer) else _single(loaded)


@dataclass(frozen=True, slots=True)
class _Invocation:
    """How the command line was called.

    Attributes:
        debug: Whether errors show their traceback.
    """

    debug: bool


class CommandGroup(TyperGroup):
    """All commands. `--debug` may stand anywhere on the line.

    Messages and exit codes are the same where another Typer app embeds the group.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        # Commands that were added to the app come before ours, ours before those of packages.
        ours = {name: BuiltInCommand(name, *declared) for name, declared in _BUILT_IN.items()}
        self.commands = ChainMap(self.commands, ours, _Plugins())  # type: ignore[arg-type]

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        words = list(sys.argv[1:] if args is None else args)
        end = words.index("--") if "--" in words else len(words)
        debug = "--debug" in words[:end] or _debug_by_environment()
        words[:end] = [word for word in words[:end] if word != "--debug"]
        invocation = _Invocation(debug)

        def run() -> Any:
            if any("\0" in word for word in words):
                raise UsageError("an argument contains a NUL byte", "File names cannot contain it.")
            result = super(CommandGroup, self).main(
                words,
                prog_name,
                complete_var,
                standalone_mode=False,
                windows_expand_args=windows_expand_args,
                obj=invocation,
                **extra,
            )
            # A full disk or a closed pipe may be noticed only now.
            sys.stdout.flush()
            return result

        try:
            result = _reported(run, debug)
        except typer.Exit as ended:
            result = ended.exit_code
        if standalone_mode:
            # A command returns nothing; a number is the code of a typer.Exit.
            sys.exit(result if isinstance(result, int) else 0)
        return result

    def invoke(self, ctx: Any) -> Any:
        invocation = ctx.find_object(_Invocation)
        debug = invocation.debug if invocation else _debug_by_environment()
        try:
            return _reported(lambda: super(CommandGroup, self).invoke(ctx), debug)
        finally:
            close_files()


def _debug_by_environment() -> bool:
    return os.environ.get("ML_AGENTS_DEBUG", "0") not in ("", "0")


def _reported(work: Callable[[], Any], debug: bool) -> Any:
    """The result of `work`; what it raises is reported and becomes a typer.Exit."""
    try:
        return work()
    except (typer.Exit, SystemExit):
        raise
    except KeyboardInterrupt:
        say("Interrupted.")
        code = INTERRUPTED
    except BrokenPipeError:
        _silence()
        code = BROKEN_PIPE
    except ResultsError as error:
        code = _report(error.message, error.hint, error.exit_code, debug)
    except typer.TyperException as error:
        code = _report_usage(error, debug)
    except typer.Abort:
        code = _report("cancelled", "Nothing was changed.", 1, debug)
    except OSError as error:
        if error.errno in _OUTPUT_FAILED:
            _silence()
            code = _report(
                f"the output cannot be written: {error.strerror}", "Check where it goes.", 1, debug
            )
        else:
            code = _report_unexpected(error, debug)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        code = _report_unexpected(error, debug)
    raise typer.Exit(code)


def _report_usage(error: typer.TyperException, debug: bool) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        say(error.message)
        return error.exit_code
    command = context.command_path if context else "ml-agents"
    if isinstance(cause := error.__cause__, ValueError) and hasattr(cause, "errors"):
        error.message = _refused(cause.errors()[0])
    return _report(error.format_message(), f"See: {command} --help", error.exit_code, debug)


def _refused(fault: Mapping[str, Any]) -> str:
    """What is wrong with a value of the command line, which Typer has pydantic check."""
    text = _FAULTS.get(fault["type"])
    if text is None:
        return str(fault.get("ctx", {}).get("error", fault["msg"]))
    return f"{fault['input']!r} is {text.format(**fault.get('ctx', {}))}"


def _report(message: str, hint: str | None, code: int, debug: bool) -> int:
    if debug:
        say(redact_text(traceback.format_exc()).rstrip("\n"))
    say(f"Error: {_line(redact_text(message))}")
    if hint:
        say(f"Hint: {_line(redact_text(hint))}")
    return code


def _line(text: str) -> str:
    """The text on one line, with everything that could steer the terminal escaped."""
    return printable(text).replace("\n", " ")


def _report_unexpected(error: Exception, debug: bool) -> int:
    summary = traceback.format_exception_only(error)[-1].strip()
    if (found := damage()) is not None:
        message, option = found
        hint = f"See all of it with: ml-agents db-check {option}"
        return _report(message, hint, CorruptDatabaseError.exit_code, debug)
    return _report(
        f"unexpected error: {summary}",
        "This is a bug: repeat the command with --debug, and report what it shows.",
        1,
        debug,
    )


def _silence() -> None:
    """Lets the interpreter's own flush at the end succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
