"""Origin of an experiment: whether its settings were given here, or may be a stranger's.

`run` signs the settings that reach beyond the database (addresses, folders, programs) with a key of
this user on this machine. An import takes the signature away, and so does a restore under another
name; nobody else can make one. Experiments without a valid signature are foreign.
"""

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from ml_agents_results.config import ExperimentConfig, settings
from ml_agents_results.database.files import finish_new, unfinished
from ml_agents_results.errors import UsageError
from ml_agents_results.records import ExperimentRecord

ORIGIN = "origin"
"""Where `environment_json` has the signatures of settings and database."""

_KEY_BYTES = 32


def reaching_settings(record: ExperimentRecord) -> dict[str, Any]:
    """The recorded settings that reach beyond the database, by name; those at their default are
    left out.

    Raises:
        UsageError: The recorded configuration cannot be read.
    """
    try:
        given = ExperimentConfig.from_dict(record.config_json).given()
    except (TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the configuration of {record.id} is damaged", "Start a new experiment."
        ) from error
    known = {
        setting.name: given[setting.name]
        for setting in settings()
        if setting.reaching and _reaches(setting.name, given.get(setting.name))
    }
    approaches = record.config_json.get("approaches")
    if isinstance(approaches, list) and any(map(_is_own, approaches)):
        known["approach"] = ",".join(map(str, approaches))
    if models := record.config_json.get("models"):
        known["models"] = models
    provider = record.environment_json.get("provider")
    if isinstance(provider, Mapping) and isinstance(provider.get("name"), str):
        known.setdefault("provider", provider["name"])
    return known


def _is_own(approach: object) -> bool:
    """Whether an approach is a file or a function."""
    return isinstance(approach, str) and ("=" in approach or ":" in approach)


def _reaches(name: str, value: object) -> bool:
    match name:
        case "dataset":
            return value not in (None, "builtin")
        case "grader":
            # Those of the package only change figures.
            return isinstance(value, str) and ":" in value.partition(",")[0]
        case _:
            return value not in (None, False, "")


def signed(record: ExperimentRecord, database: str) -> ExperimentRecord:
    """The experiment with the signature of its settings and of the database that it is in.

    Args:
        database: Its `identity`.
    """
    signatures = {"settings": _signature(_signed_text(record)), "database": _signature(database)}
    if None in signatures.values():
        return unsigned(record)
    return replace(record, environment_json={**record.environment_json, ORIGIN: signatures})


def unsigned(record: ExperimentRecord) -> ExperimentRecord:
    """The experiment as a foreign one."""
    environment = {k: v for k, v in record.environment_json.items() if k != ORIGIN}
    return replace(record, environment_json=environment)


def is_foreign(record: ExperimentRecord) -> bool:
    """Whether the settings were not given by this user on this machine."""
    return not _fits(record.environment_json, "settings", _signed_text(record))


def signed_elsewhere(environment: Mapping[str, Any], database: str) -> bool:
    """Whether the experiment was signed in another database, or not at all."""
    return not _fits(environment, "database", database)


def trusted_grader(record: ExperimentRecord) -> str:
    """The grader of an experiment, by which its stored answers are graded.

    Raises:
        UsageError: It is a function that a stranger named.
    """
    extra = record.config_json.get("extra")
    name = str((extra.get("grader") if isinstance(extra, Mapping) else None) or "exact")
    if _reaches("grader", name) and is_foreign(record):
        raise UsageError(
            f"{record.id} comes from elsewhere, and its grader {name!r} would run code here",
            f"If you trust it: ml-agents score --experiment-id {record.id} --primary "
            f"--grader {name}",
        )
    return name


def _fits(environment: Mapping[str, Any], name: str, text: str) -> bool:
    known = environment.get(ORIGIN)
    value = known.get(name) if isinstance(known, Mapping) else None
    expected = _signature(text)
    return (
        isinstance(value, str)
        and expected is not None
        and hmac.compare_digest(value.encode(errors="replace"), expected.encode())
    )


def _signed_text(record: ExperimentRecord) -> str:
    return json.dumps([record.id, reaching_settings(record)], sort_keys=True, default=str)


def _signature(text: str) -> str | None:
    key = _key(_key_file())
    digest = hashlib.sha256
    return None if key is None else hmac.new(key, text.encode(errors="replace"), digest).hexdigest()


def _key_file() -> Path | None:
    folder = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(folder):  # noqa: PTH117 - it may be empty, which is not a path
        try:
            folder = str(Path.home() / ".local" / "state")
        except RuntimeError:
            return None
    return Path(folder) / "ml-agents-results" / "origin.key"


@cache
def _key(path: Path | None) -> bytes | None:
    """The key in a file that only this user can read, made at its first use; None where there is
    no place for one: then every experiment is foreign."""
    if path is None:
        return None
    with suppress(OSError):
        if not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with unfinished(path) as draft:
                file = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
                with os.fdopen(file, "wb") as opened:
                    opened.write(secrets.token_bytes(_KEY_BYTES))
                # Of two processes one makes it.
                finish_new(draft, path)
        key = path.read_bytes()
        return key if len(key) == _KEY_BYTES else None
    return None
