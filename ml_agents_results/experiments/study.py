"""A study that is ready to be asked: its questions, approaches, model and plan; and whether it is
still the one that was begun."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import ResultsError, UsageError
from ml_agents_results.experiments.datasets import Dataset, load_dataset
from ml_agents_results.experiments.plan import VERSION, Plan
from ml_agents_results.experiments.progress import Tally, tallies_of
from ml_agents_results.experiments.run_settings import RunSettings
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentRecord
from ml_agents_results.repositories.analysis import AnalysisRepository
from ml_agents_results.repositories.claim_repository import RunKey
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_repository import RunRepository
from ml_agents_results.scoring.graders import find_grader

if TYPE_CHECKING:
    from ml_agents_results.experiments.approaches import Approach
    from ml_agents_results.providers.interface import Provider


class ResumeRefused(ResultsError):
    """Going on would mix runs that do not belong together."""


@dataclass(frozen=True)
class Study:
    """What an experiment asks, loaded and checked; nothing in it costs anything."""

    settings: RunSettings
    dataset: Dataset
    approaches: Sequence["Approach"]
    plan: Plan

    def asking(self, provider: str, model: str) -> "Study":
        """The same study, planned for what a provider calls itself and its model."""
        return replace(self, plan=replace(self.plan, provider=provider, model=model))


def prepare(config: ExperimentConfig) -> Study:
    """Loads dataset, approaches and prompts; who is asked comes later.

    Raises:
        UsageError, NotFoundError, InvalidFileError: Something in the configuration is wrong.
    """
    from ml_agents_results.experiments.approaches import load_approaches

    settings = RunSettings.of(config)
    find_grader(settings.grader)
    prompts = Path(settings.prompts) if settings.prompts is not None else None
    approaches = load_approaches(config.approaches, prompts, settings.allow_code_execution)
    dataset = load_dataset(config.dataset, settings.columns)
    names = [approach.name for approach in approaches]
    plan = Plan(names, dataset.first(config.samples), config.repeats, provider="", model="")
    return Study(settings, dataset, approaches, plan)


def connect(config: ExperimentConfig) -> "Provider":
    """Opens the provider. Raises what `open_provider` raises."""
    from ml_agents_results.providers import open_provider

    settings = RunSettings.of(config)
    provider = open_provider(
        config.provider,
        config.model,
        base_url=settings.base_url,
        temperature=config.temperature,
        max_tokens=config.max_tokens,
        seed=config.seed,
        timeout=settings.timeout,
        max_retries=settings.max_retries,
        requests_per_minute=settings.requests_per_minute,
    )
    if settings.parsing == "instructor" and not provider.structured_output:
        raise UsageError(
            f"{provider.name} gives no structured answers", "Choose --parsing auto or regex."
        )
    return provider


def definition(study: Study) -> dict[str, Any]:
    """What makes the experiment what it is; resuming compares it."""
    from ml_agents_results.experiments.approaches import prompt_fingerprints

    return {
        "plan": study.plan.describe(),
        "dataset": {
            "name": study.dataset.name,
            "fingerprint": study.dataset.fingerprint,
            "questions": len(study.dataset.questions),
        },
        "prompts": prompt_fingerprints(study.approaches),
    }


def check_origin(record: ExperimentRecord) -> None:
    """Raises ResumeRefused where the experiment has no plan of this version."""
    plan = record.environment_json.get("plan")
    if not isinstance(plan, dict):
        raise ResumeRefused(
            f"{record.id} has no plan: it was imported, or recorded by another program",
            "Only experiments that were begun with `ml-agents run` can be resumed.",
        )
    if plan.get("version") != VERSION:
        raise ResumeRefused(
            f"{record.id} was begun by another version of this program (its plan has version "
            f"{plan.get('version')}, this one knows {VERSION})",
            f"Resume it with version {_package_version(record)}.",
        )


def _package_version(record: ExperimentRecord) -> str:
    packages = record.environment_json.get("packages") or {}
    return str(packages.get("ml-agents-results", "that began it"))


def check_unchanged(record: ExperimentRecord, study: Study) -> None:
    """Raises ResumeRefused where dataset, prompts or plan are not what they were."""
    then, now = record.environment_json, definition(study)
    if then["dataset"]["fingerprint"] != now["dataset"]["fingerprint"]:
        raise ResumeRefused(
            f"the dataset {study.dataset.source} is not the one {record.id} began with "
            f"({then['dataset']['questions']} questions then, {now['dataset']['questions']} now)",
            "Bring back the dataset as it was, or begin a new experiment.",
        )
    changed = sorted(
        name
        for name in {*then["prompts"], *now["prompts"]}
        if then["prompts"].get(name) != now["prompts"].get(name)
    )
    if changed:
        raise ResumeRefused(
            f"prompts have changed since {record.id} began: {', '.join(changed)}",
            "Bring them back (--prompts DIR), or begin a new experiment.",
        )
    if then["plan"] != now["plan"]:
        raise ResumeRefused(
            f"the plan of {record.id} is not what it was", "Begin a new experiment."
        )


def check_same_model(record: ExperimentRecord, provider: "Provider") -> None:
    """Raises ResumeRefused where another provider or model would answer."""
    then = record.environment_json["provider"]
    if (then["name"], then["model"]) != (provider.name, provider.model):
        raise ResumeRefused(
            f"{record.id} asked {then['name']}/{then['model']}, this would ask "
            f"{provider.name}/{provider.model}",
            "Begin a new experiment for another model.",
        )


def settled_positions(
    processor: ResultsProcessor, experiment_id: str, plan: Plan, retry_failed: bool = False
) -> bytearray:
    """One byte for each position of the plan: 1 where nothing is left to do."""
    settled = bytearray(len(plan))
    with processor.database.read() as connection:
        for *key, outcome in RunRepository(connection).keys(experiment_id):
            position = plan.position(RunKey(*key))
            if position is not None and not (retry_failed and outcome == "failed"):
                settled[position] = 1
    return settled


def current_tallies(
    processor: ResultsProcessor, experiment_id: str, plan: Plan
) -> dict[str, Tally]:
    """How each approach stands in the database."""
    filters = Filters(
        experiment_id=(experiment_id,), provider=(plan.provider,), model=(plan.model,)
    )
    with processor.database.read() as connection:
        variants = AnalysisRepository(connection, filters).variants()
    planned = len(plan) // len(plan.approaches)
    return tallies_of(dict.fromkeys(plan.approaches, planned), variants)
