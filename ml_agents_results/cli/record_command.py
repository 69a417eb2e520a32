"""record: runs another program so that its evaluation is recorded."""

import os
import shutil
import subprocess
import tempfile

import typer

from ml_agents_results.cli.database_options import DatabaseOptions, created
from ml_agents_results.cli.option_groups import argument, grouped
from ml_agents_results.cli.output_options import PARTLY
from ml_agents_results.errors import NotFoundError
from ml_agents_results.reports.terminal import say


@grouped
def record(
    command: list[str] = argument("-- COMMAND ...", "The program and its arguments.", default=...),
    *,
    where: DatabaseOptions,
) -> None:
    """Record what Inspect, lm-eval or pytest evaluate, while they run or right after.

    Sets ML_AGENTS_RECORD for one command: hooks of Inspect and pytest record as samples end. The
    samples that lm_eval writes are imported when it ends. Ends with the exit code of the command,
    or 5 if that ended well and could not be recorded.
    """
    from ml_agents_results.errors import ResultsError
    from ml_agents_results.integrations.lm_eval_recording import evaluates, recorded_command
    from ml_agents_results.integrations.switch import LOSSES, SWITCH

    if shutil.which(command[0]) is None:
        raise NotFoundError(f"there is no program {command[0]}", "Is it installed?")
    database = where.named(create=True)
    created(database)
    url = database.url.render_as_string(hide_password=False)
    recording = url if database.path is None else os.fspath(database.path.resolve())
    environment = {**os.environ, SWITCH: recording}
    if not evaluates(command):
        with tempfile.NamedTemporaryFile(prefix="ml-agents-") as losses:
            environment[LOSSES] = losses.name
            code = subprocess.run(command, env=environment, check=False).returncode
            raise typer.Exit(code or (PARTLY if losses.read(1) else 0))
    with recorded_command(command) as (extended, load_samples):
        code = subprocess.run(extended, env=environment, check=False).returncode
        if code == 0:
            try:
                result = load_samples(database)
            except ResultsError as error:
                say(f"Error: {error.message}")
                raise typer.Exit(PARTLY) from error
            say(f"Recorded {result.read:,} runs in {', '.join(result.experiments)}.")
    raise typer.Exit(code)
