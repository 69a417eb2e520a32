"""lm-evaluation-harness: the samples of a run, recorded when it ends.

It finishes no task before the others and has no hooks, so there is nothing to record earlier. The
rows are those of importing its files.
"""

import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ml_agents_results.database.engine import Database
from ml_agents_results.database.manager import DatabaseManager
from ml_agents_results.errors import InvalidFileError, UsageError
from ml_agents_results.formats.importing import ImportResult, load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.integrations.switch import recording_database

_PROGRAMS = ("lm_eval", "lm-eval")
_OUTPUT = ("--output_path", "-o")
_MODEL_ARGUMENTS = ("peft", "delta", "pretrained", "model", "path", "engine")
"""Arguments of lm_eval's kinds of models that name the model, the first that is there."""


def record_lm_eval(
    results: Mapping[str, Any] | None,
    database: Database | str | os.PathLike[str] | None = None,
    *,
    model: str | None = None,
    approach: str | None = None,
) -> ImportResult | None:
    """Records what `lm_eval.simple_evaluate(..., log_samples=True)` returned.

    Each evaluation is an experiment; recording it again changes nothing.

    Args:
        results: None, as ranks other than the first get it, is nothing to record.
        database: A database, file or URL; None is that of ML_AGENTS_RECORD, or the usual one.
        model: Of all runs. [default: the one that the results name]
        approach: Of all runs. [default: as `import` finds it]

    Raises:
        UsageError: The results have no samples.
    """
    if results is None:
        return None
    if not isinstance(results.get("samples"), Mapping):
        raise UsageError(
            "the results have no samples", "Call simple_evaluate with log_samples=True."
        )
    with tempfile.TemporaryDirectory(prefix="ml-agents-") as name:
        folder = Path(name)
        _write(results, model, folder)
        options = ImportOptions(approach=approach)
        if isinstance(database, Database):
            return load(database, [LogSource(folder)], options)
        opened = Database(recording_database() if database is None else os.fspath(database))
        try:
            DatabaseManager(opened).initialize_schema()
            return load(opened, [LogSource(folder)], options)
        finally:
            opened.close()


def evaluates(command: Sequence[str]) -> bool:
    """Whether a command is lm-eval's."""
    name = Path(command[0]).name
    if name in _PROGRAMS:
        return True
    return name.startswith("python") and list(command[1:3]) in (
        ["-m", program] for program in _PROGRAMS
    )


@contextmanager
def recorded_command(
    command: Sequence[str],
) -> Iterator[tuple[list[str], Callable[[Database], ImportResult]]]:
    """The command with what makes it write samples, and what imports them afterwards."""
    extended = list(command)
    if "--log_samples" not in extended:
        extended.append("--log_samples")
    with tempfile.TemporaryDirectory(prefix="ml-agents-") as scratch:
        output = _output(extended)
        if output is None:
            output = Path(scratch)
            extended += ["--output_path", scratch]
        folder = output.parent if output.suffix == ".json" else output
        before = _samples(folder)

        def load_samples(database: Database) -> ImportResult:
            new = sorted(_samples(folder) - before)
            if not new:
                raise InvalidFileError(
                    "lm_eval ended well but wrote no samples", "Look at its warnings."
                )
            sources = [LogSource(path) for path in _results_of(new)]
            return load(database, sources, ImportOptions())

        yield extended, load_samples


def _output(command: Sequence[str]) -> Path | None:
    for index, argument in enumerate(command):
        for option in _OUTPUT:
            if argument == option and index + 1 < len(command):
                return Path(command[index + 1])
            if argument.startswith(f"{option}="):
                return Path(argument.partition("=")[2])
    return None


def _samples(folder: Path) -> set[Path]:
    return set(folder.rglob("samples_*.jsonl")) if folder.is_dir() else set()


def _results_of(samples: Sequence[Path]) -> list[Path]:
    """One source per results file: naming its samples too would read each run twice."""
    sources: dict[Path, None] = {}
    for path in samples:
        stamp = path.stem.rpartition("_")[2]
        results = path.with_name(f"results_{stamp}.json")
        sources[results if results.is_file() else path] = None
    return list(sources)


def _write(results: Mapping[str, Any], model: str | None, folder: Path) -> None:
    """The files that lm_eval's command line would have written."""
    config = results.get("config") or {}
    model = model or results.get("model_name") or _model(config)
    rest = {
        **{name: value for name, value in results.items() if name != "samples"},
        "model_name": model,
        "model_name_sanitized": re.sub(r'["<>:/|\\?*\[\]]+', "__", model),
        "model_source": results.get("model_source") or config.get("model"),
    }
    # When the evaluation began: the names of the files hold it, and the experiment's id.
    moment = datetime.fromtimestamp(results.get("date") or time.time(), UTC)
    stamp = f"{moment:%Y-%m-%dT%H-%M-%S.%f}"
    (folder / f"results_{stamp}.json").write_text(_json(rest), encoding="utf-8")
    for task, rows in results["samples"].items():
        lines = [_json(_as_written(row)) for row in deepcopy(list(rows))]
        path = folder / f"samples_{task}_{stamp}.jsonl"
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _model(config: Mapping[str, Any]) -> str:
    """The model in the arguments of its kind (`hf` with `pretrained=gpt2`), else the kind."""
    given = config.get("model_args") or {}
    if isinstance(given, str):
        given = dict(pair.partition("=")[::2] for pair in given.split(","))
    named = (given.get(name) for name in _MODEL_ARGUMENTS)
    return str(next(filter(None, named), config.get("model") or "model"))


def _as_written(row: dict[str, Any]) -> dict[str, Any]:
    """A row in the form of the files: requests are objects there, and tuples in memory."""
    arguments = row.get("arguments")
    if isinstance(arguments, list | tuple):
        row["arguments"] = {
            f"gen_args_{index}": {f"arg_{number}": one for number, one in enumerate(request)}
            for index, request in enumerate(arguments)
            if isinstance(request, list | tuple)
        }
    for name in ("resps", "filtered_resps"):
        row[name] = row.get(name) or []
    row["target"] = str(row.get("target"))
    return row


def _json(value: object) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
