"""Experiment files: the settings of an experiment in YAML or JSON."""

import json
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ml_agents_results.config import DatabaseConfig, ExperimentConfig
from ml_agents_results.errors import InvalidFileError, NotFoundError, UsageError
from ml_agents_results.redaction import REDACTED, redact
from ml_agents_results.yaml_text import read_yaml_mapping

_EXPERIMENT = tuple(field.name for field in fields(ExperimentConfig))
_DATABASE = tuple(field.name for field in fields(DatabaseConfig))


def read_config(path: str) -> dict[str, Any]:
    """The settings of a file, by the names of ExperimentConfig.

    `database` holds those of DatabaseConfig. Errors never show a value.

    Raises:
        NotFoundError: There is no such file.
        InvalidFileError: It is not a YAML mapping.
        UsageError: A setting is unknown, or is a key that belongs in the environment.
    """
    settings = read_yaml_mapping(Path(path), "--config", "dataset: questions.jsonl")
    if "system_prompt" in settings:
        settings.setdefault("system", settings.pop("system_prompt"))
    _check(path, settings, _EXPERIMENT)
    if isinstance(settings.get("model"), list):
        settings["models"] = settings.pop("model")
    for name in ("stop", "extra_body"):
        if isinstance(settings.get(name), list | dict):
            settings[name] = json.dumps(settings[name], ensure_ascii=False)
    if isinstance(settings.get("system"), str):
        settings["system"] = read_text(settings["system"])
    if "database" in settings:
        if not isinstance(settings["database"], dict):
            raise UsageError(
                f"database in {path} must be a mapping", "For example {db_path: r.db}."
            )
        _check(path, settings["database"], _DATABASE)
        DatabaseConfig(**settings["database"]).check()
    if not isinstance(settings.get("extra", {}), dict):
        raise UsageError(f"extra in {path} must be a mapping", "For example {note: pilot}.")
    if isinstance(settings.get("approaches"), str):
        settings["approaches"] = settings["approaches"].split(",")
    return settings


def read_text(value: str) -> str:
    """The text of a setting, or what the file of `@FILE` holds.

    Raises:
        NotFoundError: There is no such file.
        InvalidFileError: It is not UTF-8 text.
    """
    if not value.startswith("@"):
        return value
    path = Path(value[1:])
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise NotFoundError(f"there is no file {path}", "Check --system.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidFileError(f"{path} cannot be read: {error}", "Save it as UTF-8.") from error


def _check(path: str, settings: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in settings:
        if redact({str(name): "x"})[str(name)] == REDACTED:
            raise UsageError(
                f"{path} contains {name}: keys are read from the environment only",
                "Remove it and set the variable of the provider, such as OPENAI_API_KEY.",
            )
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            raise UsageError(
                f"{path} has an unknown setting {name!r}",
                f"Did you mean {near[0]}?"
                if near
                else f"Known: {', '.join(known)}. Anything else goes under `extra`.",
            )
