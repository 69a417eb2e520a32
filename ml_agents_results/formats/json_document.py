"""One JSON document: the experiment, its runs and their analysis, written as it is read."""

from typing import Any, BinaryIO

from ml_agents_results.formats.json_encoding import json_bytes, run_bytes
from ml_agents_results.formats.record_objects import described_object
from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.records import SCHEMA_VERSION
from ml_agents_results.reports.sentences import comparison_document

PARTS = ("summary", "comparisons", "runs", "parsing", "costs", "failures", "metadata")


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes one experiment as one document; several as `experiments` with their `comparison`."""
    version = b'{"schema_version":%d,' % SCHEMA_VERSION
    if len(snapshot.experiments) == 1:
        file.write(version)
        _write_body(snapshot, file)
        return
    file.write(version + b'"experiments":[\n')
    for number, one in enumerate(snapshot.single()):
        file.write(b",\n{" if number else b"{")
        _write_body(one, file)
    file.write(b"]")
    if snapshot.includes("comparisons") and snapshot.comparison is not None:
        file.write(b',\n"comparison":' + json_bytes(comparison_document(snapshot.comparison)))
    file.write(b"}\n")


def _write_body(snapshot: Snapshot, file: BinaryIO) -> None:
    """What follows the brace of one experiment's object, up to its end."""
    (experiment,) = snapshot.experiments
    metadata = described_object(experiment)
    if not snapshot.includes("metadata"):
        del metadata["config"], metadata["environment"]
    if snapshot.includes("summary"):
        metadata["summary_statistics"] = _summary(snapshot)
    file.write(b'"experiment_metadata":' + json_bytes(metadata))
    if snapshot.includes("runs"):
        file.write(b',\n"runs":[')
        separator = b"\n"
        for row, scores in snapshot.scored_rows():
            file.write(separator + run_bytes(row, scores)[:-1])
            separator = b",\n"
        file.write(b"\n]")
    file.write(b',\n"analysis":' + json_bytes(_analysis(snapshot)) + b"}\n")


def _summary(snapshot: Snapshot) -> dict[str, Any]:
    variants = snapshot.accuracy.variants
    counts = {
        name: sum(getattr(variant, name) or 0 for variant in variants)
        for name in ("runs", "graded", "failed", "unparsed", "ungraded", "correct")
    }
    graded, numeric = counts["graded"], any(variant.numeric for variant in variants)
    priced = [variant.total_cost for variant in variants if variant.total_cost is not None]
    return {
        **counts,
        "accuracy": None if numeric or not graded else counts["correct"] / graded,
        "total_cost": sum(priced) if priced else None,
        "variants": [variant.to_dict() for variant in variants],
    }


def _analysis(snapshot: Snapshot) -> dict[str, Any]:
    analysis: dict[str, Any] = {}
    if snapshot.includes("summary"):
        analysis["accuracy_by_approach"] = snapshot.accuracy.to_dict()
        if snapshot.further:
            analysis["further_metrics"] = [report.to_dict() for report in snapshot.further]
    if snapshot.includes("comparisons"):
        analysis["comparison"] = (
            comparison_document(snapshot.comparison) if snapshot.comparison else None
        )
    if snapshot.includes("parsing"):
        analysis["parsing_performance"] = snapshot.parsing.to_dict()
    if snapshot.includes("costs"):
        analysis["cost_analysis"] = snapshot.costs.to_dict()
        analysis["latency_analysis"] = snapshot.latency.to_dict()
    if snapshot.includes("failures"):
        analysis["failure_patterns"] = snapshot.failures.to_dict()
    return analysis
