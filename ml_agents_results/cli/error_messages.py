"""What a user sees when something goes wrong: two lines and an exit code, never a traceback."""

import errno
import os
import sys
import traceback
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from ml_agents_results.cli.parameters import take_as_they_are
from ml_agents_results.cli.shared import close_files, printable
from ml_agents_results.errors import ResultsError
from ml_agents_results.redaction import redact_text

INTERRUPTED = 130
BROKEN_PIPE = 1
_OUTPUT_FAILED = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Commands(TyperGroup):
    """The group of all commands. `--debug` stands anywhere on the line, for every command."""

    def main(self, args: Sequence[str] | None = None, *others: Any, **options: Any) -> Any:
        given = list(sys.argv[1:] if args is None else args)
        end = given.index("--") if "--" in given else len(given)
        debug = "--debug" in given[:end] or os.environ.get("ML_AGENTS_DEBUG", "0") not in ("", "0")
        given[:end] = [word for word in given[:end] if word != "--debug"]
        try:
            sys.exit(self._run(given, debug, *others, **options))
        finally:
            close_files()

    def _run(self, given: list[str], debug: bool, *others: Any, **options: Any) -> int:
        try:
            options["standalone_mode"] = False
            result = super().main(given, *others, **options)
            # A full disk or a closed pipe may be seen only now.
            sys.stdout.flush()
        except BrokenPipeError:
            _silence()
            return BROKEN_PIPE
        except ResultsError as error:
            return _report(error.message, error.hint, error.exit_code, debug)
        except typer.TyperException as error:
            return _usage(error, debug)
        except OSError as error:
            if error.errno not in _OUTPUT_FAILED:
                return _unexpected(error, debug)
            _silence()
            return _report(
                f"the output cannot be written: {error.strerror}", "Check where it goes.", 1, debug
            )
        except typer.Abort:
            return _report("cancelled", "Nothing was changed.", 1, debug)
        except Exception as error:  # noqa: BLE001 - the last line of defence
            return _unexpected(error, debug)
        # A command returns nothing; a number is the code of a typer.Exit.
        return result if isinstance(result, int) else 0

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        take_as_they_are(self.get_params(ctx))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo("Interrupted.", err=True)
            raise typer.Exit(INTERRUPTED) from None


def _usage(error: typer.TyperException, debug: bool) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.message, err=True)
        return error.exit_code
    command = context.command_path if context else "ml-agents"
    return _report(error.format_message(), f"See: {command} --help", error.exit_code, debug)


def _report(message: str, hint: str | None, code: int, debug: bool) -> int:
    if debug:
        typer.echo(redact_text(traceback.format_exc()), err=True, nl=False)
    typer.echo(f"Error: {_line(redact_text(message))}", err=True)
    if hint:
        typer.echo(f"Hint: {_line(hint)}", err=True)
    return code


def _line(text: str) -> str:
    """One line, without what would steer the terminal."""
    return printable(text).replace("\n", " ")


def _unexpected(error: Exception, debug: bool) -> int:
    told = traceback.format_exception_only(error)[-1].strip()
    return _report(
        f"this should not have happened: {told}",
        "Repeat the command with --debug, and report what it shows.",
        1,
        debug,
    )


def _silence() -> None:
    """Lets the interpreter's own flush at the end succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
