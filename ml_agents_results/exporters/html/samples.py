"""The samples of a report: those worth looking at first, with every arm's answer."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_agents_results.exporters.source import Source
from ml_agents_results.records import Arm
from ml_agents_results.repositories.fastest import analysis
from ml_agents_results.repositories.patterns import PatternRepository
from ml_agents_results.repositories.samples import Sample, SampleRepository

MOST_SAMPLES = 300
MOST_OF_A_KIND = 60
"""Regressions, gains, hard and failed samples that are shown; the first ones fill the rest."""

LONGEST_TEXT = 6000
"""Characters of an answer that are shown, so that the page stays light."""


def samples_of(source: Source, labels: Mapping[Arm, str]) -> dict[str, Any]:
    """Samples with their kinds and answers, in the order of tasks.

    Arms of several experiments are shown side by side only where they answered one data set.
    """
    arms = _arms_of_one_data_set(source)
    kinds = _kinds(source, arms)
    samples: dict[Sample, dict[str, Any]] = {
        key: {"task": key[0], "index": key[1], "kinds": found, "answers": []}
        for key, found in sorted(kinds.items())
    }
    repository = SampleRepository(source.connection)
    for place, arm in enumerate(arms):
        for key, row in repository.answers(arm, samples):
            sample = samples[key]
            sample.setdefault("question", _cut(row.input_text))
            sample.setdefault("expected", _cut(row.expected_answer))
            sample["answers"].append(
                {
                    "arm": place,
                    "id": row.id,
                    "outcome": row.outcome,
                    "output": _cut(row.raw_output),
                    "parsed": _cut(row.parsed_answer),
                    "confidence": row.parsing_confidence,
                    "ms": row.execution_time_ms,
                    "cost": row.cost_estimate,
                    "error": _cut(row.error),
                }
            )
    total = max((row.runs for row in source.accuracy.arms if row.arm in arms), default=0)
    pair = next((one for one in _pairs(source) if {one.baseline, one.treatment} <= set(arms)), None)
    return {
        "arms": [labels[arm] for arm in arms],
        "baseline": arms.index(pair.baseline) if pair else 0,
        "treatment": arms.index(pair.treatment) if pair else 0,
        "samples": list(samples.values()),
        "total": total,
        "left_out_arms": len(source.accuracy.arms) - len(arms),
    }


def _arms_of_one_data_set(source: Source) -> list[Arm]:
    arms = [row.arm for row in source.accuracy.arms]
    if all(pair.pairing_rule == "sample_index" for pair in _pairs(source)):
        return arms
    return [arm for arm in arms if arm.experiment_id == source.experiment_ids[0]]


def _kinds(source: Source, arms: Sequence[Arm]) -> dict[Sample, list[str]]:
    kinds: dict[Sample, list[str]] = {}

    def add(kind: str, keys: Sequence[Sample]) -> None:
        for key in keys:
            if len(kinds) < MOST_SAMPLES or key in kinds:
                found = kinds.setdefault(key, [])
                if kind not in found:
                    found.append(kind)

    patterns = PatternRepository(source.connection, source.filters)
    for kind, gained in (("regression", False), ("gain", True)):
        for pair in _pairs(source):
            if {pair.treatment, pair.baseline} <= set(arms):
                changed = patterns.changed(
                    pair.treatment, pair.baseline, gained=gained, limit=MOST_OF_A_KIND
                )
                add(kind, [(row.task, row.sample_index) for row in changed])
    hard = analysis(source.connection, source.filters).hard_samples(MOST_OF_A_KIND)
    add("hard", [(row.task, row.sample_index) for row in hard if 2 * row.correct < row.graded])
    samples = SampleRepository(source.connection)
    for arm in arms:
        add("failed", samples.first(arm, MOST_OF_A_KIND, "failed"))
    for arm in arms:
        for key in samples.first(arm, MOST_SAMPLES):
            if len(kinds) < MOST_SAMPLES:
                kinds.setdefault(key, [])
    return kinds


def _pairs(source: Source) -> Sequence[Any]:
    return source.comparison.pairs if source.comparison else ()


def _cut(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]} ... [cut; {len(text):,} characters in all]"
