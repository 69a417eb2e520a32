"""Inspect AI logs: a `.json` file for one variant, or a folder with one file per variant.

Every metric is a score of its scorer. Its figures are those of Inspect: the mean over the samples,
each the mean of its epochs, and the standard error sd/sqrt(n) with n - 1 degrees of freedom. Each
sample carries its whole run, for `ml-agents import`.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, BinaryIO

from sqlalchemy import REAL, ColumnElement, Integer, cast, distinct, func, select

from ml_agents_results.database.models import Metric, Run, Score
from ml_agents_results.database.primary_values import combined
from ml_agents_results.errors import UsageError
from ml_agents_results.formats.coercion import mapping, text, without_absent
from ml_agents_results.formats.embedded_runs import RUN
from ml_agents_results.formats.grading import ANSWER
from ml_agents_results.formats.inspect_reader import input_text
from ml_agents_results.formats.inspect_scores import VALUE
from ml_agents_results.formats.json_encoding import json_bytes, run_object
from ml_agents_results.formats.snapshot import ExportOptions, Snapshot
from ml_agents_results.formats.variant_logs import (
    VariantLog,
    packed,
    safe_name,
    storable,
    variant_logs,
)
from ml_agents_results.records import MetricRecord, ScoreRecord, Variant

PARTS = ("runs", "metadata")
FOLDER_ENTRY = r".+\.json"
SCORER = "grade"
VERSION = 2
FORMULA = "standard deviation of the samples' means (n - 1) / sqrt(n), as Inspect's stderr()"

_NATIVE = ("input_text", "expected_answer", "raw_output", "error")
_STATUS = {"completed": "success", "failed": "error", "running": "started"}
_STOPPED = {"stop", "max_tokens", "model_length", "tool_calls", "content_filter", "unknown"}


def is_folder(path: Path, options: ExportOptions) -> bool:
    """Whether it is a folder: always, unless the name ends in `.json`."""
    return path.suffix.lower() != ".json"


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes one log.

    Raises:
        UsageError: There is more than one variant.
    """
    variants = [variant for single in snapshot.single() for variant in single.accuracy.variants]
    if len(variants) != 1:
        raise UsageError(
            f"an Inspect log holds one approach with one model, and there are {len(variants)}",
            "Name a folder, which gets a log for each: --output FOLDER",
        )
    for log in variant_logs(snapshot):
        _LogWriter(log).write(file)


def write_folder(snapshot: Snapshot, folder: Path) -> None:
    """Writes a log for each variant, named as Inspect does, for its viewer lists no others."""
    for log in variant_logs(snapshot):
        created = log.experiment.created_at or datetime.fromtimestamp(0, UTC)
        name = safe_name("-".join(filter(None, log.variant))).replace("_", "-")[:150]
        with (folder / f"{created:%Y-%m-%dT%H-%M-%S-00-00}_{name}_{log.digest[:22]}.json").open(
            "xb"
        ) as file:
            _LogWriter(log).write(file)


class _LogWriter:
    def __init__(self, log: VariantLog) -> None:
        self._log = log
        self._model = "/".join(filter(None, (log.variant.provider, log.variant.model))) or "unknown"
        self._several_tasks = len(log.tasks) > 1
        self._shared_ids = _shared_ids(log)
        self._metrics = list(log.experiment.metrics or ())
        if not any(metric.is_primary for metric in self._metrics):
            self._metrics.insert(0, MetricRecord(SCORER, "binary", is_primary=True))

    def write(self, file: BinaryIO) -> None:
        head = json_bytes(storable(self._head()))
        file.write(head.removesuffix(b"}") + b',"samples":[')
        if self._log.snapshot.includes("runs"):
            separator = b"\n"
            for row, scores in self._log.rows:
                file.write(separator + json_bytes(storable(self._sample(row, scores))))
                separator = b",\n"
        file.write(b"\n]}\n")

    def _head(self) -> dict[str, Any]:
        log, experiment, total = self._log, self._log.experiment, self._log.total
        environment = experiment.environment_json
        created = experiment.created_at.isoformat() if experiment.created_at else ""
        tasks = list(filter(None, log.tasks))
        git = mapping(environment.get("git"))
        return {
            "version": VERSION,
            "status": _STATUS[experiment.status],
            "eval": without_absent(
                {
                    "eval_id": log.digest[:22],
                    "run_id": experiment.id,
                    "created": created,
                    "task": tasks[0] if len(log.tasks) == 1 and tasks else experiment.id,
                    "task_id": log.digest[:22],
                    "task_display_name": experiment.name,
                    "solver": log.variant.approach_name,
                    "model": self._model,
                    "scorers": [{"name": name} for name in self._scorers()],
                    "revision": {
                        "type": "git",
                        "origin": text(git.get("origin")) or "",
                        "commit": git["commit"],
                    }
                    if isinstance(git.get("commit"), str)
                    else None,
                    "packages": {
                        name: version
                        for name, version in mapping(environment.get("packages")).items()
                        if isinstance(version, str)
                    },
                    "metadata": {**log.described(), "approach": log.variant.approach_name},
                }
            )
            | {"dataset": {"name": log.data_set}, "config": {}},
            "plan": {"steps": [{"solver": log.variant.approach_name}]},
            "results": {
                "total_samples": total.runs,
                "completed_samples": total.runs - total.failed,
                "scores": self._figures(),
            },
            "stats": {
                "started_at": created,
                "completed_at": created,
                "model_usage": self._usage(),
            },
        }

    def _scorers(self) -> list[str]:
        """The names of the scorers, that of the primary metric first."""
        return list(dict.fromkeys(map(_scorer, self._metrics)))

    def _figures(self) -> list[dict[str, Any]]:
        """The scores of the results: mean and standard error of each metric."""
        figures = []
        for metric in self._metrics:
            means = self._means_of_samples(metric)
            if not means:
                continue
            mean = "accuracy" if metric.kind == "binary" else "mean"
            known: dict[str, dict[str, Any]] = {mean: {"value": fmean(means)}}
            if len(means) > 1:
                error = stdev(means) / len(means) ** 0.5
                known["stderr"] = {"value": error, "metadata": {"formula": FORMULA}}
            figures.append(
                {
                    "name": metric.name,
                    "scorer": _scorer(metric),
                    "scored_samples": len(means),
                    "metrics": {name: {"name": name, **one} for name, one in known.items()},
                }
            )
        return figures

    def _usage(self) -> dict[str, Any]:
        """The tokens and the cost of the model, of all samples together."""
        columns = (Run.prompt_tokens, Run.completion_tokens, Run.cost_estimate)
        sums = select(*(func.sum(column).label(column.key) for column in columns)).where(
            *_is_of(self._log.variant)
        )
        usage = _usage(dict(self._log.snapshot.connection.execute(sums).one()._mapping))
        return {self._model: usage} if usage else {}

    def _means_of_samples(self, metric: MetricRecord) -> list[float]:
        means = select(func.avg(Score.value)).select_from(Run)
        if metric.is_primary:
            correct = cast(cast(Run.is_correct, Integer), REAL)
            means = select(func.avg(func.coalesce(Run.score, correct)))
        else:
            means = (
                means.join(Score, Score.run_id == Run.id)
                .join(Metric, Metric.id == Score.metric_id)
                .where(Metric.name == metric.name)
            )
        means = (
            means.where(*_is_of(self._log.variant))
            .group_by(Run.task, Run.sample_index)
            .order_by(Run.task, Run.sample_index)
        )
        values = self._log.snapshot.connection.scalars(means)
        return [float(mean) for mean in values if mean is not None]

    def _sample(self, row: Sequence[Any], scores: Sequence[ScoreRecord]) -> dict[str, Any]:
        run = run_object(row)
        metadata = mapping(run["metadata_json"])
        question, completion = run["input_text"] or "", run["raw_output"]
        seconds = None if run["execution_time_ms"] is None else run["execution_time_ms"] / 1000
        asked = metadata.get("input")
        if not (isinstance(asked, list) and input_text(asked) == run["input_text"]):
            asked = question
        messages = (
            [{**mapping(message), "source": "input"} for message in asked]
            if isinstance(asked, list)
            else [{"role": "user", "content": question, "source": "input"}]
        )
        choices = []
        if completion is not None:
            answer = {"role": "assistant", "content": completion, "source": "generate"}
            messages.append(answer)
            stopped = metadata.get("stop_reason")
            choices = [
                {"message": answer, "stop_reason": stopped if stopped in _STOPPED else "unknown"}
            ]
        usage = _usage(run)
        return without_absent(
            {
                "id": self._sample_id(run),
                "epoch": run["repeat_index"] + 1,
                "choices": metadata.get("choices") if _are_texts(metadata.get("choices")) else None,
                "scores": self._scores(run, scores),
                "metadata": {
                    **mapping(metadata.get("metadata")),
                    RUN: packed(row, scores, _NATIVE),
                },
                "limit": metadata.get("limit"),
                "model_usage": metadata.get("model_usage")
                or ({self._model: usage} if usage else {}),
                "completed_at": run["created_at"].isoformat(),
                "total_time": seconds,
                "working_time": seconds,
                "uuid": run["id"],
                "error": None
                if run["error"] is None
                else {"message": run["error"], "traceback": "", "traceback_ansi": ""},
            }
        ) | {
            "input": asked,
            "target": _target(run, metadata.get("target")),
            "messages": metadata.get("messages") or messages,
            "output": {"model": self._model, "choices": choices, "completion": completion or ""},
        }

    def _scores(self, run: dict[str, Any], known: Sequence[ScoreRecord]) -> dict[str, Any]:
        """The scores of a sample by scorer; the parts of one that has several are an object."""
        by_metric: dict[str, list[ScoreRecord]] = {}
        for one in known:
            by_metric.setdefault(one.metric or "", []).append(one)
        scores: dict[str, dict[str, Any]] = {}
        for metric in self._metrics:
            score = _of_authors(metric, by_metric.get(metric.name, ()))
            if metric.is_primary:
                score = _primary(run, score)
            if score is None:
                continue
            details = dict(score.details_json or {})
            value = details.pop(VALUE, None)
            if value is None:
                value = score.value if score.label is None else score.label
            if value is None:
                continue
            scorer, part = _scorer(metric), metric.definition_json.get("part")
            parts = scores.setdefault(scorer, {})
            parts.update(without_absent({"explanation": score.explanation, **details}))
            if isinstance(part, str):
                parts.setdefault("value", {})[part] = value
            else:
                parts["value"] = value
        return scores

    def _sample_id(self, run: dict[str, Any]) -> str | int:
        """The sample's own id, made unique if it is not."""
        number = mapping(run["metadata_json"]).get("id")
        if type(number) is int and str(number) == run["sample_id"] and not self._several_tasks:
            return number
        name = run["sample_id"] or str(run["sample_index"])
        if (run["task"], run["sample_id"]) in self._shared_ids:
            name = f"{name} #{run['sample_index']}"
        return f"{run['task']}/{name}" if self._several_tasks else name


def _shared_ids(log: VariantLog) -> set[tuple[str, str | None]]:
    """Ids of the data set that more than one sample of a task has."""
    variant = log.variant
    query = (
        select(Run.task, Run.sample_id)
        .where(*_is_of(variant), Run.sample_id.is_not(None))
        .group_by(Run.task, Run.sample_id)
        .having(func.count(distinct(Run.sample_index)) > 1)
    )
    return {(task, sample_id) for task, sample_id in log.snapshot.connection.execute(query)}


def _of_authors(metric: MetricRecord, scores: Sequence[ScoreRecord]) -> ScoreRecord | None:
    """The one score of a metric that Inspect has: the value of several authors together, with each
    one's in the metadata."""
    if len(scores) < 2:
        return next(iter(scores), None)
    details = {"metadata": {"authors": {score.author: score.value for score in scores}}}
    return ScoreRecord(combined(metric.kind, scores), metric=metric.name, details_json=details)


def _primary(run: dict[str, Any], score: ScoreRecord | None) -> ScoreRecord | None:
    """The score of the primary metric, whose value stands on the run."""
    if run["is_correct"] is None and run["score"] is None:
        return score
    if score is None:
        answer = {ANSWER: run["parsed_answer"]} if run["parsed_answer"] is not None else None
        score = ScoreRecord(None, details_json=answer)
    if run["is_correct"] is None:
        return replace(score, value=run["score"])
    label = score.label or ("C" if run["is_correct"] else "I")
    return replace(score, value=float(run["is_correct"]), label=label)


def _is_of(variant: Variant) -> list[ColumnElement[bool]]:
    return [getattr(Run, name) == value for name, value in variant._asdict().items()]


def _scorer(metric: MetricRecord) -> str:
    return metric.scorer or metric.name


def _usage(run: dict[str, Any]) -> dict[str, Any]:
    asked, answered = run["prompt_tokens"], run["completion_tokens"]
    counts = {
        "input_tokens": asked,
        "output_tokens": answered,
        "total_tokens": None if None in (asked, answered) else asked + answered,
        "total_cost": run["cost_estimate"],
    }
    return {name: count for name, count in counts.items() if count is not None}


def _target(run: dict[str, Any], original: object) -> object:
    """The expected answer; several of them as they came."""
    expected = run["expected_answer"]
    return original if _are_texts(original) and text(original) == expected else expected or ""


def _are_texts(values: object) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
