"""Looking early at a running experiment, and ending it when the answer is clear."""

import random
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.config import ExperimentConfig
from ml_agents_results.errors import UsageError
from ml_agents_results.experiments import execution
from ml_agents_results.experiments.monitoring import Monitor
from ml_agents_results.experiments.plan import Plan, PlannedModel
from ml_agents_results.experiments.runner import ExperimentRunner
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.statistics.anytime import e_value
from tests.endpoint import Endpoint
from tests.experiments.studies import config, doubling, questions

METRIC = MetricRecord("exact", "binary", 0, 1, True)


def helped(body: dict[str, Any]) -> str:
    """A model that is right when it thinks, and else on multiples of three."""
    text = str(body["messages"][-1]["content"])
    number = int(re.findall(r"Double of (\d+)", text)[-1])
    right = "step by step" in text.lower() or number % 3 == 0
    return f"The answer is {2 * number + (not right)}."


def test_an_experiment_ends_when_it_is_decided(tmp_path: Path, processor: ResultsProcessor) -> None:
    dataset = questions(tmp_path, 60)
    with Endpoint(helped) as endpoint:
        study = config(
            endpoint, tmp_path, dataset=dataset, shuffle=7, stop_when="decided", parsing="regex"
        )
        summary = ExperimentRunner(study, processor).run()
        assert (summary.status, summary.stopped_early) == ("completed", True)
        assert 20 <= summary.runs < summary.planned_runs == 120
        (look,) = summary.looks
        assert look.decided
        assert (look.difference or 0.0) > 0.4
        # The order is random, and each question is asked with both approaches.
        runs = list(processor.iter_runs([summary.experiment_id]))
        assert sorted(run.sample_index for run in runs) != list(range(len(runs) // 2)) * 2
        # Resuming it asks nothing; asking on is a choice.
        asked = endpoint.requests
        again = ExperimentRunner(ExperimentConfig(), processor, experiment_id=summary.experiment_id)
        assert again.resume().asked == 0
        assert endpoint.requests == asked
        record = processor.get_experiment(summary.experiment_id)
        assert record.environment_json["stopped_early"]["when"] == "decided"
        comparison = processor.compare([summary.experiment_id])
        (pair,) = comparison.comparisons
        assert (pair.interval_method, pair.test) == ("confidence-sequence", "e-value")
        assert (pair.verdict, pair.mde) == ("candidate_better", None)
        assert pair.improved is not None
        assert pair.regressed is not None
        assert pair.p_value == pytest.approx(1.0 / e_value(pair.improved, pair.regressed))
        assert "looking_early" in pair.warnings
        assert "not_shuffled" not in pair.warnings
        held = processor.compare([summary.experiment_id], options=AnalysisOptions(margin=0.1))
        assert held.comparisons[0].non_inferior
        assert (held.comparisons[0].p_non_inferior or 1.0) <= 0.05
        report = comparison_report(comparison)
        assert "confidence sequence" in report.sentences[0]
        assert report.notes[0].endswith("it ended when the differences were clear")
        assert len(set(report.notes)) == len(report.notes)
        more = ExperimentRunner(
            ExperimentConfig(stop_when="never"), processor, experiment_id=summary.experiment_id
        ).resume()
    assert (more.runs, more.stopped_early) == (120, False)
    record = processor.get_experiment(summary.experiment_id)
    assert "stopped_early" not in record.environment_json


def test_processes_of_one_study_see_each_other_s_answers(
    tmp_path: Path, processor: ResultsProcessor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "LOOK_AT_OTHERS", 0.0)
    with Endpoint(helped, latency=0.005) as endpoint:
        study = config(
            endpoint, tmp_path, dataset=questions(tmp_path, 150), shuffle=7, stop_when="decided",
            parsing="regex",
        )  # fmt: skip
        runner = ExperimentRunner(study, processor, experiment_id="mine")
        other = ExperimentRunner(
            ExperimentConfig(), ResultsProcessor(processor.db_path), experiment_id="mine"
        )
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(runner.run)
            while endpoint.requests < 4:
                time.sleep(0.01)
            summaries = [other.resume(), running.result()]
    assert [(one.status, one.stopped_early) for one in summaries] == [("completed", True)] * 2
    assert all(one.asked for one in summaries)
    assert sum(one.asked for one in summaries) < 300


def test_what_is_not_decided_is_asked_to_the_end(
    tmp_path: Path, processor: ResultsProcessor
) -> None:
    with Endpoint(doubling) as endpoint:
        study = config(endpoint, tmp_path, shuffle=1, stop_when="decided", parsing="regex")
        summary = ExperimentRunner(study, processor).run()
        assert (summary.runs, summary.stopped_early) == (20, False)
        assert not summary.looks[0].decided
        refused: list[tuple[dict[str, Any], str]] = [
            ({"approaches": ["None"]}, "there is one approach"),
            ({"shuffle": None}, "random order"),
        ]
        for changes, message in refused:
            with pytest.raises(UsageError, match=message):
                ExperimentRunner(
                    config(endpoint, tmp_path, **{"shuffle": 1, "stop_when": "decided", **changes}),
                    processor,
                )


def test_a_study_that_is_not_done_is_compared_as_one(processor: ResultsProcessor) -> None:
    plan = {"approaches": ["None", "CoT1"], "questions": 100, "repeats": 1, "runs": 200}
    processor.save_experiment("exp", {}, environment={"plan": plan})
    processor.save_runs(
        RunRecord("exp", name, index, provider="p", model="m", is_correct=index % 4 in right)
        for name, right in (("None", {0}), ("CoT1", {0, 2, 3}))
        for index in range(60)
    )
    (pair,) = processor.compare(["exp"]).comparisons
    assert {"looking_early", "not_shuffled"} <= set(pair.warnings)
    assert pair.p_value == pytest.approx(1.0 / e_value(30, 0))
    assert pair.ci_low is not None
    assert pair.ci_low > 0.0
    processor.save_experiment("exp", {}, environment={"plan": {**plan, "runs": 120}})
    (pair,) = processor.compare(["exp"]).comparisons
    assert pair.interval_method == "bonett-price"


def simulate(rng: random.Random, plan: Plan, chances: dict[str, float]) -> tuple[bool, int]:
    """Whether a study of a plan is decided, and after how many samples."""
    monitor = Monitor(plan, METRIC)
    for index, question in enumerate(plan.questions):
        ease = rng.gauss(0.0, 0.25)
        for name, chance in chances.items():
            run = RunRecord("e", name, question.sample_index, provider="p", model="m")
            run.is_correct = rng.random() < min(1.0, max(0.0, chance + ease))
            monitor.add(run)
        if monitor.decided:
            return True, index + 1
    return False, len(plan.questions)


def plan_of(count: int, *names: str) -> Plan:
    from ml_agents_results.experiments.question import Question

    asked = [
        Question(sample_id=None, task="", sample_index=n, input_text="q", expected_answer="a")
        for n in range(count)
    ]
    return Plan(names, asked, 1, [PlannedModel("p", "m")], shuffle=1)


def test_samples_count_in_the_order_of_the_plan() -> None:
    monitor = Monitor(plan_of(30, "None", "CoT"), METRIC)
    for index in (1, 0, 3):
        for name in ("CoT", "None"):
            run = RunRecord("e", name, index, provider="p", model="m", is_correct=name == "CoT")
            monitor.add(run)
            if (index, name) == (1, "None"):
                assert monitor.looks()[0].samples == 0
    (look,) = monitor.looks()
    assert (look.samples, look.difference, look.decided) == (2, 1.0, False)


@pytest.mark.slow
def test_stopping_keeps_the_level_and_saves_questions() -> None:
    rng = random.Random(20261128)
    for names in (("None", "A"), ("None", "A", "B", "C")):
        plan = plan_of(400, *names)
        wrong = sum(simulate(rng, plan, dict.fromkeys(names, 0.5))[0] for _ in range(200))
        assert wrong / 200 <= 0.05 + 2 * 0.0154
    plan = plan_of(400, "None", "A")
    ends = [simulate(rng, plan, {"None": 0.4, "A": 0.7}) for _ in range(60)]
    assert sum(decided for decided, _ in ends) >= 57
    assert sorted(n for _, n in ends)[30] < 200
