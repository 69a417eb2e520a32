"""Settings: where the database is, and what an experiment is made of."""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

DEFAULT_DB_PATH = "./ml_agents_results.db"


@dataclass
class DatabaseConfig:
    """How the database is reached and cared for.

    Attributes:
        enabled: Whether results are recorded in a database at all.
        db_path: The SQLite file; ignored where `url` is given.
        backup_frequency: Back up after this many recorded runs; 0 never does.
        auto_vacuum: Give the space of deleted runs back to the disk (SQLite, new files only).
        connection_timeout: Seconds to wait for a busy or unreachable database.
        url: A SQLAlchemy URL, for example `postgresql+psycopg://user@host/results`.
        keep: Backups to keep, the newest ones.
        keep_days: Beyond those, keep the newest backup of each of this many days.
        statement_timeout: Seconds that a server may take for one statement; 0 sets no limit.
            Imports and migrations take the time they need.
    """

    enabled: bool = True
    db_path: str = DEFAULT_DB_PATH
    backup_frequency: int = 100
    auto_vacuum: bool = True
    connection_timeout: float = 30
    url: str | None = None
    keep: int = 5
    keep_days: int = 7
    statement_timeout: float = 600

    @classmethod
    def resolve(cls, db_path: str | None = None, url: str | None = None) -> "DatabaseConfig":
        """The database that was named, else that of the environment, else the default file.

        The environment variables are `ML_AGENTS_DB_URL` and `ML_AGENTS_DB_PATH`.
        """
        if db_path is None and url is None:
            db_path = os.environ.get("ML_AGENTS_DB_PATH")
            url = os.environ.get("ML_AGENTS_DB_URL")
        return cls(db_path=db_path or DEFAULT_DB_PATH, url=url)


@dataclass
class ExperimentConfig:
    """One configured study; saved with the experiment so that it can be repeated and resumed.

    Attributes:
        name: A title for people.
        description: What the study is about.
        dataset: A file, a folder of files, or the name of a data set.
        approaches: Reasoning approaches, long or short names.
        provider: Who serves the model (`local`, `openai`, `openrouter`, `anthropic`, ...).
        model: The model's name there.
        samples: Samples to ask per task; None asks all.
        repeats: How often each sample is asked.
        temperature: Sampling temperature; None leaves it to the provider.
        max_tokens: Upper bound on the tokens of one answer; None leaves it to the provider.
        seed: Passed to providers that take one.
        database: Where the results are kept.
        extra: Anything else worth keeping with the experiment.
    """

    name: str = ""
    description: str = ""
    dataset: str | None = None
    approaches: list[str] = field(default_factory=lambda: ["None"])
    provider: str | None = None
    model: str | None = None
    samples: int | None = None
    repeats: int = 1
    temperature: float | None = None
    max_tokens: int | None = None
    seed: int | None = None
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    extra: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """The settings that belong to the study: all but where its results are kept."""
        settings = asdict(self)
        del settings["database"]
        return settings

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "ExperimentConfig":
        """The inverse of `to_dict`; settings of other names are kept in `extra`."""
        known = {name for name in cls.__dataclass_fields__ if name not in ("database", "extra")}
        extra = {**settings.get("extra", {})}
        extra |= {k: v for k, v in settings.items() if k not in known | {"database", "extra"}}
        database = settings.get("database") or {}
        if not isinstance(database, DatabaseConfig):
            database = DatabaseConfig(**database)
        return cls(
            **{k: v for k, v in settings.items() if k in known}, database=database, extra=extra
        )
