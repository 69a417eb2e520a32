"""Logs of OpenAI's evals: events of all samples in one file, in the order they happened.

Where a model grades, the last completion of a sample is the judge's: neither an answer nor a cost
of the model asked. A judge that could not be understood (`__invalid__`) leaves no grade.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    Overrides,
    SampleIds,
    amount,
    count,
    error_text,
    mapping,
    moment,
    number,
    sequence,
    text,
    total,
    without_absent,
)
from ml_agents_results.formats.json_stream import first_line, read_lines
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import ExperimentRecord, RunRecord, canonical_approach
from ml_agents_results.redaction import redact

_PREFERRED = ("correct", "accuracy", "score", "choice")
_CHOICE, _INVALID = "choice", "__invalid__"
_NUMBER = re.compile(r"\.(\d{1,9})$")
_COT = re.compile(r"(^|[_./-])cot([_./-]|$)", re.IGNORECASE)


def sniff(path: Path) -> bool:
    """Whether its first line says what was evaluated."""
    spec = first_line(path).get("spec")
    return isinstance(spec, dict) and {"eval_name", "run_id"} <= spec.keys()


def experiments(source: LogSource, options: ImportOptions) -> Sequence[ExperimentRecord]:
    """The one evaluation."""
    spec = _spec(source)
    if not options.model_args:
        asked = mapping(spec.get("run_config"))
        spec = {**spec, "run_config": {k: v for k, v in asked.items() if k != "completion_args"}}
    report: dict[str, Any] = {}
    for _, line, _ in read_lines(source):
        report = mapping(line.get("final_report")) or report
    return [
        ExperimentRecord(
            id=text(spec.get("run_id")) or f"{source.stem}-{source.sha256[:8]}",
            name=text(spec.get("eval_name")),
            status="completed" if report else "failed",
            created_at=moment(spec.get("created_at")),
            config_json=redact(spec),
            environment_json=redact({"tool": "evals", "log": {"final_report": report}}),
        )
    ]


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """The samples, each when its last event has come: only those that are under way are held."""
    samples = _Samples(source, options)
    overrides = Overrides(source, options)
    last = {line["sample_id"]: place for place, line, _ in _events(source)}
    begun: dict[str, list[dict[str, Any]]] = {}
    sizes: dict[str, int] = {}
    for place, line, size in _events(source):
        sample_id = line["sample_id"]
        begun.setdefault(sample_id, []).append(line)
        sizes[sample_id] = sizes.get(sample_id, 0) + size
        if last[sample_id] == place:
            events = begun.pop(sample_id)
            with source.locate(place):
                run = samples.run(sample_id, events)
            overrides.apply(run, {"data": {one["type"]: one["data"] for one in events}})
            yield Item(place, run, sizes.pop(sample_id))
    overrides.finish()


def _spec(source: LogSource) -> dict[str, Any]:
    for _, line, _ in read_lines(source):
        if isinstance(line.get("spec"), dict):
            return mapping(line["spec"])
        break
    raise InvalidFileError(
        f"{source.name} does not begin with the specification of an evaluation",
        "It is the first line that evals writes; copy the file again.",
    )


def _events(source: LogSource) -> Iterator[tuple[int, dict[str, Any], int]]:
    ids = SampleIds(source)
    for place, line, size in read_lines(source):
        if (sample_id := line.get("sample_id")) is not None:
            yield place, {**line, "sample_id": ids.text(sample_id), "type": str(line.get("type")),
                          "data": mapping(line.get("data"))}, size  # fmt: skip


class _Samples:
    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
        spec = _spec(source)
        self._task = text(spec.get("base_eval")) or text(spec.get("eval_name")) or ""
        functions = [text(one) or "" for one in sequence(spec.get("completion_fns"))]
        self._function = functions[0] if functions else ""
        name, rule = options.approach, "--approach"
        if name is None:
            cot = _COT.search(f"{self._function} {spec.get('eval_name')}")
            name, rule = ("CoT", "names of function and eval") if cot else ("None", "none is named")
        self._approach = canonical_approach(name)
        source.choose("approach", self._approach, rule)
        self._indexes: dict[str, int] = {}
        self._numbered: bool | None = None

    def run(self, sample_id: str, events: list[dict[str, Any]]) -> RunRecord:
        data: dict[str, list[dict[str, Any]]] = {}
        for event in events:
            data.setdefault(event["type"], []).append(event["data"])
        metrics = (data.get("metrics") or [{}])[-1]
        recorded = data.get("sampling", [])
        judged = _CHOICE in metrics and "match" not in data and len(recorded) > 1
        sampling = recorded[:-1] if judged else recorded
        verdicts = data.get("match") or [{}]
        match = verdicts[-1]
        if any(one.get("correct") != match.get("correct") for one in verdicts):
            self._source.warn(
                f"{self._source.name}: some samples have verdicts that contradict each other; "
                "the last one counts"
            )
        sampled = (sampling or [{}])[-1].get("sampled")
        if isinstance(sampled, list) and len(sampled) == 1:
            sampled = sampled[0]
        usage = [mapping(one.get("usage")) for one in sampling]
        model = (sampling or [{}])[-1].get("model")
        run = RunRecord(
            experiment_id="",
            approach_name=self._approach,
            model=text(model) or self._function,
            task=self._task,
            sample_index=self._index(sample_id),
            sample_id=sample_id,
            input_text=_prompt((sampling or [{}])[0].get("prompt")),
            expected_answer=text(match.get("expected")),
            raw_output=text(match.get("sampled") if sampled is None else sampled),
            parsed_answer=_picked(match.get("picked")),
            prompt_tokens=count(total(amount(one.get("prompt_tokens")) for one in usage)),
            completion_tokens=count(total(amount(one.get("completion_tokens")) for one in usage)),
            created_at=moment(events[-1].get("created_at")),
            metadata_json=without_absent(
                {name: found for name, found in data.items() if name != "sampling"}
                | {"sampling": recorded if len(recorded) > 1 else None}
            ),
        )
        if data.get("error"):
            run.error = error_text(data["error"][-1])
        else:
            self._grade(run, match, metrics)
        return run

    def _grade(self, run: RunRecord, match: dict[str, Any], metrics: dict[str, Any]) -> None:
        name = self._options.metric
        if name is None and isinstance(match.get("correct"), bool):
            run.is_correct = match["correct"]
            self._source.choose("metric", "match.correct", "the usual one")
            return
        if metrics.get(_CHOICE) == _INVALID:
            return
        rule = "--metric" if name else "the usual one"
        name = name or next((one for one in _PREFERRED if one in metrics), None)
        if name is None:
            return
        self._source.choose("metric", name, rule)
        value = metrics.get(name)
        run.score = float(value) if isinstance(value, bool) else number(value)
        if run.score in (0.0, 1.0):
            run.is_correct = run.score == 1.0

    def _index(self, sample_id: str) -> int:
        """The number at the end of the id, where all have one; else in the order of the file."""
        found = _NUMBER.search(sample_id)
        if self._numbered is None:
            self._numbered = found is not None
        if self._numbered and found:
            return int(found[1])
        if self._numbered:
            raise InvalidFileError(
                f"{self._source.name} has a sample {sample_id!r}, others end with a number",
                "The ids of one evaluation are alike; split the file.",
            )
        return self._indexes.setdefault(sample_id, len(self._indexes))


def _picked(found: object) -> str | None:
    """The answer that matched; a fuzzy match lists all that did."""
    if isinstance(found, list) and len(found) < 2:
        found = found[0] if found else None
    return text(found)


def _prompt(prompt: object) -> str | None:
    """A text; of a single message, its text."""
    messages = sequence(prompt)
    if len(messages) == 1 and isinstance(found := mapping(messages[0]).get("content"), str):
        return found
    return text(prompt)
