"""A study that is ready to be asked: its questions, approaches, model and plan; and whether it is
still the one that was begun."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import ResultsError
from ml_agents_results.experiments.datasets import Dataset, load_dataset
from ml_agents_results.experiments.grading import find_grader
from ml_agents_results.experiments.plan import VERSION, Plan
from ml_agents_results.experiments.progress import Tally, tallies_of
from ml_agents_results.experiments.settings import RunSettings
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentRecord
from ml_agents_results.repositories.analysis import AnalysisRepository
from ml_agents_results.repositories.claims import RunKey
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.runs import RunRepository

if TYPE_CHECKING:
    from ml_agents_results.experiments.approaches import Approach
    from ml_agents_results.experiments.messages import Provider


class ResumeRefused(ResultsError):
    """Going on would mix runs that do not belong together."""


@dataclass(frozen=True)
class Study:
    """An experiment that is ready to be asked."""

    id: str
    settings: RunSettings
    dataset: Dataset
    plan: Plan
    approaches: Sequence["Approach"]
    prompts: Mapping[str, str]
    provider: "Provider"


def prepare(experiment_id: str, config: ExperimentConfig) -> Study:
    """Loads and checks everything that does not cost anything."""
    from ml_agents_results.experiments.approaches import load_approaches, prompt_fingerprints
    from ml_agents_results.experiments.providers import open_provider

    settings = RunSettings.of(config)
    find_grader(settings.grader)
    approaches = load_approaches(
        config.approaches,
        Path(settings.prompts) if settings.prompts is not None else None,
        settings.allow_code_execution,
    )
    dataset = load_dataset(config.dataset, settings.columns)
    questions = dataset.first(config.samples)
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
    names = [approach.name for approach in approaches]
    plan = Plan(names, questions, config.repeats, provider.name, provider.model)
    prompts = prompt_fingerprints(approaches)
    return Study(experiment_id, settings, dataset, plan, approaches, prompts, provider)


def definition(study: Study) -> dict[str, Any]:
    """What makes the experiment what it is; resuming compares it."""
    dataset, provider = study.dataset, study.provider
    return {
        "plan": study.plan.describe(),
        "dataset": {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "questions": len(dataset.questions),
        },
        "prompts": dict(study.prompts),
        "provider": {
            "name": provider.name,
            "model": provider.model,
            "endpoint": provider.endpoint,
        },
    }


def check_origin(record: ExperimentRecord) -> None:
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
    for part in ("name", "model"):
        if then["provider"][part] != now["provider"][part]:
            raise ResumeRefused(
                f"{record.id} asked {then['provider'][part]}, this would ask "
                f"{now['provider'][part]}",
                "Begin a new experiment for another model.",
            )
    if then["plan"] != now["plan"]:
        raise ResumeRefused(
            f"the plan of {record.id} is not what it was", "Begin a new experiment."
        )


def settled_positions(processor: ResultsProcessor, study: Study, retry_failed: bool) -> bytearray:
    """One byte a position of the plan: 1 where nothing is left to do."""
    settled = bytearray(len(study.plan))
    with processor.database.read() as connection:
        for *key, outcome in RunRepository(connection).keys(study.id):
            position = study.plan.position(RunKey(*key))
            if position is not None and not (retry_failed and outcome == "failed"):
                settled[position] = 1
    return settled


def current_tallies(processor: ResultsProcessor, study: Study) -> dict[str, Tally]:
    plan = study.plan
    share = len(plan) // len(plan.approaches)
    filters = Filters(experiment_id=(study.id,), provider=(plan.provider,), model=(plan.model,))
    with processor.database.read() as connection:
        arms = AnalysisRepository(connection, filters).arms()
    return tallies_of(dict.fromkeys(plan.approaches, share), arms)
