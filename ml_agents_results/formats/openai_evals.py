"""Logs of OpenAI's evals: events of all samples in one file, in the order they happened.

If a model grades, the last completion of a sample is the judge's: neither an answer nor a cost of
the model that was asked. A judge that could not be understood (`__invalid__`) leaves no grade.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
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
from ml_agents_results.formats.field_overrides import Overrides
from ml_agents_results.formats.grading import Grading, score_of
from ml_agents_results.formats.json_files import first_line, read_lines
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.sample_ids import SampleIds
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import ExperimentRecord, RunRecord, ScoreRecord, canonical_approach
from ml_agents_results.redaction import redact

_VERDICT = "match.correct"
_PREFERRED = (_VERDICT, "correct", "accuracy", "score", "choice")
_CHOICE, _INVALID = "choice", "__invalid__"
_NUMBER = re.compile(r"\.(\d{1,9})$")
_COT = re.compile(r"(^|[_./-])cot([_./-]|$)", re.IGNORECASE)


def sniff(path: Path) -> bool:
    """Whether its first line says what was evaluated."""
    spec = first_line(path).get("spec")
    return isinstance(spec, dict) and {"eval_name", "run_id"} <= spec.keys()


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one evaluation. Its events are set aside until the last event of each sample is known."""
    samples = _OpenAIEvalsSamples(source, options)
    samples.read()
    yield Log([samples.experiment()], samples.items(), samples.grading.metrics)


class _OpenAIEvalsSamples:
    """The events of one log, and how those of a sample become a run."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
        self._spec: dict[str, Any] = {}
        self._report: dict[str, Any] = {}
        self._events: Spool[dict[str, Any]] = Spool()
        self._offsets: dict[str, list[int]] = {}
        self._last: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._ids = SampleIds(source)
        self._numbered: bool | None = None
        self.grading = Grading(source, options, preferred=_PREFERRED, any_metric=True)

    def read(self) -> None:
        """Reads the whole file.

        Raises:
            InvalidFileError: It does not begin with the specification of the evaluation.
        """
        for line_number, line, size in read_lines(self._source):
            if not self._spec:
                self._spec = mapping(line.get("spec"))
            if not self._spec:
                break
            self._report = mapping(line.get("final_report")) or self._report
            if (sample_id := line.get("sample_id")) is not None:
                name = self._ids.text(sample_id)
                event = {
                    "type": str(line.get("type")),
                    "data": mapping(line.get("data")),
                    "created_at": line.get("created_at"),
                }
                self._offsets.setdefault(name, []).append(self._events.add(event))
                self._sizes[name] = self._sizes.get(name, 0) + size
                self._last.pop(name, None)
                self._last[name] = line_number
        if not self._spec:
            raise InvalidFileError(
                f"{self._source.name} does not begin with the specification of an evaluation",
                "It is the first line that evals writes; copy the file again.",
            )
        spec = self._spec
        self._task = text(spec.get("base_eval")) or text(spec.get("eval_name")) or ""
        functions = [text(one) or "" for one in sequence(spec.get("completion_fns"))]
        self._function = functions[0] if functions else ""
        approach, rule = self._options.approach, "--approach"
        if approach is None:
            cot = _COT.search(f"{self._function} {spec.get('eval_name')}")
            approach = "CoT" if cot else "None"
            rule = "names of function and eval" if cot else "no approach is named"
        self._approach = canonical_approach(approach)
        self._source.choose("approach", self._approach, rule)

    def experiment(self) -> ExperimentRecord:
        spec = self._spec
        if not self._options.model_args:
            asked = mapping(spec.get("run_config"))
            asked = {name: value for name, value in asked.items() if name != "completion_args"}
            spec = {**spec, "run_config": asked}
        return ExperimentRecord(
            id=text(spec.get("run_id")) or f"{self._source.stem}-{self._source.sha256[:8]}",
            name=text(spec.get("eval_name")),
            status="completed" if self._report else "failed",
            created_at=moment(spec.get("created_at")),
            config_json=redact(spec),
            environment_json=redact({"tool": "evals", "log": {"final_report": self._report}}),
        )

    def items(self) -> Iterator[Item]:
        """The runs in the order of the last events of their samples."""
        overrides = Overrides(self._source, self._options)
        for sample_id, line in self._last.items():
            events = [self._events.get(offset) for offset in self._offsets.pop(sample_id)]
            with self._source.locate(line):
                run, scores = self._run(sample_id, events)
            overrides.apply(run, {"data": {event["type"]: event["data"] for event in events}})
            self.grading.add(Item(line, run, self._sizes[sample_id], scores))
        overrides.finish()
        if (accuracy := number(self._report.get("accuracy"))) is not None:
            for name in (_VERDICT, "accuracy"):
                if name in self.grading.metrics:
                    self.grading.figures.expect(name, accuracy, "accuracy")
        yield from self.grading.graded()

    def _run(
        self, sample_id: str, events: list[dict[str, Any]]
    ) -> tuple[RunRecord, dict[str, ScoreRecord]]:
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
                {name: values for name, values in data.items() if name != "sampling"}
                | {"sampling": recorded if len(recorded) > 1 else None}
            ),
        )
        if data.get("error"):
            run.error = error_text(data["error"][-1])
        return run, _scores(match, metrics)

    def _index(self, sample_id: str) -> int:
        """The number at the end of the id if all ids have one; else by the order of the file."""
        number = _NUMBER.search(sample_id)
        if self._numbered is None:
            self._numbered = number is not None
        if self._numbered and number:
            return int(number[1])
        if self._numbered:
            raise InvalidFileError(
                f"{self._source.name} has a sample {sample_id!r}, others end with a number",
                "The ids of one evaluation are alike; split the file.",
            )
        return self._ids.index(sample_id)


def _scores(match: dict[str, Any], metrics: dict[str, Any]) -> dict[str, ScoreRecord]:
    """The verdict of the match, and the metrics, unless their judge was not understood."""
    correct = match.get("correct")
    verdict = {_VERDICT: score_of(correct)} if isinstance(correct, bool) else {}
    if metrics.get(_CHOICE) == _INVALID:
        return verdict
    return verdict | {name: score_of(value) for name, value in metrics.items()}


def _picked(picked: object) -> str | None:
    """The answer that matched; a fuzzy match lists all that did."""
    if isinstance(picked, list) and len(picked) < 2:
        picked = picked[0] if picked else None
    return text(picked)


def _prompt(prompt: object) -> str | None:
    """A text; of a single message, its text."""
    messages = sequence(prompt)
    if len(messages) == 1 and isinstance(content := mapping(messages[0]).get("content"), str):
        return content
    return text(prompt)
