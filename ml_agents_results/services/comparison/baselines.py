"""Baselines: which variants are compared with which, and the order in which they were recorded."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from itertools import combinations
from typing import Literal

from ml_agents_results.errors import UsageError
from ml_agents_results.records import (
    ExperimentRecord,
    Variant,
    canonical_approach,
    differing_fields,
)

HeldEqual = Literal["model", "approach"]
"""What the two sides of a comparison have in common where that is possible."""

_NEVER = datetime.max.replace(tzinfo=UTC)


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


def recorded_order(
    variants: Sequence[Variant],
    experiment_ids: Sequence[str],
    records: Mapping[str, ExperimentRecord],
    recorded: Mapping[Variant, datetime],
) -> list[Variant]:
    """The variants by experiment as these were named, within one as the plan lists its approaches,
    else by the time of the first sample's run.

    Args:
        recorded: When the first sample of each variant was recorded.
    """
    experiments = {name: index for index, name in enumerate(experiment_ids)}

    def rank(variant: Variant) -> tuple[int, int, datetime, Variant]:
        planned = _planned(records.get(variant.experiment_id))
        return (
            experiments.get(variant.experiment_id, len(experiments)),
            planned.get(variant.approach_name, len(planned)),
            recorded.get(variant, _NEVER),
            variant,
        )

    return sorted(variants, key=rank)


def _planned(record: ExperimentRecord | None) -> Mapping[str, int]:
    """The indexes of the approaches in the plan of an experiment that was run here."""
    approaches = record.noted("plan").get("approaches") if record is not None else None
    names = approaches if isinstance(approaches, list) else []
    return {str(name): index for index, name in enumerate(names)}


def baseline_of(variants: Sequence[Variant], name: str | None) -> tuple[Variant, HeldEqual | None]:
    """The baseline among variants in recorded order, and what comparisons with it hold equal.

    Without a name it is the first variant with approach None, else the first, and approaches are
    compared within each model. So they are with the name of an approach that several models had;
    with that of a model which had several approaches, models are compared within each approach.
    With a variant that is named alone, all others are compared.
    """
    if name is None:
        plain = (variant for variant in variants if variant.approach_name == "None")
        return next(plain, variants[0]), "model"
    fitting = [variant for variant in variants if is_called(variant, name)]
    if len(fitting) > 1 and len({variant.experiment_id for variant in fitting}) == 1:
        if len({variant.approach_name for variant in fitting}) == 1:
            return fitting[0], "model"
        if len({variant[2:] for variant in fitting}) == 1:
            return fitting[0], "approach"
    return find_variant(variants, name), None


def contrasts(
    variants: Sequence[Variant], baseline: str | None = None, kind: str = "vs-baseline"
) -> list[tuple[Variant, Variant]]:
    """(candidate, baseline) of every comparison, for variants in recorded order.

    A variant is compared with the one of the baseline's experiment that has the baseline's approach
    and its own model; else, with its own approach and the baseline's model; else with the baseline.
    """
    if len(variants) < 2:
        return []
    first, held = baseline_of(variants, baseline)
    others = [variant for variant in variants if variant != first]
    if kind == "all-pairs":
        return [(later, earlier) for earlier, later in combinations([first, *others], 2)]
    if held is None:
        return [(variant, first) for variant in others]
    alike = {variant: _most_alike(variant, first, variants, held) for variant in others}
    compared_with = {alike[variant] for variant in others if alike[variant] != variant}
    return [
        # A variant that nothing is like would be compared with itself.
        (variant, alike[variant] if alike[variant] != variant else first)
        for variant in others
        if alike[variant] != variant or variant not in compared_with
    ]


def in_common(candidate: Variant, baseline: Variant) -> str | None:
    """The model that two variants have in common, else their approach."""
    if candidate[2:] == baseline[2:]:
        return "/".join(filter(None, candidate[2:]))
    return candidate.approach_name if candidate.approach_name == baseline.approach_name else None


def _most_alike(
    variant: Variant, first: Variant, variants: Sequence[Variant], held: HeldEqual
) -> Variant:
    """The variant of the baseline's experiment that differs from this one in one thing only."""
    same_model = Variant(first.experiment_id, first.approach_name, *variant[2:])
    same_approach = Variant(first.experiment_id, variant.approach_name, *first[2:])
    likely = (same_model, same_approach) if held == "model" else (same_approach, same_model)
    return next((one for one in likely if one in variants), first)
