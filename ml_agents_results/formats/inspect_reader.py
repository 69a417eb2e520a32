"""Logs of Inspect AI. One log is one task with one model: one experiment.

The log of a retry repeats the samples that were finished; the newest attempt counts. A sample that
ended in an error is a failed run, and one that was invalidated has no grade.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    count,
    error_text,
    mapping,
    milliseconds,
    moment,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.embedded_runs import EmbeddedRuns
from ml_agents_results.formats.field_overrides import Overrides
from ml_agents_results.formats.inspect_files import (
    HEADER,
    HEADER_PARTS,
    START,
    InspectFile,
)
from ml_agents_results.formats.inspect_scores import InspectScores
from ml_agents_results.formats.inspect_usage import usage_of_model
from ml_agents_results.formats.json_files import beginning
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.sample_ids import SampleIds
from ml_agents_results.formats.zip_members import ZipMembers
from ml_agents_results.records import (
    ExperimentRecord,
    ExperimentStatus,
    RunRecord,
    canonical_approach,
)
from ml_agents_results.redaction import redact

_EVAL = re.compile(rb'"eval"\s*:\s*\{')
_FIRST_MEMBER = re.compile(rb'\{\s*"(\w+)"')
_OF_A_RUN = ("id", "source", "metadata", "model")
_STATUS: dict[str, ExperimentStatus] = {"success": "completed"}
_CONFIG = (
    "task",
    "task_version",
    "task_args",
    "solver",
    "solver_args",
    "model",
    "model_generate_config",
    "model_args",
    "config",
    "scorers",
    "tags",
    "metadata",
)
_ORIGIN = ("created", "eval_id", "run_id", "eval_set_id", "task_id", "task_file")


def sniff(path: Path) -> bool:
    """Whether it is a zip archive with a log's header, or JSON that begins like a log."""
    if not path.is_file():
        return False
    if path.suffix == ".eval":
        return True
    start = beginning(path)[:2048]
    if start[:2] == b"PK":
        source = LogSource(path)
        try:
            with source.open() as file:
                names = ZipMembers(source, file).names
        except InvalidFileError:
            return False
        return HEADER in names or START in names
    first = _FIRST_MEMBER.match(start)
    return (
        first is not None and first[1].decode() in HEADER_PARTS and _EVAL.search(start) is not None
    )


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one experiment of the log, and its samples: of an archive in the order of their names."""
    with source.open() as file:
        log = _InspectLog(source, options, InspectFile(source, file))
        yield Log([log.experiment()], log.items(), log.grading.metrics)


class _InspectLog:
    """The header of a log, and how its samples become runs."""

    def __init__(self, source: LogSource, options: ImportOptions, file: InspectFile) -> None:
        self._source = source
        self._file = file
        self._options = options
        self._overrides = Overrides(source, options)
        self._header = file.header(model_args=options.model_args)
        self._eval = mapping(self._header["eval"])
        self._own = EmbeddedRuns.of(source, self._eval.get("metadata"))
        self._task = text(self._eval.get("task")) or source.stem
        self._created = moment(self._eval.get("created"))
        self._provider, _, model = str(self._eval.get("model") or "").partition("/")
        self._model = model or self._provider
        if not model:
            self._provider = ""
        self._approach, rule = self._find_approach()
        source.choose("approach", self._approach, rule)
        if self._created is not None and self._own is None:
            source.attempt = self._created.isoformat()
        self._answered = 0
        self._ids = SampleIds(source)
        for sample_id in sequence(mapping(self._eval.get("dataset")).get("sample_ids")):
            self._index(sample_id)
        self.scores = InspectScores(source, options, self._header)
        self.grading = self.scores.grading

    def items(self) -> Iterator[Item]:
        for position, sample, size in self._file.samples():
            with self._source.locate(position):
                item = self._item(sample, position, size)
            self._answered += item.run.error is None
            self.grading.add(item)
        self._overrides.finish()
        self.scores.finish()
        self._say_what_is_missing()
        yield from self.grading.graded()

    def _plan(self) -> dict[str, Any] | None:
        """What an evaluation that broke off was to ask."""
        questions = len(sequence(mapping(self._eval.get("dataset")).get("sample_ids")))
        if self._header.get("status") == "success" or not questions:
            return None
        repeats = mapping(self._eval.get("config")).get("epochs") or 1
        return {
            "approaches": [],
            "questions": questions,
            "repeats": repeats,
            "runs": questions * repeats,
        }

    def experiment(self) -> ExperimentRecord:
        if self._own is not None and (own := self._own.experiment()) is not None:
            return own
        known = self._eval
        identity = text(known.get("task_id")) or text(known.get("eval_id")) or self._source.sha256
        config = {name: known[name] for name in _CONFIG if known.get(name) is not None}
        if self._header.get("plan"):
            config["plan"] = self._header["plan"]
        if isinstance(known.get("model_roles"), dict):
            config["model_roles"] = {
                role: _without_args(model) for role, model in known["model_roles"].items()
            }
        dataset = {
            name: value
            for name, value in mapping(known.get("dataset")).items()
            if name != "sample_ids"
        }
        packages = mapping(known.get("packages"))
        revision = mapping(known.get("revision"))
        environment = {
            "tool": "inspect_ai",
            "tool_version": packages.get("inspect_ai"),
            "packages": packages,
            "git": {"commit": revision.get("commit"), "dirty": revision.get("dirty"), **revision}
            if revision
            else None,
            "dataset": dataset,
            "log": without_absent(
                {name: known.get(name) for name in _ORIGIN}
                | {name: self._header.get(name) for name in ("status", "version", "invalidated")}
                | {"error": error_text(error) if (error := self._header.get("error")) else None}
            ),
        }
        if (plan := self._plan()) is not None:
            environment["plan"] = plan
        return ExperimentRecord(
            id=f"{self._task.rpartition('/')[2]}-{identity}",
            name=self._task,
            status=_STATUS.get(str(self._header.get("status")), "failed"),
            created_at=self._created,
            config_json=redact(config),
            environment_json=redact(without_absent(environment)),
        )

    def _item(self, sample: dict[str, Any], position: str, size: int) -> Item:
        sample_id, epoch = sample.get("id"), sample.get("epoch", 1)
        if not isinstance(sample_id, str | int) or not isinstance(epoch, int) or epoch < 1:
            raise InvalidFileError(
                f"{self._source.where(position)} has the id {sample_id!r} and the epoch {epoch!r}",
                "A sample's id is a text or a number, and epochs count from 1.",
            )
        output = mapping(sample.get("output"))
        if self._own is not None and (own := self._own.run(sample.get("metadata"), _texts(sample))):
            return Item(position, own, size)
        usage = usage_of_model(sample, self._eval)
        run = RunRecord(
            experiment_id="",
            approach_name=self._approach,
            provider=self._provider,
            model=self._model,
            task=self._task,
            sample_index=self._index(sample_id),
            sample_id=str(sample_id),
            repeat_index=epoch - 1,
            input_text=input_text(sample.get("input")),
            expected_answer=text(sample.get("target")),
            raw_output=_completion(output),
            execution_time_ms=milliseconds(sample.get("working_time")),
            cost_estimate=usage.cost,
            prompt_tokens=count(usage.prompt_tokens),
            completion_tokens=count(usage.completion_tokens),
            created_at=moment(sample.get("completed_at")) or self._created,
            metadata_json=self._metadata(sample, output),
        )
        if sample.get("error"):
            run.error = error_text(sample["error"])
        self._overrides.apply(run, sample)
        return Item(position, run, size, self.scores.of(sample))

    def _find_approach(self) -> tuple[str, str]:
        """The approach and the rule by which it is chosen."""
        if self._options.approach is not None:
            return canonical_approach(self._options.approach), "--approach"
        for part in ("metadata", "task_args"):
            if isinstance(name := mapping(self._eval.get(part)).get("approach"), str) and name:
                return canonical_approach(name), f"eval.{part}.approach"
        steps = sequence(mapping(self._header.get("plan")).get("steps"))
        if solvers := [str(name) for step in steps if (name := mapping(step).get("solver"))]:
            return canonical_approach("+".join(solvers)), "solvers"
        return canonical_approach(self._task), "task"

    def _say_what_is_missing(self) -> None:
        """Says why the log has no samples, or that these have no scores."""
        status = text(self._header.get("status"))
        if mapping(self._eval.get("config")).get("log_samples") is False:
            self._source.why_empty = (
                "has no samples: it was written without them",
                "Run the evaluation with --log-samples, which is Inspect's default.",
            )
        elif status != "success":
            self._source.why_empty = (
                f"has no samples: its status is {status or 'not known'}",
                "An evaluation that was stopped goes on with: inspect eval-retry FILE",
            )
        else:
            self._source.why_empty = (
                "is a log of Inspect without its samples",
                "They are in the log that Inspect wrote: import that one.",
            )
        if self._answered and not self.grading.metrics and self._own is None:
            self._source.warn(
                f"{self._source.name}: its samples have no scores, so nothing is graded (to add "
                "them: inspect score FILE; to grade the answers here: --parse)"
            )

    def _index(self, sample_id: object) -> int:
        """The index of a sample in its dataset; of one that the log does not list, the next.

        Ids are compared as texts: logs may list 1 as "1".
        """
        return self._ids.index(text(sample_id))

    def _metadata(self, sample: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
        messages = [mapping(message) for message in sequence(sample.get("messages"))]
        prompt = [
            {"role": message.get("role"), "content": message.get("content")}
            for message in messages
            if message.get("source") == "input"
        ]
        choices = sequence(output.get("choices"))
        return without_absent(
            {
                "metadata": sample.get("metadata"),
                "choices": sample.get("choices"),
                # What a column of text does not say, for logs that are written of these runs.
                **_originals(sample, messages),
                "prompt": prompt
                if prompt and _text_of(sample.get("input")) != _only(prompt)
                else None,
                "total_time_ms": milliseconds(sample.get("total_time")),
                "model_usage": sample.get("model_usage"),
                "role_usage": sample.get("role_usage"),
                "stop_reason": mapping(choices[0] if choices else None).get("stop_reason"),
                "message_count": len(messages),
                "limit": sample.get("limit"),
                "retries": len(sequence(sample.get("error_retries"))) or None,
                "invalidation": sample.get("invalidation"),
                "uuid": sample.get("uuid"),
                "started_at": sample.get("started_at"),
                "completed_at": sample.get("completed_at"),
            }
        )


def _originals(sample: dict[str, Any], messages: list[dict[str, Any]]) -> dict[str, Any]:
    """The id, the input and the target where they are not texts, and a conversation that is more
    than a question and its answer."""
    known = {name: sample.get(name) for name in ("id", "input", "target")}
    kept = {name: value for name, value in known.items() if not isinstance(value, str)}
    asked = sum(message.get("source") == "input" for message in messages)
    return {**kept, "messages": messages if len(messages) > asked + 1 else None}


def input_text(value: object) -> str | None:
    """The input of a sample as a text that is the same in every run."""
    return _text_of(_without_ids(value))


def _texts(sample: dict[str, Any]) -> dict[str, object]:
    """The texts of an embedded run that the format has fields for."""
    return {
        "input_text": input_text(sample.get("input")),
        "expected_answer": text(sample.get("target")),
        "raw_output": mapping(sample.get("output")).get("completion"),
        "error": mapping(sample.get("error")).get("message"),
    }


def _completion(output: dict[str, Any]) -> str | None:
    """The output of the model; in older logs, its message."""
    if isinstance(completion := output.get("completion"), str):
        return completion
    choices = sequence(output.get("choices"))
    message = mapping(mapping(choices[0] if choices else None).get("message"))
    return _text_of(message.get("content"))


def _text_of(content: object) -> str | None:
    """A text; of messages with several parts, their texts; of a single message, its text."""
    if not isinstance(content, list):
        return text(content)
    parts = [mapping(part) for part in content]
    if len(parts) == 1 and "role" in parts[0]:
        return _text_of(parts[0].get("content"))
    if parts and all(part.get("type") in ("text", "reasoning") for part in parts):
        return "\n".join(str(part["text"]) for part in parts if "text" in part)
    return text(content)


def _without_ids(messages: object) -> object:
    """Chat input without what differs in each run: random ids, and who added a message."""
    if not isinstance(messages, list):
        return messages
    return [
        {name: value for name, value in message.items() if name not in _OF_A_RUN and value != ""}
        if isinstance(message, dict)
        else message
        for message in messages
    ]


def _only(prompt: list[dict[str, Any]]) -> str | None:
    return _text_of(prompt[0]["content"]) if len(prompt) == 1 else None


def _without_args(model: object) -> object:
    if isinstance(model, list):
        return [_without_args(one) for one in model]
    return {name: value for name, value in mapping(model).items() if name != "args"}
