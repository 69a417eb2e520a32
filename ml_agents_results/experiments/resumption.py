"""Resumption: what defines an experiment, and whether it is still the one that was begun."""

import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_agents_results.database.origin import is_foreign, reaching_settings
from ml_agents_results.errors import ResultsError
from ml_agents_results.experiments.plan import VERSION, Study
from ml_agents_results.records import ExperimentRecord

if TYPE_CHECKING:
    from ml_agents_results.providers.interface import Provider


class ResumeRefused(ResultsError):
    """Resuming would mix runs that do not belong together."""


def definition(study: Study) -> dict[str, Any]:
    """What defines the experiment; resuming compares it."""
    from ml_agents_results.experiments.approaches import prompt_fingerprints

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
    }


def check_plan(record: ExperimentRecord) -> None:
    """Raises ResumeRefused if the experiment has no plan of this version."""
    plan = record.environment_json.get("plan")
    if not isinstance(plan, dict):
        raise ResumeRefused(
            f"{record.id} has no plan: it was imported, or recorded by another program",
            "Only experiments that were started with `ml-agents run` can be resumed.",
        )
    if plan.get("version") != VERSION:
        raise ResumeRefused(
            f"{record.id} was started by another version of this program (its plan has version "
            f"{plan.get('version')}, this one reads {VERSION})",
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
    return " ".join(
        f"--{name.replace('_', '-')}" + ("" if value is True else f" {shlex.quote(str(value))}")
        for name, value in values.items()
    )


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
    if then["plan"] != now["plan"]:
        raise ResumeRefused(
            f"the plan of {record.id} has changed since the experiment was started",
            "Start a new experiment.",
        )


def recorded_provider(record: ExperimentRecord) -> dict[str, str] | None:
    """Who was asked: name, model and endpoint; None for an experiment that was only saved.

    Raises:
        ResumeRefused: It is damaged.
    """
    known = record.environment_json.get("provider")
    if known is None:
        return None
    names = ("name", "model", "endpoint")
    if not isinstance(known, dict) or not all(isinstance(known.get(n), str) for n in names):
        raise ResumeRefused(f"the provider of {record.id} is damaged", "Start a new experiment.")
    return known


def check_same_model(record: ExperimentRecord, provider: "Provider") -> None:
    """Raises ResumeRefused if another provider or model would answer."""
    then = recorded_provider(record) or {}
    if (then["name"], then["model"]) != (provider.name, provider.model):
        raise ResumeRefused(
            f"{record.id} asked {then['name']}/{then['model']}, this would ask "
            f"{provider.name}/{provider.model}",
            "Start a new experiment for another model.",
        )
