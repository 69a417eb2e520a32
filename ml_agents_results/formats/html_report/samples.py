"""Samples of an HTML report: the most informative ones, with the answers of all variants."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.records import Variant
from ml_agents_results.repositories.sample_texts import Sample, SampleRepository
from ml_agents_results.repositories.tabulator import Tabulator
from ml_agents_results.repositories.text_patterns import PatternRepository

LEAST_OF_A_KIND = 60
"""Regressed, improved, hard and failed samples that are shown, or a fifth of all if that is more;
the first ones fill the rest."""

LONGEST_TEXT = 6000
"""Characters shown of an answer, so that the page stays small."""


def samples_of(snapshot: Snapshot, labels: Mapping[Variant, str]) -> dict[str, Any]:
    """Samples with their kinds and answers, in the order of tasks.

    Variants of several experiments are shown side by side only where they answered one dataset.
    """
    variants = _variants_of_one_dataset(snapshot)
    kinds = _kinds(snapshot, variants)
    samples: dict[Sample, dict[str, Any]] = {
        key: {"task": key[0], "index": key[1], "kinds": found, "answers": []}
        for key, found in sorted(kinds.items())
    }
    repository = SampleRepository(snapshot.connection)
    for index, variant in enumerate(variants):
        for key, row in repository.answers(variant, samples):
            sample = samples[key]
            sample.setdefault("question", _cut(row.input_text))
            sample.setdefault("expected", _cut(row.expected_answer))
            sample["answers"].append(
                {
                    "variant": index,
                    "id": row.id,
                    "outcome": row.outcome,
                    "score": row.score,
                    "output": _cut(row.raw_output),
                    "parsed": _cut(row.parsed_answer),
                    "confidence": row.parsing_confidence,
                    "ms": row.execution_time_ms,
                    "cost": row.cost_estimate,
                    "error": _cut(row.error),
                }
            )
    total = max(
        (row.runs for row in snapshot.accuracy.variants if row.variant in variants), default=0
    )
    pair = next(
        (one for one in _pairs(snapshot) if {one.baseline, one.candidate} <= set(variants)), None
    )
    return {
        "variants": [labels[variant] for variant in variants],
        "baseline": variants.index(pair.baseline) if pair else 0,
        "candidate": variants.index(pair.candidate) if pair else 0,
        "samples": list(samples.values()),
        "total": total,
        "left_out_variants": len(snapshot.accuracy.variants) - len(variants),
    }


def _variants_of_one_dataset(snapshot: Snapshot) -> list[Variant]:
    variants = [row.variant for row in snapshot.accuracy.variants]
    if all(pair.pairing_rule == "sample_index" for pair in _pairs(snapshot)):
        return variants
    return [variant for variant in variants if variant.experiment_id == snapshot.experiment_ids[0]]


def _kinds(snapshot: Snapshot, variants: Sequence[Variant]) -> dict[Sample, list[str]]:
    kinds: dict[Sample, list[str]] = {}
    most = snapshot.options.samples
    of_a_kind = max(LEAST_OF_A_KIND, most // 5)

    def add(kind: str, keys: Sequence[Sample]) -> None:
        for key in keys:
            if len(kinds) < most or key in kinds:
                found = kinds.setdefault(key, [])
                if kind not in found:
                    found.append(kind)

    patterns = PatternRepository(snapshot.connection, snapshot.filters)
    for kind, improved in (("regressed", False), ("improved", True)):
        for pair in _pairs(snapshot):
            if {pair.candidate, pair.baseline} <= set(variants):
                changed = patterns.changed(
                    pair.candidate, pair.baseline, improved=improved, limit=of_a_kind
                )
                add(kind, [(row.task, row.sample_index) for row in changed])
    hard = Tabulator(snapshot.connection, snapshot.filters).hard_samples(of_a_kind)
    add("hard", [(row.task, row.sample_index) for row in hard if 2 * row.correct < row.graded])
    samples = SampleRepository(snapshot.connection)
    for variant in variants:
        add("failed", samples.first(variant, of_a_kind, "failed"))
    for variant in variants:
        for key in samples.first(variant, most):
            if len(kinds) < most:
                kinds.setdefault(key, [])
    return kinds


def _pairs(snapshot: Snapshot) -> Sequence[Any]:
    return snapshot.comparison.comparisons if snapshot.comparison else ()


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]} ... [cut; {len(text):,} characters in all]"
