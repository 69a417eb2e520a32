"""Every Eval Ever 0.3: a file of totals and a file of samples for each variant.

The format has no notion of an answer without a grade: such a sample has the score -1, which totals
with an unknown level declare. Each line carries the whole run, for `ml-agents import`.
"""

import hashlib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ml_agents_results.database.primary_values import combined
from ml_agents_results.database.types import to_stored
from ml_agents_results.errors import UsageError
from ml_agents_results.formats.coercion import mapping
from ml_agents_results.formats.embedded_runs import RUN, WRITTEN_BY
from ml_agents_results.formats.every_eval_ever_reader import UNKNOWN
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.formats.snapshot import ExportOptions, Snapshot
from ml_agents_results.formats.variant_logs import (
    VariantLog,
    packed,
    safe_name,
    storable,
    variant_logs,
)
from ml_agents_results.records import APPROACHES, MetricRecord, ScoreRecord
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS
from ml_agents_results.services.variant_summary import VariantSummary

PARTS = ("runs", "metadata")
FOLDER_ENTRY = "data"
SCHEMA_VERSION = "0.3.0"

_LINE_ENDS = (
    (b"\xe2\x80\xa8", rb"\u2028"),
    (b"\xe2\x80\xa9", rb"\u2029"),
    (b"\xc2\x85", rb"\u0085"),
)
"""Characters that its validator, but not JSON, treats as the end of a line."""

_NATIVE = ("input_text", "expected_answer", "raw_output", "parsed_answer", "error")
_DETAILS = (
    *("runs", "graded", "failed", "unparsed", "ungraded", "correct", "total_cost"),
    *("cost_per_correct", "median_execution_time_ms"),
)
_ACCURACY = MetricRecord("accuracy", "binary", 0, 1, True, is_primary=True)
"""Right answers among the graded ones, where nothing says what the grades are."""

_UNKNOWN_MODEL = {"deployment_type": "unknown", "model_availability": "unknown"}


def is_folder(path: Path, options: ExportOptions) -> bool:
    """Always true: the output is a tree of files."""
    return True


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Raises UsageError: this is not a single file."""
    raise UsageError("the format eee is a folder of files", "Name a folder: --output FOLDER")


def write_folder(snapshot: Snapshot, folder: Path) -> None:
    """Writes data/<data set>/<developer>/<model>/<uuid>.json and <uuid>_samples.jsonl."""
    for log in variant_logs(snapshot):
        _EvalWriter(log).write(folder)


class _EvalWriter:
    """One variant: its path, its totals and its samples."""

    def __init__(self, log: VariantLog) -> None:
        self._log = log
        self._model_id = to_stored(_model_id(log.variant.provider, log.variant.model))
        self._uuid = str(uuid.UUID(hex=log.digest[:32], version=4))
        changed = log.experiment.updated_at or log.experiment.created_at
        self._stamp = str(int(changed.timestamp())) if changed else "0"
        name = to_stored(f"{log.experiment.id}_{log.variant.approach_name}")
        self._evaluation_id = f"{name}/{self._model_id}/{self._stamp}"
        self._graded = {
            to_stored(task) for task, total in log.tasks.items() if total.mean is not None
        }
        metrics = {metric.name: metric for metric in log.experiment.metrics or ()}
        self._primary = metrics.get(log.total.metric, _ACCURACY)
        self._further = [metrics[name] for name in log.further if name in metrics]

    def write(self, folder: Path) -> None:
        developer, _, model = self._model_id.partition("/")
        names = ("data", *map(_part, (self._log.data_set, developer, model)))
        path = folder.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        totals = self._totals()
        if self._log.snapshot.includes("runs"):
            digest = hashlib.sha256()
            lines = 0
            name = f"{self._uuid}_samples.jsonl"
            with (path / name).open("xb") as file:
                for row, scores in self._log.rows:
                    whole = self._line(row, scores)
                    for sample in (whole, *self._further_lines(whole, row, scores)):
                        line = json_bytes(sample) + b"\n"
                        for separator, escape in _LINE_ENDS:
                            line = line.replace(separator, escape)
                        file.write(line)
                        digest.update(line)
                        lines += 1
            totals["detailed_evaluation_results"] = {
                "format": "jsonl",
                "file_path": "/".join((*names, name)),
                "hash_algorithm": "sha256",
                "checksum": digest.hexdigest(),
                "total_rows": lines,
            }
        (path / f"{self._uuid}.json").write_bytes(json_bytes(storable(totals), indent=True) + b"\n")

    def _line(self, row: Sequence[Any], scores: Sequence[ScoreRecord]) -> dict[str, Any]:
        """A sample. Texts are in stored form, since JSON in UTF-8 holds no others."""
        run = dict(zip(RECORD_COLUMNS, row, strict=False))
        is_graded, score = run["is_correct"] is not None, run["score"]
        if score is None:
            score = float(run["is_correct"]) if is_graded else UNKNOWN
        reference = [] if run["expected_answer"] is None else [run["expected_answer"]]
        asked = run["input_text"] or ""
        name = self._name(run["task"])
        line = {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": self._evaluation_id,
            "model_id": self._model_id,
            "evaluation_name": name,
            "sample_id": run["sample_id"] or str(run["sample_index"]),
            "sample_hash": hashlib.sha256("".join((asked, *reference)).encode()).hexdigest(),
            "interaction_type": "single_turn",
            "input": {"raw": asked, "reference": reference},
            "output": {"raw": [] if run["raw_output"] is None else [run["raw_output"]]},
            "answer_attribution": [],
            "evaluation": {"score": score, "is_correct": bool(run["is_correct"])},
            "error": run["error"],
            "metadata": {
                "approach": run["approach_name"],
                "graded": "true" if is_graded else "false",
                RUN: to_stored(json_bytes(packed(row, scores, _NATIVE)).decode()),
            },
        }
        if run["task"] in self._graded:
            line["evaluation_result_id"] = self._result_id(name, self._primary)
        if run["parsed_answer"] is not None:
            line["answer_attribution"] = [
                {
                    "turn_idx": 0,
                    "source": "output.raw",
                    "extracted_value": run["parsed_answer"],
                    "extraction_method": run["parsing_method"] or "unknown",
                    "is_terminal": True,
                }
            ]
        asked_tokens, said_tokens = run["prompt_tokens"], run["completion_tokens"]
        if asked_tokens is not None and said_tokens is not None:
            line["token_usage"] = {
                "input_tokens": asked_tokens,
                "output_tokens": said_tokens,
                "total_tokens": asked_tokens + said_tokens,
            }
        if run["execution_time_ms"] is not None:
            line["performance"] = {"latency_ms": run["execution_time_ms"]}
        return line

    def _further_lines(
        self, line: dict[str, Any], row: Sequence[Any], scores: Sequence[ScoreRecord]
    ) -> Iterator[dict[str, Any]]:
        """A line for each further result that the sample contributes to, without the whole run."""
        for metric in self._further:
            of_metric = [score for score in scores if score.metric == metric.name]
            value = combined(metric.kind, of_metric)
            if value is None:
                continue
            about = {name: one for name, one in line["metadata"].items() if name != RUN}
            yield {
                **line,
                "evaluation_result_id": self._result_id(line["evaluation_name"], metric),
                "evaluation": {"score": value, "is_correct": value == 1 == metric.upper},
                "metadata": {**about, "graded": "true"},
            }

    def _result_id(self, name: str, metric: MetricRecord) -> str:
        return f"{name}:{to_stored(metric.name)}"

    def _name(self, task: str) -> str:
        return task or self._log.experiment.id

    def _totals(self) -> dict[str, Any]:
        log, experiment = self._log, self._log.experiment
        title = experiment.name or experiment.id
        results = []
        reported = [(self._primary, log.total, log.tasks)]
        reported += [(metric, *log.further[metric.name]) for metric in self._further]
        for metric, total, tasks in reported:
            if len(tasks) > 1 and total.mean is not None:
                results.append(self._result(to_stored(metric.name), title, metric, total))
            for task, part in tasks.items():
                name = self._name(task)
                if part.mean is not None:
                    known = self._result(self._result_id(name, metric), name, metric, part)
                    results.append(known)
        environment = experiment.environment_json
        return {
            "schema_version": SCHEMA_VERSION,
            "evaluation_id": self._evaluation_id,
            "evaluation_timestamp": experiment.created_at,
            "retrieved_timestamp": self._stamp,
            "source_metadata": {
                "source_name": experiment.name or experiment.id,
                "source_organization_name": "unknown",
                "evaluator_relationship": "other",
                **mapping(log.config.get("source_metadata")),
                "source_type": "evaluation_run",
                "additional_details": {"approach": log.variant.approach_name},
            },
            "eval_library": {
                "name": str(environment.get("tool") or WRITTEN_BY),
                "version": str(environment.get("tool_version") or _version()),
                "additional_details": {
                    name: value if isinstance(value, str) else json_bytes(value).decode()
                    for name, value in log.described().items()
                },
            },
            "model_info": self._model(),
            "evaluation_results": results,
        }

    def _model(self) -> dict[str, Any]:
        """The model's information; if the experiment came in this format, what that stated."""
        provider, model = self._log.variant.provider, self._log.variant.model
        known = mapping(self._log.config.get("model_info"))
        if known.get("id") != self._model_id:
            known = {"inference_platform": provider} if provider else {}
        return {
            "name": model or "unknown",
            **known,
            "id": self._model_id,
            "additional_details": {**_UNKNOWN_MODEL, **mapping(known.get("additional_details"))},
        }

    def _result(
        self, result_id: str, name: str, metric: MetricRecord, total: VariantSummary
    ) -> dict[str, Any]:
        values = total.to_dict()
        uncertainty: dict[str, Any] = {"num_samples": total.graded}
        if total.se is not None:
            uncertainty["standard_error"] = {"value": total.se, "method": total.method}
        if total.ci_low is not None:
            uncertainty["confidence_interval"] = {
                "lower": total.ci_low,
                "upper": total.ci_high,
                "confidence_level": self._log.snapshot.accuracy.confidence_level,
                "method": total.interval_method,
            }
        known = {name: str(values[name]) for name in _DETAILS if values[name] is not None}
        return {
            "evaluation_result_id": result_id,
            "evaluation_name": name,
            "source_data": {"dataset_name": self._log.data_set, "source_type": "other"},
            "metric_config": _metric_config(metric),
            "score_details": {
                "score": total.mean,
                "details": known,
                "uncertainty": uncertainty,
            },
            "generation_config": {"generation_args": self._generation()},
        }

    def _generation(self) -> dict[str, Any]:
        config = self._log.config
        asked = {**config, **mapping(config.get("model_generate_config"))}
        settings: dict[str, Any] = {
            name: asked[name]
            for name in ("temperature", "top_p", "top_k")
            if type(asked.get(name)) in (int, float)
        }
        if type(most := asked.get("max_tokens")) is int and most >= 1:
            settings["max_tokens"] = most
        if (approach := self._log.variant.approach_name) in APPROACHES.values():
            settings["reasoning"] = approach != "None"
        return settings


def _metric_config(metric: MetricRecord) -> dict[str, Any]:
    """What the format says of a metric. The level -1 is that of samples without a value."""
    is_binary = metric.kind == "binary"
    known = {
        "evaluation_description": "Right answers among the graded ones"
        if is_binary
        else "Mean over samples, each the mean of its repeats",
        "metric_id": metric.name,
        "metric_name": metric.name,
        "metric_kind": "accuracy" if is_binary else str(metric.definition_json.get("key", "score")),
        "lower_is_better": metric.higher_is_better is False,
        "score_type": "continuous",
        "min_score": 0 if is_binary else metric.lower,
        "max_score": 1 if is_binary else metric.upper,
        "has_unknown_level": True,
    }
    unit = "proportion" if is_binary else metric.definition_json.get("unit")
    return known | ({"metric_unit": unit} if isinstance(unit, str) else {})


def _model_id(provider: str, model: str) -> str:
    """As `developer/model`."""
    if "/" in model.strip("/"):
        return model
    return f"{provider or 'unknown'}/{model or 'unknown'}"


def _part(name: str) -> str:
    """A name of a folder in the datastore, where `data` is taken."""
    safe = safe_name(name)
    return f"{safe}_" if safe == "data" else safe


def _version() -> str:
    import ml_agents_results

    return ml_agents_results.__version__
