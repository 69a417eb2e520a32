"""Pairing: what makes samples of two variants the same one, and what else differs between them."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.errors import UsageError
from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.services.metric_choice import ChosenMetric
from ml_agents_results.statistics.choices import PairingRule


def pairing_rule(
    tabulator: Tabulator,
    experiments: Mapping[str, ExperimentRecord],
    candidate: Variant,
    baseline: Variant,
    asked: PairingRule | None,
) -> tuple[PairingRule, tuple[str, ...]]:
    """By what samples of two variants are recognised as the same, never by the question's text
    alone, and what to say about it.

    As `asked` says. Else within a data set by index; where its record is missing and every run has
    an id that is unique in its task, by that wherever it contradicts the indexes
    (`ids_over_indexes`). Between data sets by such ids, else by content (`sample_ids_not_unique`
    where ids are there and are not unique).
    """
    if asked is not None:
        return asked, ()
    two = (candidate, baseline)
    one_dataset, other = (dataset_of(experiments[variant.experiment_id]) for variant in two)
    if one_dataset is not None and one_dataset == other:
        return "sample_index", ()
    within = candidate.experiment_id == baseline.experiment_id
    if not all(map(tabulator.has_sample_ids, two)):
        return ("sample_index" if within else "content"), ()
    unique, agree = tabulator.sample_identity(two)
    if within:
        return ("sample_index", ()) if agree or not unique else ("sample_id", ("ids_over_indexes",))
    return ("sample_id", ()) if unique else ("content", ("sample_ids_not_unique",))


DIFFERING = {
    "datasets_differ": "dataset",
    "graders_differ": "grader",
    "metrics_differ": "metric",
    "definitions_differ": "metric",
    "no_grades": "metric",
}
"""The codes of what is compared only where `AnalysisOptions.allow` names it, and its names there.
A different model is noted, and forbids no comparison."""

REASONS = {
    "datasets_differ": "the two experiments ran on different data sets",
    "graders_differ": "the two experiments were graded differently",
    "metrics_differ": "they are measured by different metrics",
    "definitions_differ": "their metrics have the same name and other definitions",
    "no_grades": "one of them has no grades",
}
"""The same codes as reasons to refuse a comparison."""


def common_rule(
    tabulator: Tabulator,
    experiments: Mapping[str, ExperimentRecord],
    variants: Sequence[Variant],
    baseline: Variant,
    asked: PairingRule | None,
) -> PairingRule:
    """The rule by which all variants are paired with the baseline; content where they differ."""
    rules = {
        pairing_rule(tabulator, experiments, variant, baseline, asked)[0]
        for variant in variants
        if variant != baseline
    }
    return rules.pop() if len(rules) == 1 else "content"


def differing(
    experiments: Mapping[str, ExperimentRecord],
    metric: ChosenMetric,
    candidate: Variant,
    baseline: Variant,
) -> tuple[str, ...]:
    """What differs between two variants, apart from what they are compared for.

    `datasets_differ`, `graders_differ`, `models_differ` where the approach differs too, and
    `metrics_differ` or `definitions_differ`.
    """
    records = [experiments[variant.experiment_id] for variant in (candidate, baseline)]
    found = []
    one, two = map(dataset_of, records)
    if one is not None and two is not None and one != two:
        found.append("datasets_differ")
    if _graders_differ(*map(_grader, records)):
        found.append("graders_differ")
    if candidate.approach_name != baseline.approach_name and candidate[2:] != baseline[2:]:
        found.append("models_differ")
    return (*found, *metric.differing(candidate.experiment_id, baseline.experiment_id))


def without_grades(ungraded: Variant, two: Sequence[Variant]) -> UsageError:
    """What is wrong where two metrics have other names because one side has no grades yet."""
    commands = (
        f"ml-agents score --experiment-id {one.experiment_id} --grader exact" for one in two
    )
    return UsageError(
        f"{ungraded} has no grades: not one of its runs is graded",
        f"Grade the answers of both alike: {' and '.join(commands)} (files: ml-agents import FILE "
        "... --parse); then compare with --metric exact.",
    )


def dataset_of(record: ExperimentRecord) -> Any:
    """The fingerprint of the data set; None where it was not recorded."""
    return record.noted("dataset").get("fingerprint")


def _grader(record: ExperimentRecord) -> Mapping[str, Any]:
    """Name and fingerprint of the grader of the primary metric; of older records the name, which
    they have where it is not the default; nothing where runs came graded."""
    primary = next((metric for metric in record.metrics or () if metric.is_primary), None)
    definition = primary.definition_json.get("grader") if primary is not None else None
    if isinstance(definition, Mapping):
        return definition
    extra = record.config_json.get("extra")
    name = extra.get("grader") if isinstance(extra, Mapping) else None
    if name is None and record.noted("plan").get("version") is not None:
        name = "exact"
    return {} if name is None else {"name": str(name).partition(",")[0]}


def _graders_differ(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return any(
        name in one and name in two and one[name] != two[name] for name in ("name", "fingerprint")
    )
