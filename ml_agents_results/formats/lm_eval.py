"""Outputs of lm-evaluation-harness, written with --log_samples.

One results file is one experiment, and each of its tasks has a file of samples with a line for each
question and filter. One filter is the run's answer; what the other filters made of the same output
is kept with it. A run whose answer the filter did not find has no grade.
"""

import re
from collections.abc import Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    Overrides,
    mapping,
    moment,
    number,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.json_stream import (
    beginning,
    first_line,
    read_document,
    read_lines,
)
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import ExperimentRecord, RunRecord, canonical_approach
from ml_agents_results.redaction import redact

NO_ANSWER = "[invalid]"
"""What a filter gives where it finds no answer."""

_PREFERRED = ("exact_match", "acc", "acc_norm", "pass@1")
_DATE = r"(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?)"
_SAMPLES = re.compile(rf"samples_(?P<task>.+)_{_DATE}\.jsonl(\.gz)?")
_RESULTS = re.compile(rf".+_{_DATE}\.json")
_COT = re.compile(r"(^|[_-])(cot|chain[_-]of[_-]thought)([_-]|$)", re.IGNORECASE)
_ROW = (
    "doc_id",
    "doc",
    "target",
    "arguments",
    "resps",
    "filtered_resps",
    "filter",
    "metrics",
    "doc_hash",
    "prompt_hash",
    "target_hash",
)
_SETTINGS = (
    "config",
    "versions",
    "n-shot",
    "n-samples",
    "higher_is_better",
    "task_hashes",
    "system_instruction",
    "system_instruction_sha",
    "fewshot_as_multiturn",
    "chat_template_sha",
)
_LOG = ("date", "start_time", "end_time", "total_evaluation_time_seconds", "model_name")


def sniff(path: Path) -> bool:
    """Whether it is a file of samples, or of results beside which such files may be."""
    if _RESULTS.fullmatch(path.name) and path.is_file():
        return b'"results"' in beginning(path)
    if path.suffix not in (".jsonl", ".gz") or not path.is_file():
        return False
    return {"doc_id", "doc", "resps"} <= first_line(path).keys()


def parts(path: Path) -> Sequence[Path]:
    """The files of samples that belong to a results file."""
    if (found := _RESULTS.fullmatch(path.name)) is None:
        return [path]
    named = ((file, _SAMPLES.fullmatch(file.name)) for file in sorted(path.parent.iterdir()))
    samples = [file for file, name in named if name and name["date"] == found["date"]]
    if not samples:
        raise InvalidFileError(
            f"{path} has totals only; there is no file samples_*_{found['date']}.jsonl beside it",
            "Run lm-eval with --log_samples to have every answer written.",
        )
    return samples


def experiments(source: LogSource, options: ImportOptions) -> Sequence[ExperimentRecord]:
    """The one that the results file is about."""
    return [_Log(source, options).experiment()]


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """The lines of the chosen filter, as they stand."""
    log = _Log(source, options)
    overrides = Overrides(source, options)
    filters = _filters(source)
    chosen = _chosen_filter(source, options, filters)
    others = [_Others(source, name) for name in filters if name != chosen]
    source.left_out.update({f"lines of filter {name}": count for name, count in filters.items()})
    del source.left_out[f"lines of filter {chosen}"]
    try:
        for place, row, size in read_lines(source):
            if text(row.get("filter")) == chosen:
                made = {one.name: one.of(row.get("doc_id")) for one in others}
                with source.locate(place):
                    run = log.run(row, place, made)
                overrides.apply(run, row)
                yield Item(place, run, size)
    finally:
        for one in others:
            one.close()
    overrides.finish()
    log.finish()


class _Others:
    """What another filter made of each sample: read beside the chosen one's lines, for they are in
    the same order, and there may be too many to hold."""

    def __init__(self, source: LogSource, name: str | None) -> None:
        self.name = str(name)
        self._lines = (row for _, row, _ in read_lines(source) if text(row.get("filter")) == name)
        self._next = next(self._lines, None)

    def of(self, doc_id: object) -> dict[str, Any] | None:
        if self._next is None or self._next.get("doc_id") != doc_id:
            return None
        row, self._next = self._next, next(self._lines, None)
        return {"filtered_resps": row.get("filtered_resps"), "metrics": _metrics(row)}

    def close(self) -> None:
        self._lines.close()


class _Log:
    """One file of samples with the results file beside it, where there is one."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
        name = _SAMPLES.fullmatch(source.path.name)
        self._date = name["date"] if name else None
        self._task = name["task"] if name else source.stem.removeprefix("samples_")
        self._results = self._results_file()
        self._model_args = options.model_args
        approach, rule = options.approach, "--approach"
        if approach is None:
            if _COT.search(self._task):
                approach, rule = "ChainOfThought", "name of the task"
            else:
                approach, rule = "None", "no approach is named"
        self._approach = canonical_approach(approach)
        source.choose("approach", self._approach, rule)
        model = self._results.get("model_name") or mapping(self._results.get("config")).get("model")
        self._model = text(model) or source.path.parent.name
        self._provider = text(self._results.get("model_source")) or ""
        self._created = moment(self._results.get("date")) or moment(self._written_date())
        self._graded = self._between = 0

    def experiment(self) -> ExperimentRecord:
        results = self._results
        config = {name: results[name] for name in _SETTINGS if results.get(name) is not None}
        config["tasks"] = mapping(results.get("configs"))
        if not self._model_args:
            config = _without_model_args(config)
        folder = text(results.get("model_name_sanitized")) or self._source.path.parent.name
        versions = {
            "lm_eval": results.get("lm_eval_version"),
            "transformers": results.get("transformers_version"),
        }
        commit = results.get("git_hash")
        environment = {
            "tool": "lm_eval",
            "tool_version": results.get("lm_eval_version"),
            "packages": without_absent(versions),
            "git": {"commit": commit} if commit else None,
            "log": {name: results[name] for name in _LOG if name in results},
        }
        return ExperimentRecord(
            id=f"{folder}_{self._date or self._source.sha256[:12]}",
            name=f"{self._model} {self._date}" if self._date else self._task,
            status="completed",
            created_at=self._created,
            config_json=redact(config),
            environment_json=redact(without_absent(environment)),
        )

    def run(self, row: dict[str, Any], place: int, filters: dict[str, Any]) -> RunRecord:
        index = row.get("doc_id")
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise InvalidFileError(
                f"{self._source.where(place)} has the doc_id {index!r}", "It counts from 0."
            )
        arguments = _arguments(row)
        metrics = _metrics(row)
        run = RunRecord(
            experiment_id="",
            approach_name=self._approach,
            provider=self._provider,
            model=self._model,
            task=self._task,
            sample_index=index,
            sample_id=text(row.get("doc_hash")),
            input_text=text(_item(arguments, 0, 0)),
            expected_answer=text(row.get("target")),
            created_at=self._created,
            metadata_json=without_absent(
                {
                    **{
                        name: row.get(name)
                        for name in _ROW
                        if name not in ("doc_id", "target", "arguments", "metrics")
                    },
                    "metrics": metrics,
                    "filters": without_absent(filters),
                    "generation": _generation(arguments),
                }
            ),
        )
        _answer(run, row, arguments)
        if run.parsed_answer == NO_ANSWER:
            run.parsed_answer = None
        else:
            self._grade(run, metrics, place)
        return run

    def finish(self) -> None:
        if self._graded and self._between:
            self._source.warn(
                f"{self._source.name}: {self._between} runs have scores other than 0 and 1; these "
                "are in `score` and have no grade. Compare such tasks by `score`."
            )

    def _grade(self, run: RunRecord, metrics: dict[str, Any], place: int) -> None:
        name = self._options.metric
        rule = "--metric"
        if name is None:
            rule = "the usual one"
            known = [one for one in metrics if number(metrics[one]) is not None]
            name = next((one for one in _PREFERRED if one in known), next(iter(known), None))
        elif name not in metrics:
            raise InvalidFileError(
                f"{self._source.where(place)} has no metric {name!r}",
                f"Its metrics are: {', '.join(metrics) or 'none'}",
            )
        if name is None:
            return
        self._source.choose("metric", name, rule)
        value = metrics[name]
        run.score = float(value) if isinstance(value, bool) else number(value)
        if run.score in (0.0, 1.0):
            run.is_correct = run.score == 1.0
            self._graded += 1
        elif run.score is not None:
            self._between += 1

    def _results_file(self) -> dict[str, Any]:
        if self._date is None:
            return {}
        for path in sorted(self._source.path.parent.iterdir()):
            found = _RESULTS.fullmatch(path.name)
            if found and found["date"] == self._date and sniff(path):
                return read_document(self._source, path)
        self._source.warn(
            f"{self._source.name}: there is no results file beside it; what was asked for, "
            "the model and the versions are not known"
        )
        return {}

    def _written_date(self) -> str | None:
        """The date in the file's name, where `:` is written as `-`."""
        if self._date is None:
            return None
        day, _, time = self._date.partition("T")
        return f"{day}T{time.replace('-', ':')}"


def _filters(source: LogSource) -> dict[str | None, int]:
    """The filters in the file, in their order, with how many lines each has."""
    counts: dict[str | None, int] = {}
    for _, row, _ in read_lines(source):
        name = text(row.get("filter"))
        counts[name] = counts.get(name, 0) + 1
    return counts


def _chosen_filter(
    source: LogSource, options: ImportOptions, filters: dict[str | None, int]
) -> str | None:
    if options.filter is None:
        first = next(iter(filters), None)
        if first is not None:
            source.choose("filter", first, "the first in the file")
        return first
    if options.filter not in filters:
        raise InvalidFileError(
            f"{source.name} has no filter {options.filter!r}",
            f"Its filters are: {', '.join(map(str, filters))}",
        )
    source.choose("filter", options.filter, "--filter")
    return options.filter


def _arguments(row: dict[str, Any]) -> list[list[Any]]:
    """What each request was; older files have lists where newer ones have names."""
    found = row.get("arguments")
    requests = list(found.values()) if isinstance(found, dict) else sequence(found)
    return [
        list(request.values()) if isinstance(request, dict) else sequence(request)
        for request in requests
    ]


def _item(rows: list[list[Any]], row: int, column: int) -> Any:
    return rows[row][column] if len(rows) > row and len(rows[row]) > column else None


def _generation(arguments: list[list[Any]]) -> dict[str, Any]:
    """The parameters of generation."""
    return mapping(_item(arguments, 0, 1))


def _metrics(row: dict[str, Any]) -> dict[str, Any]:
    """The values of the metrics; older lines do not list their names."""
    names = row.get("metrics")
    if not isinstance(names, list):
        names = [name for name in row if name not in _ROW]
    return {str(name): row[name] for name in names if isinstance(name, str) and name in row}


def _answer(run: RunRecord, row: dict[str, Any], arguments: list[list[Any]]) -> None:
    """The output and what the filter took from it; of multiple choice, the likeliest choice."""
    resps = [sequence(answers) for answers in sequence(row.get("resps"))]
    likelihoods = [_likelihood(answers) for answers in resps]
    if resps and all(one is not None for one in likelihoods):
        run.raw_output = text(likelihoods)
        if len(resps) > 1 and len(arguments) >= len(resps):
            best = max(range(len(resps)), key=lambda place: likelihoods[place] or 0.0)
            choice = text(_item(arguments, best, 1))
            run.parsed_answer = choice.strip() if choice is not None else None
        return
    run.raw_output = text(resps[0][0]) if resps and resps[0] else None
    filtered = row.get("filtered_resps")
    first = filtered[0] if isinstance(filtered, list) and filtered else filtered
    run.parsed_answer = text(first if not isinstance(first, list) else next(iter(first), None))


def _likelihood(answers: list[Any]) -> float | None:
    """The logarithm of the likelihood, of an answer that is one: a pair with whether it is what
    the model would say itself."""
    first = answers[0] if answers else None
    if not isinstance(first, list) or len(first) != 2 or str(first[1]) not in ("True", "False"):
        return None
    try:
        found = float(first[0])
    except (TypeError, ValueError):
        return None
    return found if isfinite(found) else -1e308


def _without_model_args(config: dict[str, Any]) -> dict[str, Any]:
    """Without the arguments of the model, which lm-eval also copies into each task's metadata."""
    tasks = {
        task: {
            **mapping(settings),
            "metadata": {
                name: value
                for name, value in mapping(mapping(settings).get("metadata")).items()
                if name in ("version", "config_source")
            },
        }
        for task, settings in config["tasks"].items()
    }
    run = {name: one for name, one in mapping(config.get("config")).items() if name != "model_args"}
    return {**config, "config": run, "tasks": tasks}
