"""One JSON document: the experiment, its runs and their analysis, written as it is read."""

from typing import Any, BinaryIO

from ml_agents_results.exporters.encoding import experiment_object, json_bytes, run_bytes
from ml_agents_results.exporters.source import Source
from ml_agents_results.records import SCHEMA_VERSION

PARTS = ("summary", "comparisons", "runs", "parsing", "costs", "failures", "metadata")


def write(source: Source, file: BinaryIO) -> None:
    """Writes one experiment as one document; several as `experiments` with their `comparison`."""
    version = b'{"schema_version":%d,' % SCHEMA_VERSION
    if len(source.experiments) == 1:
        file.write(version)
        _write_body(source, file)
        return
    file.write(version + b'"experiments":[\n')
    for number, one in enumerate(source.single()):
        file.write(b",\n{" if number else b"{")
        _write_body(one, file)
    file.write(b"]")
    if source.includes("comparisons") and source.comparison is not None:
        file.write(b',\n"comparison":' + json_bytes(source.comparison.to_dict()))
    file.write(b"}\n")


def _write_body(source: Source, file: BinaryIO) -> None:
    """What follows the brace of one experiment's object, up to its end."""
    (experiment,) = source.experiments
    metadata = experiment_object(experiment)
    if not source.includes("metadata"):
        del metadata["config"], metadata["environment"]
    if source.includes("summary"):
        metadata["summary_statistics"] = _summary(source)
    file.write(b'"experiment_metadata":' + json_bytes(metadata))
    if source.includes("runs"):
        file.write(b',\n"runs":[')
        separator = b"\n"
        for row in source.rows():
            file.write(separator + run_bytes(row)[:-1])
            separator = b",\n"
        file.write(b"\n]")
    file.write(b',\n"analysis":' + json_bytes(_analysis(source)) + b"}\n")


def _summary(source: Source) -> dict[str, Any]:
    arms = source.accuracy.arms
    counts = {
        name: sum(getattr(arm, name) for arm in arms)
        for name in ("runs", "graded", "failed", "unparsed", "ungraded", "correct")
    }
    priced = [arm.total_cost for arm in arms if arm.total_cost is not None]
    return {
        **counts,
        "accuracy": counts["correct"] / counts["graded"] if counts["graded"] else None,
        "total_cost": sum(priced) if priced else None,
        "arms": [arm.to_dict() for arm in arms],
    }


def _analysis(source: Source) -> dict[str, Any]:
    analysis: dict[str, Any] = {}
    if source.includes("summary"):
        analysis["accuracy_by_approach"] = source.accuracy.to_dict()
    if source.includes("comparisons"):
        analysis["comparison"] = source.comparison and source.comparison.to_dict()
    if source.includes("parsing"):
        analysis["parsing_performance"] = source.parsing.to_dict()
    if source.includes("costs"):
        analysis["cost_analysis"] = source.costs.to_dict()
        analysis["latency_analysis"] = source.latency.to_dict()
    if source.includes("failures"):
        analysis["failure_patterns"] = source.failures.to_dict()
    return analysis
