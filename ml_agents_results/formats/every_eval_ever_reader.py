"""Every Eval Ever: a file of samples (`*_samples.jsonl`) with a file of totals next to it.

A sample has a line for each result that it contributes to; one result of each evaluation is the
grade. A sample that ended in an error is a failed run, even if its line says right or wrong. What
our own export wrote is restored.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    count,
    error_text,
    first_of,
    mapping,
    moment,
    number,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.embedded_runs import EmbeddedRuns
from ml_agents_results.formats.field_overrides import Overrides
from ml_agents_results.formats.grading import Grading, score_of
from ml_agents_results.formats.json_files import beginning, first_line, read_lines, read_object
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.sample_ids import SampleIds
from ml_agents_results.records import (
    PARSING_METHODS,
    ExperimentRecord,
    RunRecord,
    ScoreRecord,
    canonical_approach,
)
from ml_agents_results.redaction import redact

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
    samples = _EveryEvalEverSamples(source, options)
    yield Log([samples.experiment()], samples.items(), samples.grading.metrics)


def _identity(source: LogSource) -> str:
    identity = text(first_line(source.path).get("evaluation_id"))
    return identity.replace("/", "_") if identity else f"{source.stem}-{source.sha256[:8]}"


def _totals(source: LogSource) -> dict[str, Any]:
    path = source.path.with_name(f"{source.stem.removesuffix(_SAMPLES)}.json")
    if path.is_file() and sniff(path):
        return read_object(source, path)
    source.warn(
        f"{source.name}: there is no file of totals next to it; the provider of the model and the "
        "metrics are not known"
    )
    return {}


class _EveryEvalEverSamples:
    """The lines of one file, and the runs that they become."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
        self._totals = _totals(source)
        described = mapping(self._totals.get("eval_library")).get("additional_details")
        self._own = EmbeddedRuns.of(source, described)
        model = mapping(self._totals.get("model_info"))
        self._provider = (
            text(model.get("inference_platform"))
            or text(mapping(model.get("inference_engine")).get("name"))
            or ""
        )
        self._metrics = {
            text(result.get("evaluation_result_id")): mapping(result.get("metric_config"))
            for result in map(mapping, sequence(self._totals.get("evaluation_results")))
        }
        self.grading = Grading(source, options, rule="the first in the file", any_metric=True)
        self._means = {
            text(result.get("evaluation_result_id")): number(
                mapping(result.get("score_details")).get("score")
            )
            for result in map(mapping, sequence(self._totals.get("evaluation_results")))
        }
        self._results: dict[str, object] = {}
        self._ids = SampleIds(source)
        self._answered: dict[tuple[str, str, str], int] = {}

    def experiment(self) -> ExperimentRecord:
        if self._own is not None and (experiment := self._own.experiment()) is not None:
            return experiment
        totals = self._totals
        library, about = mapping(totals.get("eval_library")), mapping(totals.get("source_metadata"))
        environment = {
            "tool": library.get("name") or "every_eval_ever",
            "tool_version": library.get("version"),
            "log": without_absent(
                {
                    "schema_version": totals.get("schema_version"),
                    "retrieved_timestamp": totals.get("retrieved_timestamp"),
                    "library_details": library.get("additional_details"),
                }
            ),
        }
        config = {
            "source_metadata": about,
            "model_info": totals.get("model_info"),
            "results": totals.get("evaluation_results"),
        }
        return ExperimentRecord(
            id=_identity(self._source),
            name=text(about.get("source_name")) or self._source.stem.removesuffix(_SAMPLES),
            status="completed",
            created_at=moment(totals.get("evaluation_timestamp")),
            config_json=redact(without_absent(config)),
            environment_json=redact(without_absent(environment)),
        )

    def items(self) -> Iterator[Item]:
        """The runs in the order of their lines; they are set aside until the lines of other
        results have been read."""
        overrides = Overrides(self._source, self._options)
        keys: dict[int | str, tuple[str, str]] = {}
        others: dict[tuple[str, str], dict[str, list[ScoreRecord]]] = {}
        for line_number, line, size in read_lines(self._source):
            key = _task(line), text(line.get("sample_id")) or ""
            if self._are_of_another_result(line):
                if self._own is not None:
                    continue  # The embedded run has all of its scores.
                scores = self._scores(line)
                self.grading.note(scores)
                for name, score in scores.items():
                    others.setdefault(key, {}).setdefault(name, []).append(score)
                continue
            with self._source.locate(line_number):
                run, own = self._run(line, line_number)
            overrides.apply(run, line)
            if own is not None:
                keys[line_number] = key
            self.grading.add(Item(line_number, run, size, own or {}))
        overrides.finish()

        def further(item: Item) -> dict[str, ScoreRecord]:
            known = others.get(keys.get(item.position, ("", "")), {})
            repeat = item.run.repeat_index
            return {name: scores[repeat] for name, scores in known.items() if repeat < len(scores)}

        yield from self.grading.graded(further)

    def _are_of_another_result(self, line: dict[str, Any]) -> bool:
        """Whether the line is about another result than the first of its evaluation."""
        result = text(line.get("evaluation_result_id"))
        return self._results.setdefault(_task(line), result) != result

    def _scores(self, line: dict[str, Any]) -> dict[str, ScoreRecord]:
        """The score of a line by the name of its metric.

        `is_correct` is required by the format, and writers fill it in for any metric: it counts
        only if there is no score, or the totals call the metric binary.
        """
        result = text(line.get("evaluation_result_id"))
        config = self._metrics.get(result, {})
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
        if (mean := self._means.get(result)) is not None and len(self._means) == 1:
            self.grading.figures.expect(name, mean, "score")
        evaluation = mapping(line.get("evaluation"))
        score, correct = score_of(evaluation.get("score")), evaluation.get("is_correct")
        if config.get("has_unknown_level") is True and score.value == UNKNOWN:
            score.value = None
        elif isinstance(correct, bool) and (binary or score.value is None):
            score.value = float(correct)
        return {name: score}

    def _run(
        self, line: dict[str, Any], line_number: int
    ) -> tuple[RunRecord, dict[str, ScoreRecord] | None]:
        """The run and its scores; None for an embedded run, which has its grade."""
        sample_id, task = self._ids.text(line.get("sample_id")), _task(line)
        if not sample_id:
            raise InvalidFileError(
                f"{self._source.where(line_number)} has no sample_id", "Every sample has an id."
            )
        about = mapping(line.get("metadata"))
        if self._own is not None and (own := self._own.run(about, _texts(line))) is not None:
            return own, None
        approach = self._approach(about)
        asked, evaluation = mapping(line.get("input")), mapping(line.get("evaluation"))
        usage, timing = mapping(line.get("token_usage")), mapping(line.get("performance"))
        references = sequence(asked.get("reference"))
        extracted, method = _extracted(line)
        key = (task, sample_id, approach)
        self._answered[key] = self._answered.get(key, -1) + 1
        repeat = self._answered[key]
        run = RunRecord(
            experiment_id="",
            approach_name=approach,
            provider=self._provider,
            model=text(line.get("model_id")) or "",
            task=task,
            sample_index=self._ids.index(sample_id, task),
            sample_id=sample_id,
            repeat_index=repeat,
            input_text=text(asked.get("raw")),
            expected_answer=text(references[0] if len(references) == 1 else references or None),
            raw_output=_output(line),
            parsed_answer=extracted,
            parsing_method=method if method in PARSING_METHODS else None,
            execution_time_ms=count(first_of(timing, ("latency_ms", "generation_time_ms"))),
            prompt_tokens=count(usage.get("input_tokens")),
            completion_tokens=count(usage.get("output_tokens")),
            created_at=moment(self._totals.get("evaluation_timestamp")),
            metadata_json=without_absent(
                {
                    "evaluation": {
                        name: value
                        for name, value in evaluation.items()
                        if name not in ("score", "is_correct")
                    },
                    "evaluation_result_id": line.get("evaluation_result_id"),
                    "sample_hash": line.get("sample_hash"),
                    "prompt": asked.get("formatted"),
                    "choices": asked.get("choices"),
                    "messages": line.get("messages"),
                    "reasoning_trace": mapping(line.get("output")).get("reasoning_trace"),
                    "answer_attribution": line.get("answer_attribution"),
                    "token_usage": usage,
                    "performance": timing,
                    "metadata": about,
                }
            ),
        )
        if line.get("error"):
            run.error = error_text(line["error"])
        return run, self._scores(line)

    def _approach(self, about: dict[str, Any]) -> str:
        name, rule = self._options.approach, "--approach"
        if name is None:
            named = first_of(about, ("approach", "approach_name"))
            name, rule = (
                (named, "metadata.approach")
                if isinstance(named, str) and named
                else ("None", "no approach is named")
            )
        name = canonical_approach(name)
        self._source.choose("approach", name, rule)
        return name


def _texts(line: dict[str, Any]) -> dict[str, object]:
    """The texts of an embedded run that the format has fields for."""
    reference = sequence(mapping(line.get("input")).get("reference"))
    return {
        "input_text": mapping(line.get("input")).get("raw"),
        "expected_answer": reference[0] if reference else None,
        "raw_output": _output(line),
        "parsed_answer": _extracted(line)[0],
        "error": line.get("error"),
    }


def _task(line: dict[str, Any]) -> str:
    return text(line.get("evaluation_name")) or ""


def _output(line: dict[str, Any]) -> str | None:
    """The output of the model; in a conversation, its last message."""
    outputs = sequence(mapping(line.get("output")).get("raw"))
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
            return text(attribution.get("extracted_value")), method if isinstance(
                method, str
            ) else None
    return None, None
