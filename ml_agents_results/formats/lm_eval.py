"""Outputs of lm-evaluation-harness, written with --log_samples.

One results file is one experiment, and each of its tasks has a file of samples with a line for each
question and filter. One filter gives the answer of the run. Each metric of each filter is a metric,
named as in the results file: `exact_match,strict-match`, without the filter where that is `none`.
What a filter does not find an answer for has no value.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    mapping,
    moment,
    number,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.field_mapping import Overrides
from ml_agents_results.formats.grading import ANSWER, Grading, score_of
from ml_agents_results.formats.json_files import beginning, first_line, read_lines, read_object
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import ExperimentRecord, RunRecord, ScoreRecord, canonical_approach
from ml_agents_results.redaction import redact

NO_FILTER = "none"
"""The filter of tasks that have none."""

NO_ANSWER = "[invalid]"
"""What a filter gives if it finds no answer."""

_SOLUTION = "####"
_NORMALIZED: dict[str, Callable[[str], Sized]] = {"acc_norm": str, "acc_bytes": str.encode}
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
    """Whether it is a file of samples, or of results with such files next to it."""
    if _RESULTS.fullmatch(path.name) and path.is_file():
        return b'"results"' in beginning(path)
    if path.suffix not in (".jsonl", ".gz") or not path.is_file():
        return False
    return {"doc_id", "doc", "resps"} <= first_line(path).keys()


def parts(path: Path) -> Sequence[Path]:
    """The files of samples that belong to a results file."""
    if (found := _RESULTS.fullmatch(path.name)) is None:
        if path.suffix == ".json" and b'"results"' in beginning(path):
            raise InvalidFileError(
                f"{path} has totals only, without samples",
                "Run lm-eval with --log_samples to have every answer written.",
            )
        return [path]
    named = ((file, _SAMPLES.fullmatch(file.name)) for file in sorted(path.parent.iterdir()))
    samples = [file for file, name in named if name and name["date"] == found["date"]]
    if not samples:
        raise InvalidFileError(
            f"{path} has totals only; there is no file samples_*_{found['date']}.jsonl next to it",
            "Run lm-eval with --log_samples to have every answer written.",
        )
    return samples


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one experiment of the results file, and the lines of the chosen filter."""
    samples = _LmEvalSamples(source, options)
    yield Log([samples.experiment()], samples.items(), samples.grading.metrics)


class _LmEvalSamples:
    """One file of samples, with what the results file next to it says about them."""

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
        if not model and not self._date and "model" not in options.constants:
            source.warn(f"{source.name} does not say which model answered: --set model=NAME")
        # lm-eval names the folder after the model, and the files after the date.
        self._model = text(model) or (source.path.parent.name if self._date else "")
        self._provider = text(self._results.get("model_source")) or ""
        self._created = moment(self._results.get("date")) or moment(self._written_date())
        self.grading = Grading(source, options, preferred=_PREFERRED, any_metric=True)
        task = mapping(mapping(self._results.get("configs")).get(self._task))
        self._aggregations = {
            one.get("metric"): one.get("aggregation")
            for one in map(mapping, sequence(task.get("metric_list")))
            if isinstance(one.get("metric"), str)
        }
        self._expect_figures()

    def items(self) -> Iterator[Item]:
        """The runs in the order of the lines. Lines of other filters come in any order, and those
        of the chosen one are set aside until all have been read."""
        overrides = Overrides(self._source, self._options)
        chosen: str | None = self._options.filter
        filters: Counter[str | None] = Counter()
        others = _OtherFilters()
        for position, row, size in read_lines(self._source):
            name = text(row.get("filter"))
            if not filters and chosen is None:
                chosen = name
            filters[name] += 1
            if name != chosen:
                others.add(name, row)
                self.grading.note(self._scores(row))
                continue
            with self._source.locate(position):
                run, scores = self._run(row, position)
            overrides.apply(run, row)
            self.grading.add(Item(position, run, size, scores))
        self._report_filters(chosen, filters)
        overrides.finish()

        def further(item: Item) -> dict[str, ScoreRecord]:
            scores = {}
            for row in others.take(item.run.sample_index):
                answer = text(_filtered(row))
                for name, score in self._scores(row).items():
                    if answer is not None:
                        score.details_json = {**(score.details_json or {}), ANSWER: answer}
                    scores[name] = score
            return scores

        yield from self.grading.graded(further)

    def _expect_figures(self) -> None:
        """Notes the figures of the results file."""
        for key, value in mapping(mapping(self._results.get("results")).get(self._task)).items():
            metric, _, filter_name = key.partition(",")
            figure = number(value)
            if figure is not None and not metric.endswith("_stderr"):
                how = self._aggregations.get(metric)
                how = "mean" if how in (None, "mean") else f"aggregate ({how})"
                self.grading.figures.expect(_metric_name(metric, filter_name), figure, how)

    def _report_filters(self, chosen: str | None, filters: Counter[str | None]) -> None:
        if self._options.filter is not None and chosen not in filters:
            raise InvalidFileError(
                f"{self._source.name} has no filter {chosen!r}",
                f"Its filters are: {', '.join(map(str, filters))}",
            )
        self.grading.filter = chosen
        if chosen is not None:
            rule = "the first in the file" if self._options.filter is None else "--filter"
            self._source.choose("filter", chosen, rule)

    def _scores(self, row: dict[str, Any]) -> dict[str, ScoreRecord]:
        """The values of a line by metric and filter; none where the filter found no answer."""
        if _found_nothing(row):
            return {}
        scores = {}
        filter_name = text(row.get("filter")) or NO_FILTER
        directions = mapping(mapping(self._results.get("higher_is_better")).get(self._task))
        for key, value in _metrics(row).items():
            name = _metric_name(key, filter_name)
            higher, how = directions.get(key), self._aggregations.get(key)
            self.grading.define(
                name,
                higher_is_better=higher if isinstance(higher, bool) else None,
                definition={"key": key, "filter": filter_name}
                | ({} if how in (None, "mean") else {"aggregation": how}),
            )
            score = score_of(value)
            if isinstance(value, list | dict):
                score.details_json = {"value": value}
            if (answer := _chosen(row, key)) is not None:
                score.details_json = {ANSWER: answer}
            scores[name] = score
        return scores

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

    def _run(self, row: dict[str, Any], line: int) -> tuple[RunRecord, dict[str, ScoreRecord]]:
        index = row.get("doc_id")
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise InvalidFileError(
                f"{self._source.where(line)} has the doc_id {index!r}", "It counts from 0."
            )
        arguments = _arguments(row)
        run = RunRecord(
            experiment_id="",
            approach_name=self._approach,
            provider=self._provider,
            model=self._model,
            task=self._task,
            sample_index=index,
            sample_id=text(row.get("doc_hash")),
            input_text=text(_item(arguments, 0, 0)),
            expected_answer=_expected(row, arguments),
            created_at=self._created,
            metadata_json=without_absent(
                {
                    **{
                        name: row.get(name)
                        for name in _ROW
                        if name not in ("doc_id", "arguments", "metrics")
                    },
                    "generation": _generation(arguments),
                }
            ),
        )
        _answer(run, row, arguments)
        if run.parsed_answer == NO_ANSWER:
            run.parsed_answer = None
        return run, self._scores(row)

    def _results_file(self) -> dict[str, Any]:
        if self._date is None:
            return {}
        for path in sorted(self._source.path.parent.iterdir()):
            name = _RESULTS.fullmatch(path.name)
            if name and name["date"] == self._date and sniff(path):
                return read_object(self._source, path)
        self._source.warn(
            f"{self._source.name}: there is no results file next to it; its settings and versions "
            "are not known"
        )
        return {}

    def _written_date(self) -> str | None:
        """The date in the file's name, where `:` is written as `-`."""
        if self._date is None:
            return None
        day, _, time = self._date.partition("T")
        return f"{day}T{time.replace('-', ':')}"


class _OtherFilters:
    """What the filters that were not chosen took from the output of each sample."""

    def __init__(self) -> None:
        self._lines: Spool[dict[str, Any]] = Spool()
        self._offsets: dict[str | None, dict[str, list[int]]] = {}

    def add(self, name: str | None, row: dict[str, Any]) -> None:
        kept = {one: row.get(one) for one in ("filter", "filtered_resps", *_metrics(row))}
        kept["metrics"] = row.get("metrics")
        offsets = self._offsets.setdefault(name, {})
        offsets.setdefault(text(row.get("doc_id")) or "", []).append(self._lines.add(kept))

    def take(self, doc_id: object) -> list[dict[str, Any]]:
        """A line of each filter; of a sample that has several lines, the next one."""
        sample = text(doc_id) or ""
        return [
            self._lines.get(offsets[sample].pop(0))
            for offsets in self._offsets.values()
            if offsets.get(sample)
        ]


def _arguments(row: dict[str, Any]) -> list[list[Any]]:
    """The arguments of each request; older files have lists instead of names."""
    named = row.get("arguments")
    requests = list(named.values()) if isinstance(named, dict) else sequence(named)
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
    return {
        name: row[name]
        for name in names
        if isinstance(name, str) and name in row and not name.endswith("_stderr")
    }


def _metric_name(key: str, filter_name: str) -> str:
    return key if filter_name in (NO_FILTER, "") else f"{key},{filter_name}"


def _expected(row: dict[str, Any], arguments: list[list[Any]]) -> str | None:
    """The expected answer in the form of the answers: of multiple choice, the choice that the
    target counts; of a solution in the style of GSM8K, what follows its last `####`."""
    target: Any = row.get("target")
    if (likelihoods := _likelihoods(row)) and (choices := _choices(arguments, likelihoods)):
        with suppress(TypeError, ValueError):
            if 0 <= (index := int(target)) < len(choices):
                return choices[index]
    known = text(target)
    return known if known is None else known.rpartition(_SOLUTION)[2].strip() or known


def _answer(run: RunRecord, row: dict[str, Any], arguments: list[list[Any]]) -> None:
    """The output and what the filter took from it; of multiple choice, the likeliest choice."""
    resps = [sequence(answers) for answers in sequence(row.get("resps"))]
    if likelihoods := _likelihoods(row):
        run.raw_output = text(likelihoods)
        if choices := _choices(arguments, likelihoods):
            run.parsed_answer = choices[likelihoods.index(max(likelihoods))]
        return
    run.raw_output = text(resps[0][0]) if resps and resps[0] else None
    run.parsed_answer = text(_filtered(row))


def _chosen(row: dict[str, Any], key: str) -> str | None:
    """The answer by a metric that chooses by the likelihood per character or byte."""
    if key not in _NORMALIZED or not (likelihoods := _likelihoods(row)):
        return None
    arguments = _arguments(row)
    if not (choices := _choices(arguments, likelihoods)):
        return None
    lengths = [len(_NORMALIZED[key](_continuation(arguments, i))) for i in range(len(choices))]
    means = [one / max(size, 1) for one, size in zip(likelihoods, lengths, strict=False)]
    return choices[means.index(max(means))]


def _choices(arguments: list[list[Any]], likelihoods: list[float]) -> list[str]:
    """The choices; their numbers where several have the same text in different contexts."""
    if not 1 < len(likelihoods) <= len(arguments):
        return []
    choices = [_continuation(arguments, index).strip() for index in range(len(likelihoods))]
    return choices if len(set(choices)) == len(choices) else list(map(str, range(len(choices))))


def _continuation(arguments: list[list[Any]], index: int) -> str:
    """A choice as lm-eval measures it: without the space that separates it from the question."""
    return (text(_item(arguments, index, 1)) or "").removeprefix(" ")


def _likelihoods(row: dict[str, Any]) -> list[float]:
    """The log-likelihood of each choice; none where answers are texts."""
    resps = [sequence(answers) for answers in sequence(row.get("resps"))]
    known = [_likelihood(answers) for answers in resps]
    return [one for one in known if one is not None] if None not in known else []


def _filtered(row: dict[str, Any]) -> object:
    """What the filter took from the first output."""
    filtered = row.get("filtered_resps")
    first = filtered[0] if isinstance(filtered, list) and filtered else filtered
    return first if not isinstance(first, list) else next(iter(first), None)


def _found_nothing(row: dict[str, Any]) -> bool:
    return _filtered(row) == NO_ANSWER


def _likelihood(answers: list[Any]) -> float | None:
    """The log-likelihood of a choice; None if the answer is something else."""
    first = answers[0] if answers else None
    if not isinstance(first, list) or len(first) != 2 or str(first[1]) not in ("True", "False"):
        return None
    try:
        likelihood = float(first[0])
    except (TypeError, ValueError):
        return None
    return likelihood if isfinite(likelihood) else -1e308


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
