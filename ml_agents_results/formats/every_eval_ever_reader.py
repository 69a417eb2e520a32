"""Every Eval Ever: a file of samples (`*_samples.jsonl`) with a file of totals next to it.

A sample has a line for each result that it contributes to; one result of each evaluation is the
grade. A sample that ended in an error is a failed run, even if its line says right or wrong. What
our own export wrote is restored.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    at,
    first_of,
    mapping,
    moment,
    number,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.embedded_runs import EmbeddedRuns
from ml_agents_results.formats.grading import score_of
from ml_agents_results.formats.json_files import beginning, first_line, read_lines, read_object
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_reader import LogReader
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.records import PARSING_METHODS, ExperimentRecord, RunRecord, ScoreRecord

UNKNOWN = -1.0
"""The score of a sample without a grade, if the totals declare an unknown level."""

_SAMPLES = "_samples"
_LINE = {"schema_version", "evaluation_id", "sample_id", "interaction_type", "evaluation"}
_TOTALS = (b'"schema_version"', b'"evaluation_id"', b'"retrieved_timestamp"')


def sniff(path: Path) -> bool:
    """Whether it is a file of samples, or of totals."""
    if path.suffix == ".json":
        return all(name in beginning(path) for name in _TOTALS)
    return path.suffix in (".jsonl", ".gz") and first_line(path).keys() >= _LINE


def parts(path: Path) -> Sequence[Path]:
    """The file of samples that belongs to a file of totals."""
    if path.suffix != ".json":
        return [path]
    samples = path.with_name(f"{path.stem}{_SAMPLES}.jsonl")
    if not samples.is_file():
        raise InvalidFileError(
            f"{path} has totals only; there is no file {samples.name} next to it",
            "Runs are made of samples: import a file that has them.",
        )
    return [samples]


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one evaluation, and the lines of one result of each of its evaluations."""
    yield _EveryEvalEverReader(source, options).log()


class _EveryEvalEverReader(LogReader):
    """The lines of one file, and the runs that they become."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        super().__init__(source, options, rule="the first in the file")
        self._totals = totals = self._read_totals()
        self._own = EmbeddedRuns.of(source, at(totals, "eval_library.additional_details"))
        model = mapping(totals.get("model_info"))
        platforms = (model.get("inference_platform"), at(model, "inference_engine.name"))
        self.provider = next(filter(None, map(text, platforms)), "")
        self.created = moment(totals.get("evaluation_timestamp"))
        self._known = {
            text(result.get("evaluation_result_id")): result
            for result in map(mapping, sequence(totals.get("evaluation_results")))
        }
        self._results: dict[str, object] = {}
        self._answered: Counter[tuple[str, str, str]] = Counter()
        self._keys: dict[int | str, tuple[str, str]] = {}
        self._others: dict[tuple[str, str], dict[str, list[ScoreRecord]]] = {}

    def _read_totals(self) -> dict[str, Any]:
        source = self.source
        path = source.path.with_name(f"{source.stem.removesuffix(_SAMPLES)}.json")
        if path.is_file() and sniff(path):
            return read_object(source, path)
        source.warn(
            f"{source.name}: there is no file of totals next to it; the provider of the model and "
            "the metrics are not known"
        )
        return {}

    def experiment(self) -> ExperimentRecord:
        if self._own is not None and (experiment := self._own.experiment()) is not None:
            return experiment
        source, totals = self.source, self._totals
        library, about = mapping(totals.get("eval_library")), mapping(totals.get("source_metadata"))
        named = text(first_line(source.path).get("evaluation_id"))
        config = {
            "source_metadata": about,
            "model_info": totals.get("model_info"),
            "results": totals.get("evaluation_results"),
        }
        log = {
            "schema_version": totals.get("schema_version"),
            "retrieved_timestamp": totals.get("retrieved_timestamp"),
            "library_details": library.get("additional_details"),
        }
        return self.described(
            named.replace("/", "_") if named else source.identity,
            text(about.get("source_name")) or source.stem.removesuffix(_SAMPLES),
            without_absent(config),
            tool=library.get("name") or "every_eval_ever",
            tool_version=library.get("version"),
            log=without_absent(log),
        )

    def read(self) -> None:
        """Adds the runs in the order of their lines; lines of other results of their evaluation
        are set aside."""
        for position, line, size in read_lines(self.source):
            task, result = _task(line), text(line.get("evaluation_result_id"))
            key = task, text(line.get("sample_id")) or ""
            if self._results.setdefault(task, result) != result:
                if self._own is not None:
                    continue  # The embedded run has all of its scores.
                scores = self._scores(line)
                self.grading.note(scores)
                for name, score in scores.items():
                    self._others.setdefault(key, {}).setdefault(name, []).append(score)
                continue
            with self.source.locate(position):
                run, scores = self._own_run(line), {}
                if run is None:
                    run, scores = self._run(line, position), self._scores(line)
                    self._keys[position] = key
            self.add(position, run, line, size, scores)

    def further(self, item: Item) -> Mapping[str, ScoreRecord]:
        known = self._others.get(self._keys.get(item.position, ("", "")), {})
        repeat = item.run.repeat_index
        return {name: scores[repeat] for name, scores in known.items() if repeat < len(scores)}

    def _scores(self, line: dict[str, Any]) -> dict[str, ScoreRecord]:
        """The score of a line by the name of its metric.

        `is_correct` is required by the format, and writers fill it in for any metric: it counts
        only if there is no score, or the totals call the metric binary.
        """
        result = text(line.get("evaluation_result_id"))
        known = self._known.get(result, {})
        config = mapping(known.get("metric_config"))
        name = text(config.get("metric_name")) or result or "score"
        binary = config.get("score_type") == "binary"
        lower_is_better = config.get("lower_is_better")
        self.grading.define(
            name,
            kind="binary" if binary else None,
            lower=number(config.get("min_score")),
            upper=number(config.get("max_score")),
            higher_is_better=not lower_is_better if isinstance(lower_is_better, bool) else None,
            definition={"key": text(config.get("metric_id")) or result, "part": result},
        )
        mean = number(at(known, "score_details.score"))
        if mean is not None and len(self._known) == 1:
            self.grading.figures.expect(name, mean, "score")
        score, correct = score_of(at(line, "evaluation.score")), at(line, "evaluation.is_correct")
        if config.get("has_unknown_level") is True and score.value == UNKNOWN:
            score.value = None
        elif isinstance(correct, bool) and (binary or score.value is None):
            score.value = float(correct)
        return {name: score}

    def _own_run(self, line: dict[str, Any]) -> RunRecord | None:
        """The run that a sample of our own export carries; it has its grade."""
        if self._own is None:
            return None
        texts = {
            "input_text": at(line, "input.raw"),
            "expected_answer": at(line, "input.reference.0"),
            "raw_output": _output(line),
            "parsed_answer": _extracted(line)[0],
            "error": line.get("error"),
        }
        return self._own.run(line.get("metadata"), texts)

    def _run(self, line: dict[str, Any], line_number: int) -> RunRecord:
        sample_id, task = self.ids.text(line.get("sample_id")), _task(line)
        if not sample_id:
            raise InvalidFileError(
                f"{self.source.where(line_number)} has no sample_id", "Every sample has an id."
            )
        about, usage = mapping(line.get("metadata")), mapping(line.get("token_usage"))
        approach = self.approach(
            (first_of(about, ("approach", "approach_name")), "metadata.approach")
        )
        timing, references = mapping(line.get("performance")), sequence(at(line, "input.reference"))
        extracted, method = _extracted(line)
        key = (task, sample_id, approach)
        self._answered[key] += 1
        evaluation = mapping(line.get("evaluation"))
        return self.run(
            {
                "evaluation": {
                    name: evaluation[name]
                    for name in evaluation
                    if name not in ("score", "is_correct")
                },
                "evaluation_result_id": line.get("evaluation_result_id"),
                "sample_hash": line.get("sample_hash"),
                "prompt": at(line, "input.formatted"),
                "choices": at(line, "input.choices"),
                "messages": line.get("messages"),
                "reasoning_trace": at(line, "output.reasoning_trace"),
                "answer_attribution": line.get("answer_attribution"),
                "token_usage": usage,
                "performance": timing,
                "metadata": about,
            },
            approach_name=approach,
            model=text(line.get("model_id")) or "",
            task=task,
            sample_index=self.ids.index(sample_id, task),
            sample_id=sample_id,
            repeat_index=self._answered[key] - 1,
            input_text=at(line, "input.raw"),
            expected_answer=references[0] if len(references) == 1 else references or None,
            raw_output=_output(line),
            parsed_answer=extracted,
            parsing_method=method if method in PARSING_METHODS else None,
            execution_time_ms=first_of(timing, ("latency_ms", "generation_time_ms")),
            prompt_tokens=usage.get("input_tokens"),
            completion_tokens=usage.get("output_tokens"),
            error=line.get("error") or None,
        )


def _task(line: dict[str, Any]) -> str:
    return text(line.get("evaluation_name")) or ""


def _output(line: dict[str, Any]) -> str | None:
    """The output of the model; in a conversation, its last message."""
    outputs = sequence(at(line, "output.raw"))
    if outputs:
        return text(outputs[0] if len(outputs) == 1 else outputs)
    answers = [
        message.get("content")
        for message in map(mapping, sequence(line.get("messages")))
        if message.get("role") == "assistant" and message.get("content") is not None
    ]
    return text(answers[-1]) if answers else None


def _extracted(line: dict[str, Any]) -> tuple[str | None, str | None]:
    """The final answer and how it was found."""
    for attribution in map(mapping, sequence(line.get("answer_attribution"))):
        if attribution.get("is_terminal"):
            method = attribution.get("extraction_method")
            known = method if isinstance(method, str) else None
            return text(attribution.get("extracted_value")), known
    return None, None
