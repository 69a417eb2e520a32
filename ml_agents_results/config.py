"""Configuration: where the database is, and the settings of a provider and an experiment."""

import json
import os
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields
from typing import Any, Literal

from ml_agents_results.errors import UsageError
from ml_agents_results.setting import Setting, check_value

DEFAULT_DB_PATH = "./ml_agents_results.db"

ParsingMode = Literal["auto", "instructor", "regex", "manual"]
"""Ways to take answers from outputs: `auto` tries both parsers, `manual` none."""

StopWhen = Literal["never", "decided"]
"""When an experiment ends before its plan."""


@dataclass
class DatabaseConfig:
    """Connection to the database, and its maintenance.

    Attributes:
        enabled: Whether results are recorded in a database at all.
        db_path: The SQLite file; ignored where `url` is given.
        backup_frequency: Back up after this many recorded runs; 0 never does.
        auto_vacuum: Return the space of deleted runs to the disk (SQLite, new files only).
        connection_timeout: Seconds to wait for a busy or unreachable database.
        url: A SQLAlchemy URL, for example `postgresql+psycopg://user@host/results`.
        keep: Number of backups to keep, the newest ones.
        keep_days: Besides those, keep the newest backup of each of this many days.
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

    def check(self) -> None:
        """Raises UsageError for a value that cannot work.

        Checked before anything is recorded: a backup that fails later would stop the experiment.
        """
        for name in ("enabled", "auto_vacuum"):
            check_value(name, getattr(self, name), bool)
        for name in ("backup_frequency", "keep", "keep_days"):
            check_value(name, getattr(self, name), int, at_least=0)
        check_value("connection_timeout", self.connection_timeout, float, above=0)
        check_value("statement_timeout", self.statement_timeout, float, at_least=0)
        for name in ("db_path", "url"):
            check_value(name, getattr(self, name), str)


@dataclass(kw_only=True)
class ProviderSettings:
    """Settings of the requests to a model. Each field states its meaning."""

    temperature: Setting[float | None] = Setting(
        None, "Sampling temperature.", unset="the provider's", at_least=0, recorded=True
    )
    max_tokens: Setting[int | None] = Setting(
        None,
        "Maximum number of tokens of an answer.",
        unset="the provider's",
        at_least=1,
        recorded=True,
    )
    seed: Setting[int | None] = Setting(None, "Seed, for providers that take one.", recorded=True)
    system: Setting[str | None] = Setting(
        None, "System prompt: a text, or @FILE.", metavar="TEXT", unset="none"
    )
    top_p: Setting[float | None] = Setting(
        None, "Nucleus sampling: the probability mass kept.", unset="the provider's", above=0
    )
    stop: Setting[str | None] = Setting(
        None, "Text at which the model stops; a JSON list names several.", metavar="TEXT"
    )
    reasoning_effort: Setting[str | None] = Setting(
        None,
        "Effort of a reasoning model: low, medium, high, or what the endpoint knows.",
        metavar="EFFORT",
        unset="the provider's",
    )
    extra_body: Setting[str | None] = Setting(
        None, "Further fields of each request, as a JSON object.", metavar="JSON"
    )
    base_url: Setting[str | None] = Setting(
        None,
        "OpenAI-compatible endpoint: vLLM, Ollama, ... Keys in it are used, never recorded.",
        metavar="URL",
        changeable=True,
        reaching=True,
    )
    timeout: Setting[float | None] = Setting(
        None,
        "Seconds for one attempt of one call.",
        unset="120; 600 for `local`",
        above=0,
        changeable=True,
    )
    max_retries: Setting[int] = Setting(
        5, "Maximum number of retries of a call.", at_least=0, changeable=True
    )
    requests_per_minute: Setting[float | None] = Setting(
        None, "Maximum number of attempts per minute.", above=0, changeable=True
    )

    cache: Setting[str | None] = Setting(
        None,
        "Folder of stored answers: what is asked with the same settings is taken from it.",
        metavar="DIR",
        unset="none",
        changeable=True,
        reaching=True,
    )

    def stops(self) -> list[str]:
        """The texts at which the model stops.

        Raises:
            UsageError: `stop` is a JSON list of something else.
        """
        if self.stop is None:
            return []
        if not self.stop.startswith("["):
            return [self.stop]
        try:
            texts = json.loads(self.stop)
        except ValueError:
            return [self.stop]
        if not all(isinstance(text, str) and text for text in texts):
            raise UsageError("stop is a list with something else than texts", 'stop: ["###"]')
        return list(texts)

    def further_fields(self) -> dict[str, Any]:
        """The fields of `extra_body`.

        Raises:
            UsageError: It is not a JSON object, or names what the package itself sends.
        """
        if self.extra_body is None:
            return {}
        try:
            fields = json.loads(self.extra_body)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            raise UsageError("extra_body is not a JSON object", 'For example {"top_k": 20}.')
        if taken := sorted(fields.keys() & {"messages", "model", "stream", "n", "response_format"}):
            raise UsageError(
                f"extra_body cannot set {taken[0]!r}", "That field is sent by the package itself."
            )
        return fields


@dataclass
class ExperimentConfig(ProviderSettings):
    """One configured study; saved with the experiment so that it can be repeated and resumed.

    Each setting states its meaning where it is declared.

    Attributes:
        approaches: Reasoning approaches, long or short names.
        models: Several models in place of `model`; every approach is asked with each. A model may
            name its provider (`anthropic:claude-...`), which is then asked at its own address.
        database: Where the results are recorded.
        extra: Anything else worth keeping with the experiment. Settings under their own names
            are accepted here too.
    """

    name: Setting[str] = Setting("", "Title of the experiment.", metavar="TEXT", recorded=True)
    description: Setting[str] = Setting(
        "", "Description of the experiment.", metavar="TEXT", recorded=True
    )
    dataset: Setting[str | None] = Setting(
        None,
        "Dataset: a .jsonl, .csv or BIG-Bench .json file, a folder of them, a Hugging Face name "
        "(owner/name), or `builtin`.",
        unset="builtin",
        metavar="SOURCE",
        recorded=True,
        changeable=True,
        reaching=True,
    )
    approaches: list[str] = field(default_factory=lambda: ["None"])
    provider: Setting[str | None] = Setting(
        None,
        "Provider: local, openai, openrouter, anthropic.",
        unset="local, where installed",
        recorded=True,
        reaching=True,
    )
    model: Setting[str | None] = Setting(
        None, "Model name at the provider; a .gguf file for `local`.", recorded=True, reaching=True
    )
    models: list[str] = field(default_factory=list, kw_only=True)
    samples: Setting[int | None] = Setting(
        None, "Samples per task.", unset="all", at_least=1, recorded=True
    )
    repeats: Setting[int] = Setting(1, "How often each sample is asked.", at_least=1, recorded=True)
    examples: Setting[str | None] = Setting(
        None,
        "Dataset of solved examples, shown before each question; needs --shots.",
        metavar="SOURCE",
        unset="none",
        changeable=True,
        reaching=True,
    )
    shots: Setting[int | None] = Setting(
        None, "How many examples each question is shown.", metavar="N", at_least=1
    )
    shuffle: Setting[int | None] = Setting(
        None,
        "Ask the questions in random order, by this seed, each with all approaches and repeats.",
        metavar="SEED",
        unset="the order of the dataset",
    )
    stop_when: Setting[StopWhen] = Setting(
        "never",
        "End when the differences from the baseline are clear; needs --shuffle.",
        changeable=True,
    )
    database: DatabaseConfig = field(default_factory=DatabaseConfig)
    extra: dict[str, Any] = field(default_factory=dict)
    concurrency: Setting[int] = Setting(
        4, "Maximum number of questions in flight.", at_least=1, changeable=True
    )
    prompts: Setting[str | None] = Setting(
        None,
        "Folder of prompts that replace those of the package.",
        metavar="DIR",
        changeable=True,
        reaching=True,
    )
    allow_code_execution: Setting[bool] = Setting(
        False, "Let ProgramOfThought run the model's programs (docs/running.md).", reaching=True
    )
    parsing: Setting[ParsingMode] = Setting("auto", "How answers are taken from outputs.")
    grader: Setting[str] = Setting(
        "exact", "Grader: exact, any_of, or that of a plug-in.", reaching=True
    )
    columns: Setting[Mapping[str, str] | None] = Setting(
        None, "The columns of the dataset that hold input, target, id and task."
    )
    dataset_recipe: Setting[str | None] = Setting(
        None, "YAML file that describes how rows become questions.", metavar="FILE", reaching=True
    )
    answer_kind: Setting[str | None] = Setting(
        None, "Kind of answer: number, choice, math, ...", unset="guessed for each task"
    )
    answer_pattern: Setting[str | None] = Setting(
        None, "Regular expression whose one group is the answer.", metavar="REGEX", reaching=True
    )
    output_dir: Setting[str] = Setting(
        "./outputs",
        "Folder in which to create one with the CSV and JSON files.",
        metavar="DIR",
        changeable=True,
        reaching=True,
    )
    max_cost: Setting[float | None] = Setting(
        None,
        "Stop before more than this is spent, in USD; needs --max-tokens.",
        metavar="USD",
        unset="no limit",
        above=0,
        changeable=True,
    )
    grace: Setting[float] = Setting(
        5.0,
        "Seconds that running calls get to end after an interruption.",
        at_least=0,
        changeable=True,
    )

    def __post_init__(self) -> None:
        if "system_prompt" in self.extra:
            self.extra = {"system": self.extra["system_prompt"], **self.extra}
            del self.extra["system_prompt"]
        known = {setting.name for setting in settings()}
        for name in known & self.extra.keys():
            setattr(self, name, self.extra[name])
        self.extra = {name: value for name, value in self.extra.items() if name not in known}

    def check(self) -> None:
        """Raises UsageError for a setting that makes no sense; the message names it."""
        for setting in settings():
            setting.check(getattr(self, setting.name))
        self.further_fields()
        self.stops()
        if not self.approaches:
            raise UsageError("no approach is given", "Give one, for example --approach CoT.")
        names = self.approaches
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UsageError("approaches must be a list of names", "For example [None, CoT].")
        if not isinstance(self.models, list) or not all(isinstance(n, str) for n in self.models):
            raise UsageError("models must be a list of names", "For example [gpt-5, o3].")
        if self.models and self.model is not None:
            raise UsageError("model and models cannot be combined", "Name all under models.")
        if doubled := sorted({name for name in self.models if self.models.count(name) > 1}):
            raise UsageError(f"the model {doubled[0]} is named twice", "Give every model once.")
        self.database.check()

    @property
    def model_names(self) -> list[str | None]:
        """Every model that is asked; None is the provider's default."""
        return [*self.models] if self.models else [self.model]

    def given(self) -> dict[str, Any]:
        """The settings that were given a value, by name."""
        return {
            setting.name: getattr(self, setting.name)
            for setting in settings()
            if setting.name in self.__dict__
        }

    def to_dict(self) -> dict[str, Any]:
        """The settings that belong to the study: all but where its results are recorded.

        Those that do not define it are under `extra`, where they were given.
        """
        given = self.given()
        document: dict[str, Any] = {"approaches": list(self.approaches)}
        if self.models:
            document["models"] = list(self.models)
        for setting in settings():
            if setting.recorded:
                document[setting.name] = given.pop(setting.name, setting.default)
        return deepcopy({**document, "extra": {**self.extra, **given}})

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "ExperimentConfig":
        """The inverse of `to_dict`; settings of other names are kept in `extra`."""
        known = {field.name for field in fields(cls)} - {"database", "extra"}
        extra = {**settings.get("extra", {})}
        extra |= {k: v for k, v in settings.items() if k not in known | {"database", "extra"}}
        database = settings.get("database") or {}
        if not isinstance(database, DatabaseConfig):
            database = DatabaseConfig(**database)
        return cls(
            **{k: v for k, v in settings.items() if k in known}, database=database, extra=extra
        )


def settings() -> Iterator[Setting[Any]]:
    """The declarations of all settings of an experiment."""
    for declaring in (ExperimentConfig, ProviderSettings):
        yield from (value for value in vars(declaring).values() if isinstance(value, Setting))
