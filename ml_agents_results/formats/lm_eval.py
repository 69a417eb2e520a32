"""Outputs of lm-evaluation-harness, written with --log_samples.

One results file is one experiment, and each of its tasks has a file of samples with a line for each
question and filter. One filter gives the answer of the run. Each metric of each filter is a metric,
named as in the results file: `exact_match,strict-match`, without the filter where that is `none`.
What a filter does not find an answer for has no value.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    at,
    mapping,
    moment,
    number,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.grading import ANSWER, score_of
from ml_agents_results.formats.json_files import beginning, first_line, read_lines, read_object
from ml_agents_results.formats.lm_eval_line import LmEvalLine
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_reader import LogReader
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import ExperimentRecord, RunRecord, ScoreRecord

NO_FILTER = "none"
"""The filter of tasks that have none."""

_PREFERRED = ("exact_match", "acc", "acc_norm", "pass@1")
_DATE = r"(?P<date>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.\d+)?)"
_SAMPLES = re.compile(rf"samples_(?P<task>.+)_{_DATE}\.jsonl(\.gz)?")
_RESULTS = re.compile(rf".+_{_DATE}\.json")
_COT = re.compile(r"(^|[_-])(cot|chain[_-]of[_-]thought)([_-]|$)", re.IGNORECASE)
_SETTINGS = (
    *("config", "versions", "n-shot", "n-samples", "higher_is_better", "task_hashes"),
    *("system_instruction", "system_instruction_sha", "fewshot_as_multiturn", "chat_template_sha"),
)
_FUNCTION = re.compile(r"\s*(?:@\w+\s+)*def (\w+)")
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
    if (match := _RESULTS.fullmatch(path.name)) is None:
        if path.suffix == ".json" and b'"results"' in beginning(path):
            raise InvalidFileError(
                f"{path} has totals only, without samples",
                "Run lm-eval with --log_samples to have every answer written.",
            )
        return [path]
    named = ((file, _SAMPLES.fullmatch(file.name)) for file in sorted(path.parent.iterdir()))
    samples = [file for file, name in named if name and name["date"] == match["date"]]
    if not samples:
        raise InvalidFileError(
            f"{path} has totals only; there is no file samples_*_{match['date']}.jsonl next to it",
            "Run lm-eval with --log_samples to have every answer written.",
        )
    return samples


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one experiment of the results file, and the lines of the chosen filter."""
    yield _LmEvalReader(source, options).log()


class _LmEvalReader(LogReader):
    """One file of samples, with what the results file next to it says about them."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        super().__init__(source, options, preferred=_PREFERRED)
        name = _SAMPLES.fullmatch(source.path.name)
        self._date = name["date"] if name else None
        self.task = name["task"] if name else source.stem.removeprefix("samples_")
        self._results = results = self._results_file()
        cot = "ChainOfThought" if _COT.search(self.task) else None
        self._approach = self.approach((cot, "name of the task"))
        model = results.get("model_name") or at(results, "config.model")
        if not model and not self._date and "model" not in options.constants:
            source.warn(f"{source.name} does not say which model answered: --set model=NAME")
        # lm-eval names the folder after the model, and the files after the date.
        self.model = text(model) or (source.path.parent.name if self._date else "")
        self.provider = text(results.get("model_source")) or ""
        self.created = moment(results.get("date")) or moment(self._written_date())
        self._directions = mapping(mapping(results.get("higher_is_better")).get(self.task))
        task = mapping(mapping(results.get("configs")).get(self.task))
        self._aggregations = {
            one.get("metric"): _aggregation(one.get("aggregation"))
            for one in map(mapping, sequence(task.get("metric_list")))
            if isinstance(one.get("metric"), str)
        }
        names = (at(one, "name") for one in sequence(task.get("filter_list")))
        self._filters = [name for name in names if isinstance(name, str)]
        self._answered: Counter[str | None] = Counter()
        self._others = _OtherFilters()
        self._expect_figures()

    def experiment(self) -> ExperimentRecord:
        results = self._results
        config = {name: results[name] for name in _SETTINGS if results.get(name) is not None}
        config["tasks"] = mapping(results.get("configs"))
        if not self.options.model_args:
            config = _without_model_args(config)
        folder = text(results.get("model_name_sanitized")) or self.source.path.parent.name
        version, commit = results.get("lm_eval_version"), results.get("git_hash")
        packages = {"lm_eval": version, "transformers": results.get("transformers_version")}
        return self.described(
            f"{folder}_{self._date or self.source.sha256[:12]}",
            f"{self.model} {self._date}" if self._date else self.task,
            config,
            tool="lm_eval",
            tool_version=version,
            packages=without_absent(packages),
            git={"commit": commit} if commit else None,
            log={name: results[name] for name in _LOG if name in results},
        )

    def read(self) -> None:
        """Adds the lines of the chosen filter. Lines of other filters come in any order, and are
        set aside until all have been read."""
        chosen: str | None = self.options.filter
        filters: dict[str | None, None] = {}
        for position, row, size in read_lines(self.source):
            name = self._filter_of(row)
            if not filters and chosen is None:
                chosen = name
            filters[name] = None
            scores = self._scores(row, name)
            if name == chosen:
                self.add(position, self._run(row, position), row, size, scores)
            else:
                row["filter"] = name
                self._others.add(name, row)
                self.grading.note(scores)
        if self.options.filter is not None and chosen not in filters:
            raise InvalidFileError(
                f"{self.source.name} has no filter {chosen!r}",
                f"Its filters are: {', '.join(map(str, filters))}",
            )
        self.grading.filter = chosen
        if chosen is not None:
            rule = "the first in the file" if self.options.filter is None else "--filter"
            self.source.choose("filter", chosen, rule)

    def further(self, item: Item) -> dict[str, ScoreRecord]:
        """The scores by the other filters, each with the answer that its filter found."""
        scores = {}
        for row in self._others.take(item.run.sample_index):
            answer = text(LmEvalLine(row).filtered)
            for name, score in self._scores(row, text(row.get("filter"))).items():
                if answer is not None:
                    score.details_json = {**(score.details_json or {}), ANSWER: answer}
                scores[name] = score
        return scores

    def _expect_figures(self) -> None:
        """Notes the figures of the results file, and the standard errors of means."""
        for key, value in mapping(mapping(self._results.get("results")).get(self.task)).items():
            metric, _, filter_name = key.partition(",")
            of_error, figure = metric.endswith("_stderr"), number(value)
            metric = metric.removesuffix("_stderr")
            name, how = _metric_name(metric, filter_name), self._aggregations.get(metric)
            if figure is None or metric == "sample_len":
                continue
            if not of_error:
                how = "mean" if how in (None, "mean") else f"aggregate ({how})"
                self.grading.figures.expect(name, figure, how)
            elif how in (None, "mean"):
                self.grading.figures.expect_error(name, figure)

    def _filter_of(self, row: dict[str, Any]) -> str | None:
        """The filter of a line. Before 0.4.5 lines did not name theirs: those of a sample are in
        the order in which the task lists its filters."""
        if "filter" in row or len(self._filters) < 2:
            return text(row.get("filter"))
        sample = text(row.get("doc_id"))
        number = self._answered[sample] = self._answered[sample] + 1
        return self._filters[number - 1] if number <= len(self._filters) else self._filters[0]

    def _scores(self, row: dict[str, Any], named: str | None) -> dict[str, ScoreRecord]:
        """The values of a line by metric and filter; none where the filter found no answer."""
        line = LmEvalLine(row)
        if line.has_no_answer:
            return {}
        scores = {}
        filter_name = named or NO_FILTER
        for key, value in line.metrics.items():
            name = _metric_name(key, filter_name)
            higher, how = self._directions.get(key), self._aggregations.get(key)
            self.grading.define(
                name,
                higher_is_better=higher if isinstance(higher, bool) else None,
                definition={"key": key, "filter": filter_name}
                | ({} if how in (None, "mean") else {"aggregation": how}),
            )
            score = scores[name] = score_of(value)
            if isinstance(value, list | dict):
                score.details_json = {"value": value}
            if (answer := line.choice_by(key)) is not None:
                score.details_json = {ANSWER: answer}
        return scores

    def _run(self, row: dict[str, Any], line: int) -> RunRecord:
        index = row.get("doc_id")
        if not isinstance(index, int) or isinstance(index, bool) or index < 0:
            raise InvalidFileError(
                f"{self.source.where(line)} has the doc_id {index!r}", "It counts from 0."
            )
        read = LmEvalLine(row)
        return self.run(
            read.metadata,
            approach_name=self._approach,
            sample_index=index,
            sample_id=row.get("doc_hash"),
            input_text=read.question,
            expected_answer=read.expected,
            raw_output=read.output,
            parsed_answer=read.answer,
        )

    def _results_file(self) -> dict[str, Any]:
        if self._date is None:
            return {}
        for path in sorted(self.source.path.parent.iterdir()):
            name = _RESULTS.fullmatch(path.name)
            if name and name["date"] == self._date and sniff(path):
                return read_object(self.source, path)
        self.source.warn(
            f"{self.source.name}: there is no results file next to it; its settings and versions "
            "are not known"
        )
        return {}

    def _written_date(self) -> str | None:
        """The date in the file's name, where `:` is written as `-`."""
        if self._date is None:
            return None
        day, _, time = self._date.partition("T")
        return f"{day}T{time.replace('-', ':')}"


def _aggregation(how: object) -> str | None:
    """The name of an aggregation; lm-eval writes the source of a function."""
    known = text(how)
    function = _FUNCTION.match(known or "")
    return known if function is None else function[1]


class _OtherFilters:
    """What the filters that were not chosen took from the output of each sample."""

    def __init__(self) -> None:
        self._lines: Spool[dict[str, Any]] = Spool()
        self._offsets: dict[str | None, dict[str, list[int]]] = {}

    def add(self, name: str | None, row: dict[str, Any]) -> None:
        kept = {one: row.get(one) for one in ("filter", "filtered_resps", *LmEvalLine(row).metrics)}
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


def _metric_name(key: str, filter_name: str) -> str:
    return key if filter_name in (NO_FILTER, "") else f"{key},{filter_name}"


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
