"""Experiment files: the settings of an experiment in YAML or JSON."""

from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.errors import InvalidFileError, NotFoundError, UsageError
from ml_agents_results.experiments.run_settings import check_number, check_switch, names
from ml_agents_results.redaction import REDACTED, redact

_STUDY = tuple(field.name for field in fields(ExperimentConfig))
_DATABASE = tuple(field.name for field in fields(DatabaseConfig))


def read_config(path: str) -> dict[str, Any]:
    """The settings of a file, by the names of ExperimentConfig and RunSettings.

    `database` holds those of DatabaseConfig. No value is ever shown in an error.

    Raises:
        NotFoundError: There is no such file.
        InvalidFileError: It is no YAML mapping.
        UsageError: A setting is unknown, or is a key that belongs into the environment.
    """
    import yaml

    try:
        with Path(path).open(encoding="utf-8-sig") as file:
            settings = yaml.safe_load(file)
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", "Check --config.") from error
    except OSError as error:
        raise InvalidFileError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InvalidFileError(f"{path} is not UTF-8 text", "Save it as UTF-8.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise InvalidFileError(
            f"{path}{line} is not YAML: {getattr(error, 'problem', None) or 'unreadable'}",
            "A file holds lines such as `dataset: questions.jsonl`.",
        ) from None
    if not isinstance(settings, dict):
        raise InvalidFileError(
            f"{path} is no mapping", "A file holds lines such as `dataset: questions.jsonl`."
        )
    _check(path, settings, (*_STUDY, *names()))
    if "database" in settings:
        if not isinstance(settings["database"], dict):
            raise UsageError(f"database in {path} is no mapping", "It holds db_path and the like.")
        _check(path, settings["database"], _DATABASE)
        _check_database(settings["database"])
    if not isinstance(settings.get("extra", {}), dict):
        raise UsageError(f"extra in {path} is no mapping", "It looks like {note: whatever}.")
    if isinstance(settings.get("approaches"), str):
        settings["approaches"] = settings["approaches"].split(",")
    return settings


def _check_database(settings: dict[str, Any]) -> None:
    """Before anything is recorded: a backup that fails later would stop the experiment."""
    for name in ("enabled", "auto_vacuum"):
        check_switch(name, settings.get(name, True))
    for name in ("backup_frequency", "keep", "keep_days"):
        check_number(name, settings.get(name, 0), int, value_from=0)
    check_number("connection_timeout", settings.get("connection_timeout"), float, above=0)
    check_number("statement_timeout", settings.get("statement_timeout"), float, value_from=0)
    for name in ("db_path", "url"):
        if not isinstance(settings.get(name), str | None):
            raise UsageError(f"{name} is no text", "Write it in quotes.")


def _check(path: str, settings: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in settings:
        if redact({str(name): "x"})[str(name)] == REDACTED:
            raise UsageError(
                f"{path} holds {name}: keys are read from the environment only",
                "Take it out and set the variable of the provider, such as OPENAI_API_KEY.",
            )
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            raise UsageError(
                f"{path} has a setting {name!r} that is not known",
                f"Did you mean {near[0]}?"
                if near
                else f"Known: {', '.join(known)}. Anything else goes under `extra`.",
            )
