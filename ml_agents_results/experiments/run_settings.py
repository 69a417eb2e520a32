"""How an experiment is run, beside what it is about: speed, patience, parsing, files."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, cast, get_args

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import UsageError
from ml_agents_results.scoring.extraction import ParsingMode


@dataclass(frozen=True)
class RunSettings:
    """Settings of the runner; they live in `ExperimentConfig.extra` under these names.

    Attributes:
        concurrency: Questions in flight at once.
        timeout: Seconds for one attempt of one call; None leaves it to the provider.
        max_retries: Attempts of a call beyond the first.
        requests_per_minute: Attempts to start in a minute at most; None is no limit.
        base_url: The address of an OpenAI-compatible endpoint. What in it is secret is used, but
            not kept.
        prompts: A folder with prompts that replace those of this package.
        allow_code_execution: Whether ProgramOfThought may run what the model wrote.
        parsing: `auto`, `instructor`, `regex` or `manual` (see parsing.py).
        grader: `exact`, `any_of`, or one that another package brings.
        columns: Which column of the dataset holds `input`, `target`, `id` or `task`.
        output_dir: Where the CSV and JSON files go, each experiment in a folder of its own.
        grace: Seconds that running calls may take to end after an interruption.
    """

    concurrency: int = 4
    timeout: float | None = None
    max_retries: int = 5
    requests_per_minute: float | None = None
    base_url: str | None = None
    prompts: str | None = None
    allow_code_execution: bool = False
    parsing: ParsingMode = "auto"
    grader: str = "exact"
    columns: Mapping[str, str] = field(default_factory=dict)
    output_dir: str = "./outputs"
    grace: float = 5.0

    @classmethod
    def of(cls, config: ExperimentConfig) -> Self:
        """The settings of an experiment, checked.

        Raises:
            UsageError: A setting of the experiment makes no sense; the message names it.
        """
        given = {name: config.extra[name] for name in names() if config.extra.get(name) is not None}
        settings = cls(**given)
        for name in ("name", "description", "dataset", "provider", "model"):
            _check_text(name, getattr(config, name))
        for name in ("base_url", "prompts", "parsing", "grader", "output_dir"):
            _check_text(name, getattr(settings, name))
        for value, name in ((settings.concurrency, "concurrency"), (config.repeats, "repeats")):
            check_number(name, value, int, value_from=1)
        for name in ("samples", "max_tokens"):
            check_number(name, getattr(config, name), int, value_from=1)
        check_number("seed", config.seed, int)
        check_number("temperature", config.temperature, float, value_from=0)
        check_number("max_retries", settings.max_retries, int, value_from=0)
        for name in ("timeout", "requests_per_minute"):
            check_number(name, getattr(settings, name), float, above=0)
        check_number("grace", settings.grace, float, value_from=0)
        # Neither "no" nor anything else that a programmer would call true lets programs run.
        check_switch("allow_code_execution", settings.allow_code_execution)
        if settings.parsing not in get_args(ParsingMode):
            raise UsageError(
                f"parsing is {settings.parsing!r}", f"Known: {', '.join(get_args(ParsingMode))}."
            )
        if not config.approaches:
            raise UsageError("no approach is named", "Name one, for example --approach CoT.")
        if not all(isinstance(name, str) for name in config.approaches):
            raise UsageError("approaches holds what is no name", "It looks like [None, CoT].")
        columns = settings.columns
        if not isinstance(columns, Mapping) or not all(map(_is_text, columns.values())):
            raise UsageError("columns is no mapping", "It looks like {input: question}.")
        return settings


CHANGEABLE = (
    "concurrency",
    "timeout",
    "max_retries",
    "requests_per_minute",
    "base_url",
    "prompts",
    "output_dir",
    "grace",
)
"""Settings that may differ when an experiment is resumed: they do not change what is measured."""


def names() -> tuple[str, ...]:
    """The names of all settings."""
    return tuple(field.name for field in fields(RunSettings))


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _check_text(name: str, value: object) -> None:
    # The value is not shown: an address may hold a password.
    if value is not None and not _is_text(value):
        raise UsageError(f"{name} is no text", "Write it in quotes.")


def check_switch(name: str, value: object) -> None:
    """Raises UsageError for anything but true and false."""
    if not isinstance(value, bool):
        raise UsageError(f"{name} is {value!r}", "It is true or false, without quotes.")


def check_number(
    name: str,
    value: object,
    kind: type,
    *,
    value_from: float | None = None,
    above: float | None = None,
) -> None:
    """Raises UsageError for what is no finite number of the kind within the bounds; None may be."""
    if value is None:
        return
    number: Any = cast(Any, value)
    fits = isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)
    if (
        not fits
        or not math.isfinite(number)
        or (value_from is not None and number < value_from)
        or (above is not None and not number > above)
    ):
        bound = "" if value_from is None else f" from {value_from:g}"
        bound = bound if above is None else f" above {above:g}"
        kinds = "whole number" if kind is int else "number"
        raise UsageError(f"{name} is {value!r}", f"It is a {kinds}{bound}.")
