"""Results of promptfoo, in the shapes that its exports have had: a document, or JSON Lines.

A result whose provider failed is a failed run; one that no assertion judged, or whose judge failed,
has no grade. Answers from promptfoo's cache have no time.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeGuard

from ml_agents_results.formats.coercion import (
    amount,
    at,
    first_of,
    mapping,
    moment,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.grading import score_of
from ml_agents_results.formats.json_files import beginning, first_line, read_lines
from ml_agents_results.formats.json_stream import JsonStream
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_reader import LogReader
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.promptfoo_database import evaluations, is_promptfoo_database
from ml_agents_results.formats.recorded_results import RESULTS, ResultsFingerprint
from ml_agents_results.records import ExperimentRecord, RunRecord, ScoreRecord, Variant
from ml_agents_results.redaction import redact

_EXPECTED = ("expected", "answer", "target", "label")
_COMPARING = ("equals", "contains", "icontains", "starts-with", "similar")
_ASSERTION_FAILED, _FAILED = 1, 2
# The reason that promptfoo gives, with pass and a score of 1, for a test without assertions.
_UNASSERTED = "No assertions"
# The reasons that promptfoo gives, with pass false, for assertions that did not run.
_CRASHES = (
    *("Custom function threw error", "Python code execution failed"),
    *("Ruby code execution failed", "Webhook error"),
)
_WITHOUT = "without assertions have no grade (promptfoo counts them as passed)"
_BROKEN = "whose assertions did not run have no grade (promptfoo counts them as failed)"
_LONGEST_LABEL = 80
_SUCCESS = "success"
_HEAD = ("evalId", "config", "metadata", "version", "timestamp", "createdAt", "stats")
_EMPTY = re.compile(rb'\{\s*"version":\s*\d+,\s*"results":\s*\[\s*\]\s*\}')
_JSON_LINES = re.compile(r"\.(jsonl|ndjson)(\.gz)?$", re.IGNORECASE)


def sniff(path: Path) -> bool:
    """Whether it begins with what only these results have."""
    if is_promptfoo_database(path):
        return True
    if _JSON_LINES.search(path.name):
        return {"promptIdx", "testIdx", "success"} <= first_line(path).keys()
    start = beginning(path)
    return start[:1] in (b"{", b"[") and (
        all(name in start for name in (b'"evalId"', b'"results"'))
        or _EMPTY.match(start) is not None
        or all(name in start for name in (b'"prompt"', b'"vars"', b'"success"', b'"latencyMs"'))
    )


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one evaluation, whose settings follow the results, which are set aside until then; of a
    database, all of its evaluations."""
    if is_promptfoo_database(source.path):
        experiments: list[ExperimentRecord] = []
        yield Log(experiments, _items_of_database(source, options, experiments))
        return
    results = _PromptfooReader(source, options)
    results.set_aside()
    yield results.log()


def _items_of_database(
    source: LogSource, options: ImportOptions, experiments: list[ExperimentRecord]
) -> Iterator[Item]:
    for head, rows in evaluations(source.path):
        results = _PromptfooReader(source, options)
        results.take(head, rows)
        experiment = results.experiment()
        experiments.append(experiment)
        for item in results.items():
            item.run.experiment_id = experiment.id
            experiment.metrics = list(results.grading.metrics.values())
            yield item
        experiment.metrics = list(results.grading.metrics.values())


class _PromptfooReader(LogReader):
    """The results of one evaluation, and how they become runs.

    Older results have no numbers of their tests and prompts: these are counted here, and so are
    repeats. In newer ones each repetition of a test has a number of its own.
    """

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        super().__init__(
            source,
            options,
            preferred=(_SUCCESS, "score"),
            rule="all assertions",
            only_preferred=True,
        )
        self._head: dict[str, Any] = {}
        self._contents: dict[int, bytes] = {}
        self._tests: dict[str, int] = {}
        self._prompts: dict[str, int] = {}
        self._labels: dict[tuple[str, str], int] = {}
        self._unproven = False
        self._passed = 0
        self._unjudged: Counter[str] = Counter()
        self._columns: dict[Variant, tuple[int, int]] = {}
        self._results = ResultsFingerprint()
        self._answered: Counter[tuple[int, int, str]] = Counter()
        self.grading.define(_SUCCESS, kind="binary", lower=0, upper=1, higher_is_better=True)

    def set_aside(self) -> None:
        """Reads the whole file."""
        if _JSON_LINES.search(self.source.path.name):
            for line, row, size in read_lines(self.source):
                self._take(line, row, size)
            return
        with self.source.open() as file:
            stream = JsonStream(self.source, file)
            if stream.first == b"[":
                self._take_results(stream)
            else:
                self._take_object(stream)
            stream.finish()

    def take(self, head: dict[str, Any], rows: Iterable[dict[str, Any]]) -> None:
        """Takes an evaluation of a database."""
        self._head = head
        for index, row in enumerate(rows):
            self._take(f"{head['evalId']} result {index + 1}", row, len(str(row)))

    def _take_object(self, stream: JsonStream, *, inner: bool = False) -> None:
        for name in stream.members():
            if name == "results" and stream.first == b"[":
                self._take_results(stream)
            elif name == "results" and stream.first == b"{" and not inner:
                self._take_object(stream, inner=True)
            elif name in _HEAD:
                self._head[name] = stream.value()

    def _take_results(self, stream: JsonStream) -> None:
        for index in stream.elements():
            raw = stream.raw()
            self._take(f"result {index + 1}", mapping(stream.parse(raw)), len(raw))

    def _take(self, position: int | str, row: dict[str, Any], size: int) -> None:
        test = _numbered(row.get("testIdx"), self._tests, row.get("vars"))
        if _is_number(row.get("testIdx")) and test not in self._contents:
            content = text([row.get("vars"), row.get("testCase")]) or ""
            digest = blake2b(content.encode("utf-8", "surrogatepass"), digest_size=16)
            self._contents[test] = digest.digest()
        provider_id = text(at(row, "provider.id")) or text(row.get("provider")) or ""
        column = _numbered(row.get("promptIdx"), self._prompts, [row.get("prompt"), provider_id])
        key = (test, column, provider_id)
        run = self._run(row, *key)
        self._answered[key] += 1
        self._results.add(*key, at(row, "response.output"), row.get("latencyMs"), row.get("error"))
        if (evaluation := first_of(row, ("evalId", "evaluationId"))) is not None:
            self._head.setdefault("evalId", evaluation)
        # Version 2 of 2023: the configuration says whether there were assertions.
        unproven = "gradingResult" not in row and "testCase" not in row
        self._unproven = self._unproven or unproven
        self._passed += row.get("success") is True
        reason = None if unproven else _why_unjudged(row)
        if reason is not None and run.error is None:
            self._unjudged[reason] += 1
        self.add(position, run, row, size, _scores(row) if reason is None else {})
        self._columns.setdefault(run.variant, (column, len(self._columns)))

    def _run(self, row: dict[str, Any], test: int, column: int, provider_id: str) -> RunRecord:
        prompt, response = row.get("prompt"), mapping(row.get("response"))
        rendered = text(prompt.get("raw") if isinstance(prompt, dict) else prompt)
        provider, _, model = provider_id.partition(":")
        cached = response.get("cached") is True
        return self.run(
            {
                "vars": row.get("vars"),
                "prompt": rendered,
                "prompt_label": at(prompt, "label"),
                "provider_label": at(row, "provider.label"),
                # A judge is a provider, too: its settings may hold keys.
                "assert": redact(at(row, "testCase.assert")),
                "grading": redact(row.get("gradingResult")),
                "failure_reason": row.get("failureReason"),
                "cached": cached or None,
                "cached_latency_ms": row.get("latencyMs") if cached else None,
                "token_usage": mapping(response.get("tokenUsage")),
                "metadata": row.get("metadata"),
                "id": row.get("id"),
            },
            approach_name=self._approach(at(prompt, "label"), column, provider_id),
            sample_index=test,
            repeat_index=self._answered[test, column, provider_id],
            provider=provider if model else "",
            model=model or provider,
            input_text=_question(row.get("vars"), rendered),
            expected_answer=self._expected(row),
            raw_output=response.get("output"),
            execution_time_ms=None if cached else row.get("latencyMs"),
            # promptfoo writes 0 if it knows no price: only a 0 of the provider is one.
            cost_estimate=amount(row.get("cost")) or response.get("cost"),
            prompt_tokens=at(response, "tokenUsage.prompt"),
            completion_tokens=at(response, "tokenUsage.completion"),
            error=(row.get("error") or response.get("error") or "error")
            if _is_failed(row, response)
            else None,
        )

    def _approach(self, label: object, column: int, provider: str) -> str:
        """The label of the prompt; where there is none, or several prompts share it, its number."""
        short = isinstance(label, str) and len(label) <= _LONGEST_LABEL and label.isprintable()
        name = self.approach(
            (label if short else None, "label of the prompt"),
            (f"prompt {column}", "number of the prompt"),
        )
        if self._labels.setdefault((name, provider), column) != column:
            name = f"{name} (prompt {column})"
        return name

    def _expected(self, row: dict[str, Any]) -> str | None:
        case = mapping(row.get("testCase"))
        variables = {**mapping(case.get("vars")), **mapping(row.get("vars"))}
        named = self.options.expected
        for name in _EXPECTED if named is None else (named,):
            if (value := text(variables.get(name))) is not None:
                rule = "the usual variable" if named is None else "--expected-var"
                self.source.choose("expected", f"vars.{name}", rule)
                return value
        for one in map(mapping, sequence(case.get("assert")) if named is None else []):
            if one.get("type") in _COMPARING and one.get("value") is not None:
                self.source.choose("expected", str(one["type"]), "the first assertion")
                return text(one["value"])
        return None

    def experiment(self) -> ExperimentRecord:
        head = self._head
        config, about = mapping(head.get("config")), mapping(head.get("metadata"))
        results: dict[str, Any] = {RESULTS: self._results.described(text(head.get("evalId")))}
        self.created = moment(head.get("timestamp")) or moment(head.get("createdAt"))
        return self.described(
            text(head.get("evalId")) or self.source.identity,
            text(config.get("description")) or self.source.stem,
            config if self.options.model_args else _without_arguments(config),
            tool="promptfoo",
            tool_version=about.get("promptfooVersion"),
            log=without_absent({**about, "version": head.get("version")}),
            **results,
        )

    def read(self) -> None:
        """Says what the results lack; they have been taken already."""
        self.source.why_empty = (
            "is an evaluation of promptfoo without results",
            "Run it again; results come with: promptfoo eval --output results.json",
        )
        for reason, number in self._unjudged.items():
            self.source.warn(f"{self.source.name}: {number:,} results {reason}")
        known = at(self._head, "stats.successes")
        if _is_number(known) and known != self._passed:
            self.source.warn(
                f"{self.source.name}: its own statistics count {known:,} results as passed; "
                f"{self._passed:,} of those in the file have passed"
            )

    def items(self) -> Iterator[Item]:
        """The runs; tests of the same content are one sample that is asked several times.

        They have the time of the evaluation, and variants follow each other as in its
        configuration: results come as they were ready.
        """
        began = self.created or datetime.now(UTC)
        order = sorted(self._columns, key=self._columns.__getitem__)
        times = {one: began + timedelta(microseconds=i) for i, one in enumerate(order)}
        alike = _alike_tests(self._contents)
        config = mapping(self._head.get("config"))
        providers = sequence(config.get("providers"))
        asserted = '"assert"' in (text(config) or "")
        provider, _, model = (text(providers[0]) or "" if len(providers) == 1 else "").partition(
            ":"
        )
        for item in super().items():
            run = item.run
            run.created_at = run.created_at or times[run.variant]
            tests = alike.get(run.sample_index, [run.sample_index])
            run.repeat_index = tests.index(run.sample_index) + run.repeat_index * len(tests)
            run.sample_index = tests[0]
            if self._unproven and not asserted:
                self.source.warn(
                    f"{self.source.name}: its configuration has no assertions, so nothing is "
                    "graded (promptfoo counts such results as passed)"
                )
                run.is_correct = run.score = None
                item = item._replace(scores={})
            if not (run.provider or run.model):
                run.provider, run.model = (provider, model) if model else ("", provider)
            yield item


def _without_arguments(config: Any) -> Any:
    """The configuration without the settings of providers and the environment."""
    if isinstance(config, list):
        return [_without_arguments(one) for one in config]
    if not isinstance(config, dict):
        return config
    return {
        name: _without_arguments(inner)
        for name, inner in config.items()
        if name not in ("config", "env")
    }


def _question(variables: object, rendered: str | None) -> str | None:
    """What was asked whatever the prompt: the variables of the test, or its only one; the rendered
    prompt of a test without variables."""
    known = {
        name: value
        for name, value in mapping(variables).items()
        if not name.startswith("_") and name not in _EXPECTED
    }
    if not known:
        return rendered
    return text(next(iter(known.values())) if len(known) == 1 else known)


def _alike_tests(contents: dict[int, bytes]) -> dict[int, list[int]]:
    """For each numbered test the numbers of all tests with its content, ascending: with `--repeat`,
    promptfoo numbers every repetition of a test."""
    groups: dict[bytes, list[int]] = {}
    for test in sorted(contents):
        groups.setdefault(contents[test], []).append(test)
    return {test: group for group in groups.values() for test in group}


def _scores(row: dict[str, Any]) -> dict[str, ScoreRecord]:
    """The verdict, the score and the named scores of a result."""
    success = row.get("success")
    return {
        **({_SUCCESS: score_of(success)} if isinstance(success, bool) else {}),
        "score": score_of(row.get("score")),
        **{name: score_of(value) for name, value in mapping(row.get("namedScores")).items()},
    }


def _numbered(given: object, known: dict[str, int], content: object) -> int:
    """The number that a result gives; else that of the first result with the same content."""
    if _is_number(given):
        return given
    return known.setdefault(text(content) or "", len(known))


def _is_number(given: object) -> TypeGuard[int]:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 0


def _is_failed(row: dict[str, Any], response: dict[str, Any]) -> bool:
    """Whether there is no answer. `error` alone does not say so: failed assertions have it too."""
    reason = row.get("failureReason")
    if reason == _FAILED:
        return True
    if reason == _ASSERTION_FAILED or response.get("output") is not None:
        return False
    return bool(row.get("error") or response.get("error"))


def _why_unjudged(row: dict[str, Any]) -> str | None:
    """Why a result has no grade; None if assertions were made and all of them ran."""
    grading = mapping(row.get("gradingResult"))
    parts = [grading, *map(mapping, sequence(grading.get("componentResults")))]
    if grading.get("reason") == _UNASSERTED and not grading.get("componentResults"):
        return _WITHOUT
    if any(
        at(part, "metadata.graderError") or str(part.get("reason")).startswith(_CRASHES)
        for part in parts
    ):
        return _BROKEN
    return None if grading or sequence(mapping(row.get("testCase")).get("assert")) else _WITHOUT
