"""Every Eval Ever: a file of samples (`*_samples.jsonl`) with a file of totals beside it.

A sample has a line for each result that it contributes to; one result for each evaluation is the
grade. A sample that ended in an error is a failed run, whatever its line says of right and wrong.
What our own export wrote comes back as it was.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    Overrides,
    SampleIds,
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
from ml_agents_results.formats.embedded_runs import Own
from ml_agents_results.formats.json_stream import (
    beginning,
    first_line,
    read_document,
    read_lines,
)
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import (
    PARSING_METHODS,
    ExperimentRecord,
    RunRecord,
    canonical_approach,
)
from ml_agents_results.redaction import redact

UNKNOWN = -1.0
"""The score of a sample without a grade, where the totals declare an unknown level."""

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
            f"{path} has totals only; there is no file {samples.name} beside it",
            "Runs are made of samples: import a file that has them.",
        )
    return [samples]


def experiments(source: LogSource, options: ImportOptions) -> Sequence[ExperimentRecord]:
    """The one evaluation."""
    totals = _totals(source)
    own = _own(source, totals)
    if own is not None and (experiment := own.experiment()) is not None:
        return [experiment]
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
    return [
        ExperimentRecord(
            id=_identity(source),
            name=text(about.get("source_name")) or source.stem.removesuffix(_SAMPLES),
            status="completed",
            created_at=moment(totals.get("evaluation_timestamp")),
            config_json=redact(without_absent(config)),
            environment_json=redact(without_absent(environment)),
        )
    ]


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """The lines of one result for each evaluation, as they stand."""
    samples = _Samples(source, options)
    overrides = Overrides(source, options)
    samples.note_other_results()
    for place, line, size in read_lines(source):
        if samples.are_of_another_result(line):
            continue
        with source.locate(place):
            run = samples.run(line, place)
        overrides.apply(run, line)
        yield Item(place, run, size)
    overrides.finish()
    samples.finish()


def _identity(source: LogSource) -> str:
    found = text(first_line(source.path).get("evaluation_id"))
    return found.replace("/", "_") if found else f"{source.stem}-{source.sha256[:8]}"


def _own(source: LogSource, totals: dict[str, Any]) -> Own | None:
    return Own.of(source, mapping(totals.get("eval_library")).get("additional_details"))


def _totals(source: LogSource) -> dict[str, Any]:
    path = source.path.with_name(f"{source.stem.removesuffix(_SAMPLES)}.json")
    if path.is_file() and sniff(path):
        return read_document(source, path)
    source.warn(f"{source.name}: there is no file of totals beside it, which tells of the model")
    return {}


class _Samples:
    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
        self._totals = _totals(source)
        self._own = _own(source, self._totals)
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
        self._results: dict[str, object] = {}
        self._known: set[str] = set()
        self._ids = SampleIds(source)
        self._indexes: dict[str, dict[str, int]] = {}
        self._answered: dict[tuple[str, str, str], int] = {}
        self._others: dict[tuple[str, str], dict[str, list[dict[str, Any]]]] = {}

    def note_other_results(self) -> None:
        """What lines say that are not the grade goes with the run whose grade they are not."""
        for _, line, _ in read_lines(self._source):
            if self.are_of_another_result(line):
                self._source.left_out["lines of other results"] += 1
                key = _task(line), text(line.get("sample_id")) or ""
                result = text(line.get("evaluation_result_id")) or ""
                said = self._others.setdefault(key, {}).setdefault(result, [])
                said.append(mapping(line.get("evaluation")))

    def are_of_another_result(self, line: dict[str, Any]) -> bool:
        """Whether the line is about a result that is not the grade of its evaluation."""
        result, task = text(line.get("evaluation_result_id")), _task(line)
        metric = self._metrics.get(result, {})
        names = {result, text(metric.get("metric_id")), text(metric.get("metric_name"))} - {None}
        self._known.update(map(str, names))
        if self._options.metric is not None:
            if self._options.metric not in names:
                return True
            rule = "--metric"
        else:
            rule = "the first in the file"
        taken = self._results.setdefault(task, result) == result
        if taken and result is not None:
            self._source.choose("metric", text(metric.get("metric_name")) or result, rule)
        return not taken

    def run(self, line: dict[str, Any], place: int) -> RunRecord:
        sample_id, task = self._ids.text(line.get("sample_id")), _task(line)
        if not sample_id:
            raise InvalidFileError(
                f"{self._source.where(place)} has no sample_id", "Every sample has an id."
            )
        about = mapping(line.get("metadata"))
        if self._own is not None and (own := self._own.run(about, _texts(line))) is not None:
            return own
        approach = self._approach(about)
        asked, evaluation = mapping(line.get("input")), mapping(line.get("evaluation"))
        usage, timing = mapping(line.get("token_usage")), mapping(line.get("performance"))
        references = sequence(asked.get("reference"))
        extracted, method = _extracted(line)
        indexes = self._indexes.setdefault(task, {})
        key = (task, sample_id, approach)
        self._answered[key] = self._answered.get(key, -1) + 1
        repeat = self._answered[key]
        others = {
            name: said[repeat]
            for name, said in self._others.get((task, sample_id), {}).items()
            if repeat < len(said)
        }
        run = RunRecord(
            experiment_id="",
            approach_name=approach,
            provider=self._provider,
            model=text(line.get("model_id")) or "",
            task=task,
            sample_index=indexes.setdefault(sample_id, len(indexes)),
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
                    "evaluation": evaluation,
                    "evaluation_result_id": line.get("evaluation_result_id"),
                    "other_results": others,
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
            return run
        run.score = number(evaluation.get("score"))
        metric = self._metrics.get(text(line.get("evaluation_result_id")), {})
        if metric.get("has_unknown_level") is True and run.score == UNKNOWN:
            run.score = None
        elif isinstance(evaluation.get("is_correct"), bool):
            run.is_correct = evaluation["is_correct"]
        return run

    def finish(self) -> None:
        if self._options.metric is not None and not self._results:
            raise InvalidFileError(
                f"{self._source.name} has no metric {self._options.metric!r}",
                f"Its metrics are: {', '.join(sorted(self._known)) or 'none'}",
            )

    def _approach(self, about: dict[str, Any]) -> str:
        name, rule = self._options.approach, "--approach"
        if name is None:
            found = first_of(about, ("approach", "approach_name"))
            name, rule = (found, "metadata.approach") if isinstance(found, str) else (None, "")
        name = canonical_approach(name or "None")
        self._source.choose("approach", name, rule or "none is named")
        return name


def _texts(line: dict[str, Any]) -> dict[str, object]:
    """The texts of a run of ours that stand in the format's own places."""
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
    """What the model said; of a conversation, what it said last."""
    said = sequence(mapping(line.get("output")).get("raw"))
    if said:
        return text(said[0] if len(said) == 1 else said)
    answers = [
        message.get("content")
        for message in map(mapping, sequence(line.get("messages")))
        if message.get("role") == "assistant" and message.get("content") is not None
    ]
    return text(answers[-1]) if answers else None


def _extracted(line: dict[str, Any]) -> tuple[str | None, str | None]:
    """The final answer and how it was found."""
    for one in map(mapping, sequence(line.get("answer_attribution"))):
        if one.get("is_terminal"):
            method = one.get("extraction_method")
            return text(one.get("extracted_value")), method if isinstance(method, str) else None
    return None, None
