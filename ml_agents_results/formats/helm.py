"""Run folders of HELM: what was asked and answered, joined with what was measured of each."""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
    Overrides,
    amount,
    count,
    error_text,
    mapping,
    milliseconds,
    moment,
    number,
    sequence,
    text,
    without_absent,
)
from ml_agents_results.formats.json_stream import JsonStream, read_document
from ml_agents_results.formats.log_source import ImportOptions, Item, LogSource
from ml_agents_results.records import ExperimentRecord, RunRecord, canonical_approach
from ml_agents_results.redaction import redact

SPEC = "run_spec.json"
STATE = "scenario_state.json"
STATS = "per_instance_stats.json"

_PREFERRED = (
    "exact_match",
    "quasi_exact_match",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
    "math_equiv",
    "math_equiv_chain_of_thought",
    "chain_of_thought_correctness",
    "ifeval_strict_accuracy",
)
_MODEL = re.compile(r"[,:]?model(_deployment)?=[^,]*")
_Key = tuple[str, int, str]


def sniff(path: Path) -> bool:
    """Whether it is the folder of one run."""
    return path.is_dir() and all((path / name).is_file() for name in (SPEC, STATE))


def experiments(source: LogSource, options: ImportOptions) -> Sequence[ExperimentRecord]:
    """The one run."""
    run = _Run(source, options)
    return [
        ExperimentRecord(
            id=f"{run.name}-{source.sha256[:8]}",
            name=run.name,
            status="completed",
            config_json=redact(run.spec),
            environment_json={"tool": "helm", "log": {"folder": source.path.name}},
        )
    ]


def read(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    """The requests as they stand; those about one instance's choices together are one run."""
    run = _Run(source, options)
    overrides = Overrides(source, options)
    metrics = _read_metrics(source)
    for _, group in groupby(_states(source), key=_together):
        states = list(group)
        place, key, state, _ = states[0]
        with source.locate(place):
            record = run.record(key, [one[2] for one in states], metrics.get(key, {}))
        overrides.apply(record, state)
        yield Item(place, record, sum(one[3] for one in states))
    overrides.finish()
    run.finish()


class _Run:
    """What the folder says of the run, and how its requests become runs of ours."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
        self.spec = read_document(source, source.path / SPEC)
        self.name = text(self.spec.get("name")) or source.path.name
        adapter = mapping(self.spec.get("adapter_spec"))
        self._task = _MODEL.sub("", self.name)
        model = text(adapter.get("model")) or ""
        self._provider, _, self._model = model.rpartition("/")
        method = text(adapter.get("method"))
        if options.approach is not None:
            self._approach, rule = canonical_approach(options.approach), "--approach"
        elif method and "chain_of_thought" in method:
            self._approach, rule = "ChainOfThought", "adapter_spec.method"
        else:
            self._approach, rule = method or "None", "adapter_spec.method"
        source.choose("approach", self._approach, rule)
        self._indexes: dict[tuple[str, str], int] = {}
        self._unjoined = 0

    def record(self, key: _Key, states: list[dict[str, Any]], metrics: dict[str, Any]) -> RunRecord:
        instance_id, trial, perturbation = key
        instance = mapping(states[0].get("instance"))
        results = [mapping(state.get("result")) for state in states]
        request = mapping(states[0].get("request"))
        shown = mapping(instance.get("input"))
        references = [mapping(one) for one in sequence(instance.get("references"))]
        correct = [
            text(mapping(one.get("output")).get("text"))
            for one in references
            if "correct" in sequence(one.get("tags"))
        ]
        completions = [mapping(one) for one in sequence(results[0].get("completions"))]
        seconds = amount(metrics.get("inference_runtime"))
        run = RunRecord(
            experiment_id="",
            approach_name=self._approach,
            provider=self._provider,
            model=self._model,
            task=self._task,
            sample_index=self._indexes.setdefault((instance_id, perturbation), len(self._indexes)),
            sample_id=f"{instance_id} {perturbation}".rstrip(),
            repeat_index=trial,
            input_text=text(shown.get("text")) or text(shown.get("messages")),
            expected_answer=correct[0] if len(correct) == 1 else text(correct or None),
            # A cached answer keeps the time that it took when it was asked for.
            execution_time_ms=milliseconds(
                results[0].get("request_time") if seconds is None else seconds
            ),
            prompt_tokens=count(metrics.get("num_prompt_tokens")),
            completion_tokens=count(metrics.get("num_completion_tokens")),
            created_at=moment(results[0].get("request_datetime")),
            metadata_json=without_absent(
                {
                    "metrics": metrics,
                    "split": instance.get("split"),
                    "perturbation": instance.get("perturbation"),
                    "prompt": request.get("prompt") or request.get("messages"),
                    "references": references,
                    "output_mapping": states[0].get("output_mapping"),
                    "cached": any(result.get("cached") for result in results) or None,
                    "annotations": states[0].get("annotations"),
                    "thinking": [one["thinking"] for one in completions if one.get("thinking")],
                    # HELM grades the first one; its other metrics look at all.
                    "further_completions": [one.get("text") for one in completions[1:]],
                }
            ),
        )
        _answer(run, states, results, references)
        if broken := next((one for one in results if one.get("success") is False), None):
            run.error = error_text(broken.get("error"))
        else:
            self._grade(run, metrics)
        return run

    def finish(self) -> None:
        if self._unjoined:
            self._source.warn(
                f"{self._source.name}: {self._unjoined} runs have no grade; {STATS} has no metric "
                "of right and wrong for them (to choose one: --metric)"
            )

    def _grade(self, run: RunRecord, metrics: dict[str, Any]) -> None:
        name = self._options.metric
        rule = "--metric" if name else "the usual one"
        if name is None:
            name = next((one for one in _PREFERRED if one in metrics), None)
        elif metrics and name not in metrics:
            raise InvalidFileError(
                f"{self._source.name} has no metric {name!r}",
                f"Its metrics are: {', '.join(sorted(metrics))}",
            )
        run.score = None if name is None else number(metrics.get(name))
        if name is None or run.score is None:
            self._unjoined += 1
            return
        self._source.choose("metric", name, rule)
        if run.score in (0.0, 1.0):
            run.is_correct = run.score == 1.0


def _states(source: LogSource) -> Iterator[tuple[str, _Key, dict[str, Any], int]]:
    with source.open(source.path / STATE) as file:
        stream = JsonStream(source, file, STATE)
        for name in stream.members():
            if name == "request_states" and stream.first == b"[":
                for number_ in stream.elements():
                    raw = stream.raw()
                    state = mapping(stream.parse(raw))
                    if state.get("request_mode") == "calibration":
                        source.left_out["calibration requests"] += 1
                        continue
                    instance = mapping(state.get("instance"))
                    place = f"request {number_ + 1}"
                    key = _key(source, place, instance.get("id"), instance, state)
                    yield place, key, state, len(raw)
        stream.finish()


def _together(found: tuple[str, _Key, dict[str, Any], int]) -> tuple[_Key, str]:
    """The same for requests about the choices of one instance, which follow each other."""
    place, key, state, _ = found
    return key, place if state.get("reference_index") is None else "choices"


def _read_metrics(source: LogSource) -> dict[_Key, dict[str, Any]]:
    """The means of all metrics of each instance."""
    found: dict[_Key, dict[str, Any]] = {}
    path = source.path / STATS
    if not path.is_file():
        source.warn(f"{source.name} has no {STATS}: nothing in it is graded")
        return found
    with source.open(path) as file:
        stream = JsonStream(source, file, STATS)
        for place in stream.elements():
            one = mapping(stream.value())
            key = _key(source, f"{STATS} {place + 1}", one.get("instance_id"), one, one)
            means = found.setdefault(key, {})
            for stat in map(mapping, sequence(one.get("stats"))):
                if isinstance(name := mapping(stat.get("name")).get("name"), str):
                    means.setdefault(name, stat.get("mean"))
        stream.finish()
    return found


def _key(
    source: LogSource, place: str, instance_id: object, about: dict[str, Any], state: dict[str, Any]
) -> _Key:
    trial = state.get("train_trial_index", 0)
    if not isinstance(instance_id, str | int) or not isinstance(trial, int) or trial < 0:
        raise InvalidFileError(
            f"{source.where(place)} has the instance id {instance_id!r} and the trial {trial!r}",
            "Every request names its instance and its trial.",
        )
    return str(instance_id), trial, text(about.get("perturbation")) or ""


def _answer(
    run: RunRecord,
    states: list[dict[str, Any]],
    results: list[dict[str, Any]],
    references: list[dict[str, Any]],
) -> None:
    """The completion; of choices that were asked for one by one, the likeliest."""
    completions = [
        mapping(next(iter(sequence(result.get("completions"))), None)) for result in results
    ]
    if len(states) == 1:
        run.raw_output = text(completions[0].get("text"))
        choices = mapping(states[0].get("output_mapping"))
        if run.raw_output is not None and choices:
            run.parsed_answer = text(choices.get(run.raw_output.strip()))
        return
    chances = [number(completion.get("logprob")) for completion in completions]
    run.raw_output = text(chances)
    known = [(chance, place) for place, chance in enumerate(chances) if chance is not None]
    if len(known) == len(states):
        reference = states[max(known)[1]].get("reference_index")
        if isinstance(reference, int) and 0 <= reference < len(references):
            run.parsed_answer = text(mapping(references[reference].get("output")).get("text"))
