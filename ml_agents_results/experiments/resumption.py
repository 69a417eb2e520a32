"""Resumption: what defines an experiment, and whether it is still the one that was begun."""

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ml_agents_results.config import ExperimentConfig, settings
from ml_agents_results.database.engine import Database
from ml_agents_results.database.origin import is_foreign, reaching_settings
from ml_agents_results.errors import ResultsError, UsageError
from ml_agents_results.experiments.approaches import prompt_fingerprints
from ml_agents_results.experiments.plan import VERSION, Extent
from ml_agents_results.experiments.study import Study
from ml_agents_results.providers import named_model
from ml_agents_results.providers.interface import Provider
from ml_agents_results.records import ExperimentRecord
from ml_agents_results.repositories.experiment_repository import ExperimentRepository

EXTENSIONS = "extensions"
"""The key in an experiment's environment of what it was before each extension, and when and with
what versions that was made."""


class ResumeRefused(ResultsError):
    """Resuming would mix runs that do not belong together."""


def definition(study: Study) -> dict[str, Any]:
    """What defines the experiment; resuming compares it."""
    return {
        "plan": study.plan.describe(),
        "dataset": {
            "name": study.dataset.name,
            "fingerprint": study.dataset.fingerprint,
            "questions": len(study.dataset.questions),
            "recipe": study.dataset.recipe,
            "answer_kinds": study.dataset.kinds,
        },
        "prompts": prompt_fingerprints(study.approaches),
        **({} if study.examples is None else {"examples": study.examples.describe()}),
    }


def check_plan(record: ExperimentRecord) -> None:
    """Raises ResumeRefused if the experiment has no plan of this version."""
    plan = record.environment_json.get("plan")
    if not isinstance(plan, dict) or "version" not in plan:
        raise ResumeRefused(
            f"{record.id} has no plan: it was imported, or recorded by another program",
            "Only what `ml-agents run` started can be resumed; start a program of your own again.",
        )
    if plan.get("version") not in range(1, VERSION + 1):
        raise ResumeRefused(
            f"{record.id} was started by another version of this program (its plan has version "
            f"{plan.get('version')}, this one reads up to {VERSION})",
            f"Resume it with version {_package_version(record)}.",
        )

    dataset, prompts = (record.environment_json.get(name) for name in ("dataset", "prompts"))
    complete = isinstance(dataset, dict) and {"fingerprint", "questions"} <= dataset.keys()
    if not complete or not isinstance(prompts, dict):
        raise ResumeRefused(f"the plan of {record.id} is damaged", "Start a new experiment.")


def check_given_anew(record: ExperimentRecord, given: Mapping[str, Any], command: str) -> None:
    """Raises ResumeRefused if settings of an experiment from elsewhere were not given anew.

    Args:
        given: The settings that the user gave now.
        command: The command that resumes it; the hint adds the settings.
    """
    if not is_foreign(record):
        return
    missing = {
        name: value for name, value in reaching_settings(record).items() if name not in given
    }
    if missing:
        raise ResumeRefused(
            f"{record.id} was not started here, or was imported or restored: its "
            f"{', '.join(name.replace('_', ' ') for name in missing)} may be a stranger's",
            f"Give them again, if you trust them: {command} {_options(missing)}",
        )


def _options(values: Mapping[str, Any]) -> str:
    options = []
    for name, value in values.items():
        option = "--model" if name == "models" else f"--{name.replace('_', '-')}"
        if isinstance(value, list):
            value = ",".join(map(str, value))
        options.append(option if value is True else f"{option} {shlex.quote(str(value))}")
    return " ".join(options)


def _package_version(record: ExperimentRecord) -> str:
    packages = record.environment_json.get("packages")
    known = packages if isinstance(packages, dict) else {}
    return str(known.get("ml-agents-results", "that started it"))


def check_unchanged(record: ExperimentRecord, study: Study) -> None:
    """Raises ResumeRefused if the dataset, the prompts or the plan have changed."""
    then, now = record.environment_json, definition(study)
    if then["dataset"]["fingerprint"] != now["dataset"]["fingerprint"]:
        raise ResumeRefused(
            f"the dataset {study.dataset.source} has changed since {record.id} was started "
            f"({then['dataset']['questions']} questions then, {now['dataset']['questions']} now)",
            "Restore the dataset, or start a new experiment.",
        )
    changed = sorted(
        name
        for name in {*then["prompts"], *now["prompts"]}
        if then["prompts"].get(name) != now["prompts"].get(name)
    )
    if changed:
        raise ResumeRefused(
            f"prompts or functions have changed since {record.id} was started: "
            f"{', '.join(changed)}",
            "Restore them (--prompts DIR), or start a new experiment.",
        )
    if _shown(then) != _shown(now):
        raise ResumeRefused(
            f"the examples that {record.id} shows have changed since it was started",
            "Restore them (--examples FILE), or start a new experiment.",
        )
    if then["plan"] != now["plan"]:
        raise ResumeRefused(
            f"the plan of {record.id} has changed since the experiment was started",
            "Start a new experiment.",
        )


def _shown(environment: Mapping[str, Any]) -> tuple[object, object]:
    known = environment.get("examples")
    return (known.get("fingerprint"), known.get("shots")) if isinstance(known, dict) else ("", 0)


def recorded_providers(record: ExperimentRecord) -> Sequence[Mapping[str, str]]:
    """Who was asked: name, model and endpoint of each; empty for an experiment that was only saved.

    Raises:
        ResumeRefused: It is damaged.
    """
    known = record.environment_json.get("providers")
    if known is None:
        first = record.environment_json.get("provider")
        known = [] if first is None else [first]
    names = ("name", "model", "endpoint")
    if not isinstance(known, list) or not all(
        isinstance(one, dict) and all(isinstance(one.get(n), str) for n in names) for one in known
    ):
        raise ResumeRefused(f"the provider of {record.id} is damaged", "Start a new experiment.")
    return known


def described(providers: Sequence[Provider]) -> dict[str, Any]:
    """The providers as they are recorded, with the token limits that they set where none was given:
    under `provider` a single one, else under `providers`."""
    known = []
    for provider in providers:
        limit = getattr(provider, "default_max_tokens", None)
        known.append(
            {
                "name": provider.name,
                "model": provider.model,
                "endpoint": provider.endpoint,
                **({} if limit is None else {"default_max_tokens": limit}),
            }
        )
    return {"provider": known[0]} if len(known) == 1 else {"providers": known}


def check_same_models(record: ExperimentRecord, providers: Sequence[Provider]) -> None:
    """Raises ResumeRefused if another provider or model would answer.

    Args:
        providers: Those of the recorded models, in their order, and maybe further ones.
    """
    for then, now in zip(recorded_providers(record), providers, strict=False):
        if (then["name"], then["model"]) != (now.name, now.model):
            raise ResumeRefused(
                f"{record.id} asked {then['name']}/{then['model']}, this would ask "
                f"{now.name}/{now.model}",
                "Start a new experiment for another model.",
            )


def note_endpoints(
    database: Database,
    experiment_id: str,
    recorded: Sequence[Mapping[str, str]],
    providers: Sequence[Provider],
) -> list[dict[str, Any]]:
    """What each provider's runs are recorded with: an endpoint that is not the recorded one.

    The experiment's record names it, too.
    """
    asked_with: list[dict[str, Any]] = [{} for _ in providers]
    for then, now, noted in zip(recorded, providers, asked_with, strict=False):
        if then["endpoint"] != now.endpoint:
            noted["endpoint"] = now.endpoint
    if new := [noted["endpoint"] for noted in asked_with if noted]:
        with database.write() as connection:
            experiments = ExperimentRepository(connection)
            record = experiments.get(experiment_id, lock=True)
            known = record.environment_json.get("further_endpoints") or []
            record.environment_json["further_endpoints"] = list(dict.fromkeys([*known, *new]))
            experiments.save(replace(record, metrics=None))
    return asked_with


def merged(record: ExperimentRecord, changes: ExperimentConfig) -> ExperimentConfig:
    """The experiment's own configuration with the changes that were given.

    Raises:
        UsageError: A change is of a setting that is fixed.
    """
    config = ExperimentConfig.from_dict(record.config_json)
    asked = recorded_providers(record)
    if asked and len(asked) != len(config.model_names):
        raise ResumeRefused(f"the models of {record.id} are damaged", "Start a new experiment.")
    for name, known in zip(config.model_names, asked, strict=False):
        if name is None or named_model(name)[0] is None:
            # The default provider of that time.
            config.provider = config.provider or known["name"]
            break
    changeable = [setting.name for setting in settings() if setting.changeable]
    given = {**changes.given(), **changes.extra}
    recorded_settings = {**vars(config), **config.extra}
    changed = {name for name in given if given[name] != recorded_settings.get(name)}
    if changes.approaches not in (["None"], config.approaches):
        changed.add("approach")
    if changes.models not in ([], config.models):
        changed.add("model")
    if fixed := sorted(changed - set(changeable)):
        raise UsageError(
            f"{fixed[0]} cannot be changed when an experiment is resumed",
            f"These can: {', '.join(changeable)}. Start a new experiment for other settings.",
        )
    for name, value in given.items():
        setattr(config, name, value)
    return config


def given_settings(
    record: ExperimentRecord,
    changes: ExperimentConfig,
    approaches: Collection[str] = (),
    models: Collection[str] = (),
) -> dict[str, Any]:
    """The settings that the user gave now, by the names that those which reach beyond the database
    have.

    Args:
        approaches, models: What the user named besides the settings.
    """
    given = {**changes.given(), **changes.extra}
    for name, recorded, named in (
        ("approach", record.config_json.get("approaches"), [*changes.approaches, *approaches]),
        ("models", record.config_json.get("models"), [*changes.models, *models]),
        ("model", [record.config_json.get("model")], [*changes.models, *models]),
    ):
        if isinstance(recorded, list) and all(one in named for one in recorded):
            given[name] = recorded
    return given


def extents(record: ExperimentRecord) -> list[Extent]:
    """What was planned before each extension of the experiment.

    Raises:
        ResumeRefused: The record of it is damaged.
    """
    known, plan = (record.environment_json.get(name, []) for name in (EXTENSIONS, "plan"))
    try:
        before = [
            Extent(len(one["approaches"]), one["models"], one["samples"], one["repeats"])
            for one in known
        ]
        whole = Extent(len(plan["approaches"]), plan.get("models", 1), None, plan["repeats"])
        for extent in before:
            samples = extent.samples is None or extent.samples > 0
            parts = (extent.approaches, extent.models, extent.repeats)
            most = (whole.approaches, whole.models, whole.repeats)
            if not samples or not all(0 < n <= m for n, m in zip(parts, most, strict=True)):
                raise TypeError
    except (TypeError, KeyError, AttributeError):
        raise ResumeRefused(
            f"the extensions of {record.id} are damaged", "Start a new experiment."
        ) from None
    return before
