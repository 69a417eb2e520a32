"""Run folders of HELM: requests and answers, joined with the statistics of each instance."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import (
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
from ml_agents_results.formats.field_overrides import Overrides
from ml_agents_results.formats.grading import Grading, score_of
from ml_agents_results.formats.json_files import read_object
from ml_agents_results.formats.json_stream import JsonStream
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.sample_ids import SampleIds
from ml_agents_results.records import ExperimentRecord, RunRecord, canonical_approach
from ml_agents_results.redaction import redact
from ml_agents_results.repositories.score_rows import value_of_run

SPEC = "run_spec.json"
STATE = "scenario_state.json"
STATS = "per_instance_stats.json"
TOTALS = "stats.json"

_PREFERRED = (
    "exact_match",
    "quasi_exact_match",
    "final_number_exact_match",
    "prefix_exact_match",
    "quasi_prefix_exact_match",
    "exact_match_indicator",
    "math_equiv",
    "math_equiv_chain_of_thought",
    "chain_of_thought_correctness",
    "ifeval_strict_accuracy",
    "f1_score",
    "rouge_2",
    "rouge_l",
    "bleu_4",
)
_MEASUREMENTS = (
    "num_",
    "prompt_truncated",
    "output_truncated",
    "inference_",
    "training_",
    "batch_",
    "max_prob",
    "finish_reason_",
    "logprob",
)
"""Beginnings of what HELM lists among its metrics, and does not grade answers."""

_MODEL = re.compile(r"[,:]?model(_deployment)?=[^,]*")
_Key = tuple[str, int, str]


def sniff(path: Path) -> bool:
    """Whether it is the folder of one run."""
    return path.is_dir() and all((path / name).is_file() for name in (SPEC, STATE))


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The one run; requests about the choices of one instance are one run of ours."""
    run = _HelmRun(source, options)
    experiment = ExperimentRecord(
        id=f"{run.name}-{source.sha256[:8]}",
        name=run.name,
        status="completed",
        config_json=redact(run.spec),
        environment_json={"tool": "helm", "log": {"folder": source.path.name}},
    )
    yield Log([experiment], run.items(), run.grading.metrics)


class _HelmRun:
    """The specification of the run, and how its requests become runs of ours."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        self._source = source
        self._options = options
        self.spec = read_object(source, source.path / SPEC)
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
        self._ids = SampleIds(source)
        self.grading = Grading(source, options, preferred=_PREFERRED, any_metric=True)

    def items(self) -> Iterator[Item]:
        overrides = Overrides(self._source, self._options)
        measured, splits = _read_metrics(self._source)
        split = self._split(splits)
        for _, group in groupby(_states(self._source), key=_together):
            states = list(group)
            position, key, state, _ = states[0]
            other = text(mapping(state.get("instance")).get("split"))
            if split is not None and other != split:
                self._source.left_out[f"requests of split {other}"] += len(states)
                continue
            metrics = measured.get(key, {})
            with self._source.locate(position):
                run = self._run(key, [one[2] for one in states], metrics)
            overrides.apply(run, state)
            scores = {
                name: score_of(metrics[name]) for name in metrics if not _is_measurement(name)
            }
            self.grading.add(Item(position, run, sum(one[3] for one in states), scores))
        overrides.finish()
        self._expect_figures(split or next(iter(splits), None))
        ungraded = 0
        for item in self.grading.graded():
            ungraded += value_of_run(item.run) is None and item.run.error is None
            yield item
        if ungraded:
            self._source.warn(
                f"{self._source.name}: {ungraded} runs have no grade; {STATS} has none of the "
                "usual metrics for them (to choose one: --metric)"
            )

    def _expect_figures(self, split: str | None) -> None:
        """Notes the means of the run's own totals."""
        path = self._source.path / TOTALS
        if not path.is_file():
            return
        with self._source.open(path) as file:
            stream = JsonStream(self._source, file, TOTALS)
            for _ in stream.elements():
                total = mapping(stream.value())
                about, mean = mapping(total.get("name")), number(total.get("mean"))
                if about.keys() <= {"name", "split"} and about.get("split") == split:
                    name = text(about.get("name")) or ""
                    if mean is not None and name in self.grading.metrics:
                        self.grading.figures.expect(name, mean, f"mean (split {split})")
            stream.finish()

    def _split(self, splits: Sequence[str]) -> str | None:
        """The split to import, if there are several: HELM reports each by itself."""
        wanted = self._options.split
        if wanted is not None and splits and wanted not in splits:
            raise InvalidFileError(
                f"{self._source.name} has no split {wanted!r}",
                f"Its splits are: {', '.join(splits)}",
            )
        if wanted is None and len(splits) < 2:
            return None
        usual = next((name for name in ("test", "valid") if name in splits), None)
        split = wanted or usual or splits[0]
        self._source.choose("split", split, "--split" if wanted else "test, else valid")
        if wanted is None:
            others = ", ".join(name for name in splits if name != split)
            self._source.warn(
                f"{self._source.name}: only the split {split} was imported; others are {others} "
                "(to choose: --split)"
            )
        return split

    def _run(self, key: _Key, states: list[dict[str, Any]], metrics: dict[str, Any]) -> RunRecord:
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
            sample_index=self._ids.index((instance_id, perturbation)),
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
                    "metrics": {
                        name: value for name, value in metrics.items() if _is_measurement(name)
                    },
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
        return run


def _states(source: LogSource) -> Iterator[tuple[str, _Key, dict[str, Any], int]]:
    with source.open(source.path / STATE) as file:
        stream = JsonStream(source, file, STATE)
        for name in stream.members():
            if name == "request_states" and stream.first == b"[":
                for index in stream.elements():
                    raw = stream.raw()
                    state = mapping(stream.parse(raw))
                    if state.get("request_mode") == "calibration":
                        source.left_out["calibration requests"] += 1
                        continue
                    instance = mapping(state.get("instance"))
                    position = f"request {index + 1}"
                    key = _key(source, position, instance.get("id"), instance, state)
                    yield position, key, state, len(raw)
        stream.finish()


def _together(request: tuple[str, _Key, dict[str, Any], int]) -> tuple[_Key, str]:
    """Equal for requests about the choices of one instance, which follow each other."""
    position, key, state, _ = request
    return key, position if state.get("reference_index") is None else "choices"


def _is_measurement(name: str) -> bool:
    return name.startswith(_MEASUREMENTS)


def _read_metrics(source: LogSource) -> tuple[dict[_Key, dict[str, Any]], Sequence[str]]:
    """The means of all metrics of each instance, and the splits that instances belong to."""
    splits: dict[str, None] = {}
    measured: dict[_Key, dict[str, Any]] = {}
    path = source.path / STATS
    if not path.is_file():
        source.warn(f"{source.name} has no {STATS}: nothing in it is graded")
        return measured, ()
    with source.open(path) as file:
        stream = JsonStream(source, file, STATS)
        for index in stream.elements():
            instance = mapping(stream.value())
            position = f"{STATS} {index + 1}"
            key = _key(source, position, instance.get("instance_id"), instance, instance)
            means = measured.setdefault(key, {})
            for stat in map(mapping, sequence(instance.get("stats"))):
                about = mapping(stat.get("name"))
                if isinstance(name := about.get("name"), str):
                    means.setdefault(name, stat.get("mean"))
                if isinstance(split := about.get("split"), str):
                    splits[split] = None
        stream.finish()
    return measured, list(splits)


def _key(
    source: LogSource,
    position: str,
    instance_id: object,
    about: dict[str, Any],
    state: dict[str, Any],
) -> _Key:
    trial = state.get("train_trial_index", 0)
    if not isinstance(instance_id, str | int) or not isinstance(trial, int) or trial < 0:
        raise InvalidFileError(
            f"{source.where(position)} has the instance id {instance_id!r} and the trial {trial!r}",
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
    known = [(chance, index) for index, chance in enumerate(chances) if chance is not None]
    if len(known) == len(states):
        reference = states[max(known)[1]].get("reference_index")
        if isinstance(reference, int) and 0 <= reference < len(references):
            run.parsed_answer = text(mapping(references[reference].get("output")).get("text"))
