"""Resumption: what defines an experiment, and whether it is still the one that was begun."""

from typing import TYPE_CHECKING, Any

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


def check_origin(record: ExperimentRecord) -> None:
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


def _package_version(record: ExperimentRecord) -> str:
    packages = record.environment_json.get("packages") or {}
    return str(packages.get("ml-agents-results", "that started it"))


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
            f"prompts have changed since {record.id} was started: {', '.join(changed)}",
            "Restore them (--prompts DIR), or start a new experiment.",
        )
    if then["plan"] != now["plan"]:
        raise ResumeRefused(
            f"the plan of {record.id} has changed since the experiment was started",
            "Start a new experiment.",
        )


def check_same_model(record: ExperimentRecord, provider: "Provider") -> None:
    """Raises ResumeRefused if another provider or model would answer."""
    then = record.environment_json["provider"]
    if (then["name"], then["model"]) != (provider.name, provider.model):
        raise ResumeRefused(
            f"{record.id} asked {then['name']}/{then['model']}, this would ask "
            f"{provider.name}/{provider.model}",
            "Start a new experiment for another model.",
        )
