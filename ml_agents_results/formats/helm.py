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
    at,
    error_text,
    mapping,
    milliseconds,
    number,
    sequence,
    text,
)
from ml_agents_results.formats.grading import score_of
from ml_agents_results.formats.json_files import read_object
from ml_agents_results.formats.json_stream import JsonStream
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_reader import LogReader
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.records import ExperimentRecord, RunRecord
from ml_agents_results.repositories.score_rows import value_of_run

SPEC = "run_spec.json"
STATE = "scenario_state.json"
STATS = "per_instance_stats.json"
TOTALS = "stats.json"

_PREFERRED = (
    *("exact_match", "quasi_exact_match", "final_number_exact_match", "prefix_exact_match"),
    *("quasi_prefix_exact_match", "exact_match_indicator", "math_equiv"),
    *("math_equiv_chain_of_thought", "chain_of_thought_correctness", "ifeval_strict_accuracy"),
    *("f1_score", "rouge_2", "rouge_l", "bleu_4"),
)
_MEASUREMENTS = (
    *("num_", "prompt_truncated", "output_truncated", "inference_", "training_", "batch_"),
    *("max_prob", "finish_reason_", "logprob"),
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
    yield _HelmReader(source, options).log()


class _HelmReader(LogReader):
    """The specification of the run, and how its requests become runs of ours."""

    def __init__(self, source: LogSource, options: ImportOptions) -> None:
        super().__init__(source, options, preferred=_PREFERRED)
        self._spec = read_object(source, source.path / SPEC)
        self._name = text(self._spec.get("name")) or source.path.name
        self.task = _MODEL.sub("", self._name)
        model = text(at(self._spec, "adapter_spec.model")) or ""
        self.provider, _, self.model = model.rpartition("/")
        method = text(at(self._spec, "adapter_spec.method")) or ""
        cot = "ChainOfThought" if "chain_of_thought" in method else method
        self._approach = self.approach((cot, "adapter_spec.method"))

    def experiment(self) -> ExperimentRecord:
        identity = f"{self._name}-{self.source.sha256[:8]}"
        log = {"folder": self.source.path.name}
        return self.described(identity, self._name, self._spec, tool="helm", log=log)

    def read(self) -> None:
        measured, splits = _read_metrics(self.source)
        split = self._split(splits)
        for _, group in groupby(_states(self.source), key=_together):
            states = list(group)
            position, key, state, _ = states[0]
            other = text(at(state, "instance.split"))
            if split is not None and other != split:
                self.source.left_out[f"requests of split {other}"] += len(states)
                continue
            metrics = measured.get(key, {})
            run = self._run(key, [one[2] for one in states], metrics)
            scores = {
                name: score_of(metrics[name]) for name in metrics if not _is_measurement(name)
            }
            self.add(position, run, state, sum(one[3] for one in states), scores)
        self._expect_figures(split or next(iter(splits), None))

    def items(self) -> Iterator[Item]:
        ungraded = 0
        for item in super().items():
            ungraded += value_of_run(item.run) is None and item.run.error is None
            yield item
        if ungraded:
            self.source.warn(
                f"{self.source.name}: {ungraded} runs have no grade; {STATS} has none of the "
                "usual metrics for them (to choose one: --metric)"
            )

    def _expect_figures(self, split: str | None) -> None:
        """Notes the means of the run's own totals."""
        path = self.source.path / TOTALS
        if not path.is_file():
            return
        with self.source.open(path) as file:
            stream = JsonStream(self.source, file, TOTALS)
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
        wanted = self.options.split
        if wanted is not None and splits and wanted not in splits:
            raise InvalidFileError(
                f"{self.source.name} has no split {wanted!r}",
                f"Its splits are: {', '.join(splits)}",
            )
        if wanted is None and len(splits) < 2:
            return None
        usual = next((name for name in ("test", "valid") if name in splits), None)
        split = wanted or usual or splits[0]
        self.source.choose("split", split, "--split" if wanted else "test, else valid")
        if wanted is None:
            others = ", ".join(name for name in splits if name != split)
            self.source.warn(
                f"{self.source.name}: only the split {split} was imported; others are {others} "
                "(to choose: --split)"
            )
        return split

    def _run(self, key: _Key, states: list[dict[str, Any]], metrics: dict[str, Any]) -> RunRecord:
        instance_id, trial, perturbation = key
        state, instance = states[0], mapping(states[0].get("instance"))
        results = [mapping(one.get("result")) for one in states]
        references = [mapping(one) for one in sequence(instance.get("references"))]
        correct = [
            text(at(one, "output.text"))
            for one in references
            if "correct" in sequence(one.get("tags"))
        ]
        completions = [mapping(one) for one in sequence(results[0].get("completions"))]
        output, answer = _answer(states, results, references)
        # A cached answer keeps the time that it took when it was asked for.
        seconds = amount(metrics.get("inference_runtime"))
        broken = next((one for one in results if one.get("success") is False), None)
        return self.run(
            {
                "metrics": {name: metrics[name] for name in metrics if _is_measurement(name)},
                "split": instance.get("split"),
                "perturbation": instance.get("perturbation"),
                "prompt": at(state, "request.prompt") or at(state, "request.messages"),
                "references": references,
                "output_mapping": state.get("output_mapping"),
                "cached": any(result.get("cached") for result in results) or None,
                "annotations": state.get("annotations"),
                "thinking": [one["thinking"] for one in completions if one.get("thinking")],
                # HELM grades the first one; its other metrics look at all.
                "further_completions": [one.get("text") for one in completions[1:]],
            },
            approach_name=self._approach,
            sample_index=self.ids.index((instance_id, perturbation)),
            sample_id=f"{instance_id} {perturbation}".rstrip(),
            repeat_index=trial,
            input_text=text(at(instance, "input.text")) or at(instance, "input.messages"),
            expected_answer=correct[0] if len(correct) == 1 else correct or None,
            raw_output=output,
            parsed_answer=answer,
            execution_time_ms=milliseconds(
                results[0].get("request_time") if seconds is None else seconds
            ),
            prompt_tokens=metrics.get("num_prompt_tokens"),
            completion_tokens=metrics.get("num_completion_tokens"),
            created_at=results[0].get("request_datetime"),
            error=None if broken is None else error_text(broken.get("error")),
        )


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
    states: list[dict[str, Any]], results: list[dict[str, Any]], references: list[dict[str, Any]]
) -> tuple[str | None, str | None]:
    """The completion, and the choice that it names; of choices that were asked for one by one, the
    chances and the likeliest choice."""
    if len(states) == 1:
        output = text(at(results[0], "completions.0.text"))
        choices = mapping(states[0].get("output_mapping"))
        return output, text(choices.get(output.strip())) if output is not None else None
    chances = [number(at(result, "completions.0.logprob")) for result in results]
    known = [(chance, index) for index, chance in enumerate(chances) if chance is not None]
    answer = None
    if len(known) == len(states):
        reference = states[max(known)[1]].get("reference_index")
        if isinstance(reference, int) and 0 <= reference < len(references):
            answer = text(at(references[reference], "output.text"))
    return text(chances), answer
