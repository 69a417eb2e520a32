"""Pairing: which variants are compared, and what makes two of their samples the same one."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

from ml_agents_results.errors import UsageError
from ml_agents_results.records import (
    ExperimentRecord,
    Variant,
    canonical_approach,
    differing_fields,
)
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.statistics.sample_table import PairingRule


def find_variant(variants: Sequence[Variant], name: str) -> Variant:
    """The variant meant by an approach, a model, or any number of its parts joined by `/`.

    Raises:
        UsageError: None or several variants fit; the hint lists them.
    """
    fitting = [variant for variant in variants if is_called(variant, name)]
    if len(fitting) == 1:
        return fitting[0]
    offered = fitting or variants
    listed = ", ".join(_name(variant, offered, variants) for variant in offered)
    problem = "several variants are" if fitting else "no variant is"
    raise UsageError(f"{problem} called {name!r}", f"Choose one of: {listed}")


def _name(variant: Variant, offered: Sequence[Variant], variants: Sequence[Variant]) -> str:
    """The shortest name that means this variant and no other."""
    parts = (getattr(variant, field) for field in differing_fields(offered))
    short = "/".join(filter(None, parts))
    fitting = [other for other in variants if is_called(other, short)]
    return short if fitting == [variant] else str(variant)


def is_called(variant: Variant, name: str) -> bool:
    """Whether a variant is meant by an approach, a model, or parts joined by `/`."""
    parts = name.split("/")
    if name == str(variant) or name in (variant.experiment_id, variant.provider, variant.model):
        return True
    if canonical_approach(name) == variant.approach_name:
        return True
    values = {*variant, *(piece for value in variant for piece in value.split("/"))}
    return len(parts) > 1 and all(
        part in values or canonical_approach(part) in values for part in parts
    )


def contrasts(
    variants: Sequence[Variant], experiment_ids: Sequence[str], baseline: str | None, kind: str
) -> list[tuple[Variant, Variant]]:
    """(candidate, baseline) of every comparison, in a stable order.

    The baseline is the variant of that name, else the one with approach None, else the first
    variant of the first experiment.
    """
    if len(variants) < 2:
        return []
    order = {experiment: place for place, experiment in enumerate(experiment_ids)}
    ranked = sorted(
        variants, key=lambda variant: (order.get(variant.experiment_id, len(order)), variant)
    )
    if baseline is None:
        first = next((variant for variant in ranked if variant.approach_name == "None"), ranked[0])
    else:
        first = find_variant(variants, baseline)
    ranked = [first, *(variant for variant in ranked if variant != first)]
    if kind == "all-pairs":
        return [(later, earlier) for earlier, later in combinations(ranked, 2)]
    return [(variant, first) for variant in ranked[1:]]


def pairing_rule(
    tabulator: Tabulator,
    experiments: Mapping[str, ExperimentRecord],
    candidate: Variant,
    baseline: Variant,
) -> tuple[PairingRule, tuple[str, ...]]:
    """How samples of two variants are told to be the same, never by the question's text alone, and
    what to say of it.

    Within a data set by index; where its record is missing and every run has an id that is unique
    in its task, by that wherever it contradicts the indexes (`ids_over_indexes`). Between data sets
    by such ids, else by content (`sample_ids_not_unique` where ids are there and are not unique).
    """
    two = (candidate, baseline)
    one_dataset, other = (_dataset(experiments[variant.experiment_id]) for variant in two)
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
}
"""The codes of what is compared only where `AnalysisOptions.allow` names it, and its names there.
That the model differs is said of a comparison, and forbids none."""

REASONS = {
    "datasets_differ": "the two experiments ran on different data sets",
    "graders_differ": "the two experiments were graded differently",
    "metrics_differ": "they are measured by different metrics",
    "definitions_differ": "their metrics have the same name and other definitions",
}
"""The same codes as reasons to refuse a comparison."""


def differing(
    experiments: Mapping[str, ExperimentRecord], candidate: Variant, baseline: Variant
) -> tuple[str, ...]:
    """What differs between two variants, apart from what they are compared for.

    `datasets_differ`, `graders_differ`, and `models_differ` where the approach differs too.
    """
    records = [experiments[variant.experiment_id] for variant in (candidate, baseline)]
    found = []
    one, two = map(_dataset, records)
    if one is not None and two is not None and one != two:
        found.append("datasets_differ")
    if _graders_differ(*map(_grader, records)):
        found.append("graders_differ")
    if candidate.approach_name != baseline.approach_name and candidate[2:] != baseline[2:]:
        found.append("models_differ")
    return tuple(found)


def _dataset(record: ExperimentRecord) -> Any:
    """The fingerprint of the data set; None where it was not recorded."""
    return _part(record.environment_json, "dataset", "fingerprint")


def _grader(record: ExperimentRecord) -> Mapping[str, Any]:
    """Name and fingerprint of the grader of the primary metric; of older records the name, which
    they have where it is not the default; nothing where runs came graded."""
    primary = next((metric for metric in record.metrics or () if metric.is_primary), None)
    definition = primary.definition_json.get("grader") if primary is not None else None
    if isinstance(definition, Mapping):
        return definition
    name = _part(record.config_json, "extra", "grader")
    if name is None and "plan" in (record.environment_json or {}):
        name = "exact"
    return {} if name is None else {"name": str(name).partition(",")[0]}


def _graders_differ(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return any(
        name in one and name in two and one[name] != two[name] for name in ("name", "fingerprint")
    )


def _part(document: Mapping[str, Any] | None, name: str, key: str) -> Any:
    """A value two levels down in what an experiment says of itself, which may be anything."""
    inner = (document or {}).get(name)
    return inner.get(key) if isinstance(inner, Mapping) else None
