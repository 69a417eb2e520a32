"""Logs of Inspect AI. One log is one task with one model: one experiment.

The log of a retry repeats the samples that were finished; the newest attempt counts. A sample that
ended in an error is a failed run, and one that was invalidated has no grade.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    amount,
    at,
    error_text,
    mapping,
    milliseconds,
    moment,
    sequence,
    text,
    total,
    without_absent,
)
from ml_agents_results.formats.embedded_runs import EmbeddedRuns
from ml_agents_results.formats.inspect_files import HEADER, HEADER_PARTS, START, InspectFile
from ml_agents_results.formats.inspect_scores import InspectScores
from ml_agents_results.formats.json_files import beginning
from ml_agents_results.formats.log import Log
from ml_agents_results.formats.log_reader import LogReader
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.zip_members import ZipMembers
from ml_agents_results.records import ExperimentRecord, RunRecord

_EVAL = re.compile(rb'"eval"\s*:\s*\{')
_FIRST_MEMBER = re.compile(rb'\{\s*"(\w+)"')
_OF_A_RUN = ("id", "source", "metadata", "model")
_CONFIG = (
    *("task", "task_version", "task_args", "solver", "solver_args", "model"),
    *("model_generate_config", "model_args", "config", "scorers", "tags", "metadata"),
)
_ORIGIN = ("created", "eval_id", "run_id", "eval_set_id", "task_id", "task_file")
_KEPT = (
    *("metadata", "choices", "model_usage", "role_usage", "limit", "invalidation", "uuid"),
    *("started_at", "completed_at"),
)


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
        yield _InspectReader(source, options, InspectFile(source, file)).log()


class _InspectReader(LogReader):
    """The header of a log, and how its samples become runs."""

    def __init__(self, source: LogSource, options: ImportOptions, file: InspectFile) -> None:
        super().__init__(
            source,
            options,
            scorer=options.scorer,
            what="scorer",
            rule="the first in the log",
        )
        self._file = file
        self._header = file.header(model_args=options.model_args)
        self._eval = mapping(self._header["eval"])
        self._own = EmbeddedRuns.of(source, self._eval.get("metadata"))
        self._scores = InspectScores(self.grading, self._header)
        self._status = text(self._header.get("status"))
        self.task = text(self._eval.get("task")) or source.stem
        self.created = moment(self._eval.get("created"))
        provider, _, model = str(self._eval.get("model") or "").partition("/")
        self.provider, self.model = (provider, model) if model else ("", provider)
        solvers = [at(step, "solver") for step in sequence(at(self._header, "plan.steps"))]
        self._approach = self.approach(
            (at(self._eval, "metadata.approach"), "eval.metadata.approach"),
            (at(self._eval, "task_args.approach"), "eval.task_args.approach"),
            ("+".join(str(name) for name in solvers if name), "solvers"),
            (self.task, "task"),
        )
        if self.created is not None and self._own is None:
            source.attempt = self.created.isoformat()
        self._ungraded = 0
        self._planned = sequence(at(self._eval, "dataset.sample_ids"))
        for sample_id in self._planned:
            self._index(sample_id)

    def experiment(self) -> ExperimentRecord:
        if self._own is not None and (own := self._own.experiment()) is not None:
            return own
        known, header = self._eval, self._header
        config = {name: known[name] for name in _CONFIG if known.get(name) is not None}
        if header.get("plan"):
            config["plan"] = header["plan"]
        if isinstance(roles := known.get("model_roles"), dict):
            config["model_roles"] = {role: _without_args(model) for role, model in roles.items()}
        packages, revision = mapping(known.get("packages")), mapping(known.get("revision"))
        dataset = mapping(known.get("dataset"))
        identity = text(known.get("task_id")) or text(known.get("eval_id")) or self.source.sha256
        return self.described(
            f"{self.task.rpartition('/')[2]}-{identity}",
            self.task,
            config,
            "completed" if self._status == "success" else "failed",
            tool="inspect_ai",
            tool_version=packages.get("inspect_ai"),
            packages=packages,
            git=revision and {"commit": None, "dirty": None, **revision},
            dataset={name: dataset[name] for name in dataset if name != "sample_ids"},
            log=without_absent(
                {name: known.get(name) for name in _ORIGIN}
                | {name: header.get(name) for name in ("status", "version", "invalidated")}
                | {"error": error_text(header["error"]) if header.get("error") else None}
            ),
            plan=self._plan(),
        )

    def _plan(self) -> dict[str, Any] | None:
        """What an evaluation that broke off was to ask."""
        questions = len(self._planned)
        if self._status == "success" or not questions:
            return None
        repeats = at(self._eval, "config.epochs") or 1
        runs = questions * repeats
        return {"approaches": [], "questions": questions, "repeats": repeats, "runs": runs}

    def read(self) -> None:
        for position, sample, size in self._file.samples():
            with self.source.locate(position):
                run, scores = self._own_run(sample), {}
                if run is None:
                    run, scores = self._run(sample, position), self._scores.of(sample)
            graded = self.options.grades and run.expected_answer is not None
            self._ungraded += run.error is None and not graded
            self.add(position, run, sample, size, scores)

    def _own_run(self, sample: dict[str, Any]) -> RunRecord | None:
        """The run that a sample of our own export carries."""
        if self._own is None:
            return None
        texts = {
            "input_text": input_text(sample.get("input")),
            "expected_answer": text(sample.get("target")),
            "raw_output": at(sample, "output.completion"),
            "error": at(sample, "error.message"),
        }
        return self._own.run(sample.get("metadata"), texts)

    def _run(self, sample: dict[str, Any], position: str) -> RunRecord:
        sample_id, epoch = sample.get("id"), sample.get("epoch", 1)
        if not isinstance(sample_id, str | int) or not isinstance(epoch, int) or epoch < 1:
            raise InvalidFileError(
                f"{self.source.where(position)} has the id {sample_id!r} and the epoch {epoch!r}",
                "A sample's id is a text or a number, and epochs count from 1.",
            )
        usage = _usage_of_model(sample, self._eval)
        return self.run(
            self._metadata(sample),
            approach_name=self._approach,
            sample_index=self._index(sample_id),
            sample_id=str(sample_id),
            repeat_index=epoch - 1,
            input_text=input_text(sample.get("input")),
            expected_answer=sample.get("target"),
            raw_output=_completion(mapping(sample.get("output"))),
            execution_time_ms=milliseconds(sample.get("working_time")),
            cost_estimate=usage.cost,
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            created_at=sample.get("completed_at"),
            error=sample.get("error") or None,
        )

    def _index(self, sample_id: object) -> int:
        """The index of a sample in its dataset; of one that the log does not list, the next.

        Ids are compared as texts: logs may list 1 as "1".
        """
        return self.ids.index(text(sample_id))

    def _metadata(self, sample: dict[str, Any]) -> dict[str, Any]:
        messages = [mapping(message) for message in sequence(sample.get("messages"))]
        prompt = [
            {"role": message.get("role"), "content": message.get("content")}
            for message in messages
            if message.get("source") == "input"
        ]
        only = _text_of(prompt[0]["content"]) if len(prompt) == 1 else None
        # What a column of text does not say, for logs that are written of these runs.
        originals = {name: sample.get(name) for name in ("id", "input", "target")}
        return {
            **{name: sample.get(name) for name in _KEPT},
            **{name: value for name, value in originals.items() if not isinstance(value, str)},
            "messages": messages if len(messages) > len(prompt) + 1 else None,
            "prompt": prompt if _text_of(sample.get("input")) != only else None,
            "total_time_ms": milliseconds(sample.get("total_time")),
            "stop_reason": at(sample, "output.choices.0.stop_reason"),
            "message_count": len(messages),
            "retries": len(sequence(sample.get("error_retries"))) or None,
        }

    def finish(self) -> None:
        """Says why the log has no samples, or that these have no scores."""
        self._scores.finish()
        if at(self._eval, "config.log_samples") is False:
            self.source.why_empty = (
                "has no samples: it was written without them",
                "Run the evaluation with --log-samples, which is Inspect's default.",
            )
        elif self._status != "success":
            self.source.why_empty = (
                f"has no samples: its status is {self._status or 'not known'}",
                "An evaluation that was stopped goes on with: inspect eval-retry FILE",
            )
        else:
            self.source.why_empty = (
                "is a log of Inspect without its samples",
                "They are in the log that Inspect wrote: import that one.",
            )
        if self._ungraded and not self.grading.metrics and self._own is None:
            self.source.warn(
                f"{self.source.name}: its samples have no scores, so nothing is graded (to add "
                "them: inspect score FILE; to grade the answers here: --parse)"
            )


def input_text(value: object) -> str | None:
    """The input of a sample as a text that is the same in every run: chat input without random
    ids, and without who added a message."""
    if isinstance(value, list):
        value = [
            {name: one for name, one in message.items() if name not in _OF_A_RUN and one != ""}
            if isinstance(message, dict)
            else message
            for message in value
        ]
    return _text_of(value)


def _completion(output: dict[str, Any]) -> str | None:
    """The output of the model; in older logs, its message."""
    if isinstance(completion := output.get("completion"), str):
        return completion
    return _text_of(at(output, "choices.0.message.content"))


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


def _without_args(model: object) -> object:
    if isinstance(model, list):
        return [_without_args(one) for one in model]
    return {name: value for name, value in mapping(model).items() if name != "args"}


class _Usage(NamedTuple):
    """Tokens and USD; None if unknown."""

    prompt_tokens: float | None = None
    completion_tokens: float | None = None
    cost: float | None = None


def _usage_of_model(sample: dict[str, Any], evaluated: dict[str, Any]) -> _Usage:
    """The usage of the evaluated model, without what judges and helpers used."""
    by_model, model = mapping(sample.get("model_usage")), evaluated.get("model")
    if model not in by_model:
        return _Usage(*map(total, zip(*map(_usage, by_model.values()), strict=True)))
    own = _usage(by_model[model])
    roles = mapping(evaluated.get("model_roles"))
    for role, used in mapping(sample.get("role_usage")).items():
        known = roles.get(role)
        if model in [at(one, "model") for one in sequence(known) or [known]]:
            pairs = zip(own, _usage(used), strict=True)
            own = _Usage(*(mine and max(0, mine - (theirs or 0)) for mine, theirs in pairs))
    return own


def _usage(used: object) -> _Usage:
    """The tokens by the convention of the log: `total_tokens` tells whether input includes cached
    tokens, as in older logs, and whether output includes reasoning."""
    known = {name: amount(value) for name, value in mapping(used).items()}
    prompt, completion = known.get("input_tokens"), known.get("output_tokens")
    cached = total(known.get(f"input_tokens_cache_{one}") for one in ("read", "write"))
    prompts = (total((prompt, cached)), prompt)
    completions = (completion, total((completion, known.get("reasoning_tokens"))))
    choices = (
        choice
        for choice in product(prompts, completions)
        if total(choice) == known.get("total_tokens") is not None
    )
    return _Usage(*next(choices, (prompts[0], completion)), known.get("total_cost"))
