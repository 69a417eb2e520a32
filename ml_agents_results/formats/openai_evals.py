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
    at,
    mapping,
    moment,
    number,
    sequence,
    text,
    total,
)
from ml_agents_results.formats.grading import score_of
from ml_agents_results.formats.json_files import first_line, read_lines
from ml_agents_results.formats.log import Log
from ml_agents_results.formats.log_reader import LogReader
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.spool import Spool
from ml_agents_results.records import ExperimentRecord, RunRecord, ScoreRecord

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
    yield _OpenAIEvalsReader(source, options).log()


class _OpenAIEvalsReader(LogReader):
    """The events of one log, and how those of a sample become a run.

    Raises:
        InvalidFileError: The log does not begin with the specification of the evaluation.
    """

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        super().__init__(source, options, preferred=_PREFERRED)
        self._spec: dict[str, Any] = {}
        self._report: dict[str, Any] = {}
        self._events: Spool[dict[str, Any]] = Spool()
        self._offsets: dict[str, list[int]] = {}
        self._last: dict[str, int] = {}
        self._sizes: dict[str, int] = {}
        self._set_aside()
        spec = self._spec
        self.task = text(spec.get("base_eval")) or text(spec.get("eval_name")) or ""
        self.model = text(at(spec, "completion_fns.0")) or ""
        self.created = moment(spec.get("created_at"))
        cot = _COT.search(f"{self.model} {spec.get('eval_name')}")
        self._approach = self.approach(("CoT" if cot else None, "names of function and eval"))

    def _set_aside(self) -> None:
        for line_number, line, size in read_lines(self.source):
            if not self._spec:
                self._spec = mapping(line.get("spec"))
            if not self._spec:
                break
            self._report = mapping(line.get("final_report")) or self._report
            if (sample_id := line.get("sample_id")) is not None:
                name = self.ids.text(sample_id)
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
                f"{self.source.name} does not begin with the specification of an evaluation",
                "It is the first line that evals writes; copy the file again.",
            )

    def experiment(self) -> ExperimentRecord:
        spec = self._spec
        if not self.options.model_args:
            asked = mapping(spec.get("run_config"))
            asked = {name: value for name, value in asked.items() if name != "completion_args"}
            spec = {**spec, "run_config": asked}
        return self.described(
            text(spec.get("run_id")) or self.source.identity,
            text(spec.get("eval_name")),
            spec,
            "completed" if self._report else "failed",
            tool="evals",
            log={"final_report": self._report},
        )

    def read(self) -> None:
        """Adds the runs in the order of the last events of their samples."""
        for sample_id, line in self._last.items():
            events = [self._events.get(offset) for offset in self._offsets.pop(sample_id)]
            run, scores = self._run(sample_id, events, self.source.where(line))
            data = {event["type"]: event["data"] for event in events}
            self.add(line, run, {"data": data}, self._sizes[sample_id], scores)

    def finish(self) -> None:
        if (accuracy := number(self._report.get("accuracy"))) is not None:
            for name in (_VERDICT, "accuracy"):
                if name in self.grading.metrics:
                    self.grading.figures.expect(name, accuracy, "accuracy")

    def _run(
        self, sample_id: str, events: list[dict[str, Any]], where: str
    ) -> tuple[RunRecord, dict[str, ScoreRecord]]:
        data: dict[str, list[dict[str, Any]]] = {}
        for event in events:
            data.setdefault(event["type"], []).append(event["data"])
        metrics = (data.get("metrics") or [{}])[-1]
        recorded = data.get("sampling", [])
        judged = _CHOICE in metrics and "match" not in data and len(recorded) > 1
        sampling = (recorded[:-1] if judged else recorded) or [{}]
        verdicts = data.get("match") or [{}]
        match = verdicts[-1]
        if any(one.get("correct") != match.get("correct") for one in verdicts):
            self.source.warn(
                f"{self.source.name}: some samples have verdicts that contradict each other; "
                "the last one counts"
            )
        sampled = _only(sampling[-1].get("sampled"))
        kept = {name: values for name, values in data.items() if name != "sampling"}
        prompt, suffix = sampling[0].get("prompt"), _NUMBER.search(sample_id)
        only = at(prompt, "0.content") if len(sequence(prompt)) == 1 else None
        run = self.run(
            {**kept, "sampling": recorded if len(recorded) > 1 else None},
            approach_name=self._approach,
            model=text(sampling[-1].get("model")) or self.model,
            sample_index=self.ids.numbered(sample_id, suffix and int(suffix[1]), where),
            sample_id=sample_id,
            input_text=only if isinstance(only, str) else prompt,
            expected_answer=match.get("expected"),
            raw_output=match.get("sampled") if sampled is None else sampled,
            # A fuzzy match lists all answers that matched.
            parsed_answer=_only(match.get("picked")),
            prompt_tokens=total(amount(at(one, "usage.prompt_tokens")) for one in sampling),
            completion_tokens=total(amount(at(one, "usage.completion_tokens")) for one in sampling),
            created_at=moment(events[-1].get("created_at")),
            error=data["error"][-1] if data.get("error") else None,
        )
        return run, _scores(match, metrics)


def _scores(match: dict[str, Any], metrics: dict[str, Any]) -> dict[str, ScoreRecord]:
    """The verdict of the match, and the metrics, unless their judge was not understood."""
    correct = match.get("correct")
    verdict = {_VERDICT: score_of(correct)} if isinstance(correct, bool) else {}
    if metrics.get(_CHOICE) == _INVALID:
        return verdict
    return verdict | {name: score_of(value) for name, value in metrics.items()}


def _only(value: object) -> Any:
    """The only element of a list; None of an empty one."""
    return (value or [None])[0] if isinstance(value, list) and len(value) < 2 else value
