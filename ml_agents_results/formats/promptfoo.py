"""Results of promptfoo, in the shapes that its exports have had: one document, or a line a result.

What a provider failed to answer is a failed run; what no assertion judged, or a judge failed on,
has no grade. Answers from promptfoo's cache have no time.
"""

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeGuard

from ml_agents_results.formats.coercion import (
    Overrides,
    amount,
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
from ml_agents_results.formats.json_stream import JsonStream, beginning, first_line, read_lines
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import ExperimentRecord, RunRecord, canonical_approach
from ml_agents_results.redaction import redact

_EXPECTED = ("expected", "answer", "target", "label")
_COMPARING = ("equals", "contains", "icontains", "starts-with", "similar")
_ASSERTION_FAILED, _FAILED = 1, 2
# What promptfoo writes, with pass and a score of 1, of a test that asserts nothing.
_UNASSERTED = "No assertions"
_LONGEST_LABEL = 80
_HEAD = ("evalId", "config", "metadata", "version", "timestamp", "createdAt")
_JSON_LINES = re.compile(r"\.(jsonl|ndjson)(\.gz)?$", re.IGNORECASE)


def sniff(path: Path) -> bool:
    """Whether it begins with what only these results have."""
    if _JSON_LINES.search(path.name):
        return {"promptIdx", "testIdx", "success"} <= first_line(path).keys()
    start = beginning(path)
    return start[:1] in (b"{", b"[") and (
        all(name in start for name in (b'"evalId"', b'"results"'))
        or all(name in start for name in (b'"prompt"', b'"vars"', b'"success"', b'"latencyMs"'))
    )


def experiments(source: LogSource, options: ImportOptions) -> Sequence[ExperimentRecord]:
    """The one evaluation."""
    head = _head(source)
    config, about = mapping(head.get("config")), mapping(head.get("metadata"))
    identity = text(head.get("evalId")) or f"{source.stem}-{source.sha256[:8]}"
    environment = {
        "tool": "promptfoo",
        "tool_version": about.get("promptfooVersion"),
        "log": without_absent({**about, "version": head.get("version")}),
    }
    return [
        ExperimentRecord(
            id=identity,
            name=text(config.get("description")) or source.stem,
            status="completed",
            created_at=moment(head.get("timestamp")) or moment(head.get("createdAt")),
            config_json=redact(config if options.model_args else _without_arguments(config)),
            environment_json=redact(without_absent(environment)),
        )
    ]


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """The results as they stand."""
    results = _Results(source, options)
    overrides = Overrides(source, options)
    for place, row, size in _rows(source):
        with source.locate(place):
            run = results.run(row)
        overrides.apply(run, row)
        yield Item(place, run, size)
    overrides.finish()


def _head(source: LogSource) -> dict[str, Any]:
    """What stands beside the results."""
    head: dict[str, Any] = {}
    if _JSON_LINES.search(source.path.name):
        return head
    with source.open() as file:
        stream = JsonStream(source, file)
        if stream.first != b"{":
            return head
        for name in stream.members():
            if name in _HEAD:
                head[name] = stream.value()
            elif name == "results" and stream.first == b"{":
                for part in stream.members():
                    if part in _HEAD:
                        head[part] = stream.value()
    return head


def _without_arguments(config: Any) -> Any:
    """Without the settings of providers, wherever they stand, and without the environment."""
    if isinstance(config, list):
        return [_without_arguments(one) for one in config]
    if not isinstance(config, dict):
        return config
    return {
        name: _without_arguments(inner)
        for name, inner in config.items()
        if name not in ("config", "env")
    }


def _rows(source: LogSource) -> Iterator[tuple[int | str, dict[str, Any], int]]:
    if _JSON_LINES.search(source.path.name):
        yield from read_lines(source)
        return
    with source.open() as file:
        stream = JsonStream(source, file)
        if stream.first == b"[":
            yield from _elements(stream)
        else:
            for name in stream.members():
                if name == "results" and stream.first == b"[":
                    yield from _elements(stream)
                elif name == "results" and stream.first == b"{":
                    for part in stream.members():
                        if part == "results" and stream.first == b"[":
                            yield from _elements(stream)
        stream.finish()


def _elements(stream: JsonStream) -> Iterator[tuple[str, dict[str, Any], int]]:
    for place in stream.elements():
        raw = stream.raw()
        yield f"result {place + 1}", mapping(stream.parse(raw)), len(raw)


class _Results:
    """How results become runs. Older ones have no numbers of their tests and prompts: these are
    counted here, and so are repeats, which have numbers of their own in newer ones."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
        self._alike = _alike_tests(source)
        self._tests: dict[str, int] = {}
        self._prompts: dict[str, int] = {}
        self._labels: dict[tuple[str, str], int] = {}
        self._answered: dict[tuple[Any, ...], int] = {}

    def run(self, row: dict[str, Any]) -> RunRecord:
        prompt, response = row.get("prompt"), mapping(row.get("response"))
        named = mapping(row.get("provider"))
        provider_id = text(named.get("id")) or text(row.get("provider")) or ""
        provider, _, model = provider_id.partition(":")
        numbered = _numbered(row.get("testIdx"), self._tests, row.get("vars"))
        alike = self._alike.get(numbered, [numbered])
        test = alike[0]
        column = _numbered(row.get("promptIdx"), self._prompts, [prompt, provider_id])
        approach = self._approach(mapping(prompt).get("label"), column, provider_id)
        key = (numbered, column, provider_id)
        before = self._answered.setdefault(key, 0)
        self._answered[key] += 1
        usage = mapping(response.get("tokenUsage"))
        cached = response.get("cached") is True
        run = RunRecord(
            experiment_id="",
            approach_name=approach,
            sample_index=test,
            repeat_index=alike.index(numbered) + before * len(alike),
            provider=provider if model else "",
            model=model or provider,
            input_text=text(mapping(prompt).get("raw") if isinstance(prompt, dict) else prompt),
            expected_answer=self._expected(row),
            raw_output=text(response.get("output")),
            execution_time_ms=None if cached else count(row.get("latencyMs")),
            cost_estimate=_cost(row, response),
            prompt_tokens=count(usage.get("prompt")),
            completion_tokens=count(usage.get("completion")),
            metadata_json=without_absent(
                {
                    "vars": row.get("vars"),
                    "prompt_label": mapping(prompt).get("label"),
                    "provider_label": named.get("label"),
                    # A judge is a provider, too: its settings may hold keys.
                    "assert": redact(mapping(row.get("testCase")).get("assert")),
                    "grading": redact(row.get("gradingResult")),
                    "named_scores": row.get("namedScores"),
                    "failure_reason": row.get("failureReason"),
                    "cached": cached or None,
                    "cached_latency_ms": row.get("latencyMs") if cached else None,
                    "token_usage": usage,
                    "metadata": row.get("metadata"),
                    "id": row.get("id"),
                }
            ),
        )
        if _is_failed(row, response):
            run.error = error_text(first_of({**response, **without_absent(row)}, ("error",)))
        else:
            self._grade(run, row)
        return run

    def _grade(self, run: RunRecord, row: dict[str, Any]) -> None:
        metric = self._options.metric
        value = row.get("score") if metric is None else mapping(row.get("namedScores")).get(metric)
        rule = "--metric" if metric else "the whole"
        self._source.choose("metric", metric or "success and score", rule)
        if not _is_judged(row):
            return
        run.score = number(value)
        if metric is None and isinstance(row.get("success"), bool):
            run.is_correct = row["success"]
        elif metric is not None and run.score in (0.0, 1.0):
            run.is_correct = run.score == 1.0

    def _approach(self, label: object, column: int, provider: str) -> str:
        """The label of the prompt; where there is none, or several prompts share it, its number."""
        if self._options.approach is not None:
            name, rule = canonical_approach(self._options.approach), "--approach"
        elif isinstance(label, str) and 0 < len(label) <= _LONGEST_LABEL and label.isprintable():
            name, rule = canonical_approach(label), "label of the prompt"
        else:
            name, rule = f"prompt {column}", "number of the prompt"
        if self._labels.setdefault((name, provider), column) != column:
            name = f"{name} (prompt {column})"
        self._source.choose("approach", name, rule)
        return name

    def _expected(self, row: dict[str, Any]) -> str | None:
        case = mapping(row.get("testCase"))
        variables = {**mapping(case.get("vars")), **mapping(row.get("vars"))}
        named = self._options.expected
        for name in _EXPECTED if named is None else (named,):
            if (found := text(variables.get(name))) is not None:
                rule = "the usual variable" if named is None else "--expected-var"
                self._source.choose("expected", f"vars.{name}", rule)
                return found
        for one in map(mapping, sequence(case.get("assert")) if named is None else []):
            if one.get("type") in _COMPARING and one.get("value") is not None:
                self._source.choose("expected", str(one["type"]), "the first assertion")
                return text(one["value"])
        return None


def _alike_tests(source: LogSource) -> dict[int, list[int]]:
    """Of each numbered test the numbers of all tests with its content, ascending: with `--repeat`,
    promptfoo numbers every repetition of a test."""
    contents: dict[int, bytes] = {}
    for place, row, _ in _rows(source):
        test = row.get("testIdx")
        if _is_number(test) and test not in contents:
            with source.locate(place):
                content = (text([row.get("vars"), row.get("testCase")]) or "").encode(
                    "utf-8", "surrogatepass"
                )
            contents[test] = blake2b(content, digest_size=16).digest()
    groups: dict[bytes, list[int]] = {}
    for test in sorted(contents):
        groups.setdefault(contents[test], []).append(test)
    return {test: group for group in groups.values() for test in group}


def _numbered(given: object, known: dict[str, int], what: object) -> int:
    """The number that a result gives; else that of the first result with the same."""
    if _is_number(given):
        return given
    return known.setdefault(text(what) or "", len(known))


def _is_number(given: object) -> TypeGuard[int]:
    return isinstance(given, int) and not isinstance(given, bool) and given >= 0


def _cost(row: dict[str, Any], response: dict[str, Any]) -> float | None:
    """USD. promptfoo writes 0 where it knows no price: only the provider's own 0 is one."""
    return amount(row.get("cost")) or amount(response.get("cost"))


def _is_failed(row: dict[str, Any], response: dict[str, Any]) -> bool:
    """Whether there is no answer. `error` alone does not say so: failed assertions have it too."""
    reason = row.get("failureReason")
    if reason == _FAILED:
        return True
    if reason == _ASSERTION_FAILED or response.get("output") is not None:
        return False
    return bool(row.get("error") or response.get("error"))


def _is_judged(row: dict[str, Any]) -> bool:
    """Whether assertions were made, and their judges did not fail."""
    grading = mapping(row.get("gradingResult"))
    if grading.get("reason") == _UNASSERTED and not grading.get("componentResults"):
        return False
    parts = [grading, *map(mapping, sequence(grading.get("componentResults")))]
    if any(mapping(part.get("metadata")).get("graderError") for part in parts):
        return False
    return bool(grading or sequence(mapping(row.get("testCase")).get("assert")))
