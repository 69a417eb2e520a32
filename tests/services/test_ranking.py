"""Rankings of recorded runs: the figures of all pairwise comparisons at once."""

import random
from typing import Any

import pytest

from ml_agents_results.errors import NothingToCompareError, UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord
from ml_agents_results.reports.ranking_report import ranking_report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.ranking import RankingReport, RankingService
from ml_agents_results.services.summary import SummaryService
from tests.services.building import run, save

CHANCES = {"None": 0.4, "CoT1": 0.55, "Best": 0.8, "Same": 0.4, "Worst": 0.2}


def answers(tasks: int, samples: int, repeats: int = 1) -> list[RunRecord]:
    chance = random.Random(7)
    return [
        run("exp", name, index, int(chance.random() < right), repeat, task=f"t{task}")
        for name, right in CHANCES.items()
        for task in range(tasks)
        for index in range(samples)
        for repeat in range(repeats)
    ]


def ranking(store: ResultsProcessor, baseline: str | None = None, **choices: Any) -> RankingReport:
    with store.database.read() as connection:
        service = RankingService(
            connection, Filters.of({"experiment_id": "exp"}), AnalysisOptions(**choices)
        )
        return service.report(baseline=baseline)


@pytest.mark.parametrize(
    ("tasks", "samples", "repeats", "choices"),
    [(1, 60, 1, {}), (1, 30, 3, {}), (6, 12, 1, {}), (6, 12, 1, {"cluster": "none"})],
)
def test_the_figures_of_all_pairs(
    processor: ResultsProcessor, tasks: int, samples: int, repeats: int, choices: Any
) -> None:
    save(processor, answers(tasks, samples, repeats))
    report = ranking(processor, **choices)
    names = [row.variant.approach_name for row in report.variants]
    found = {frozenset((names[one], names[two])): p for one, two, p, _ in report.p_values}
    options = AnalysisOptions(contrasts="all-pairs", **choices)
    for pair in processor.compare(["exp"], options=options).comparisons:
        both = frozenset((pair.candidate.approach_name, pair.baseline.approach_name))
        assert found[both] == pytest.approx(pair.p_value, rel=1e-9)
    with processor.database.read() as connection:
        summary = SummaryService(connection, options=AnalysisOptions(**choices)).report()
    alone = {row.variant: row for row in summary.variants}
    for row in report.variants:
        expected = alone[row.variant]
        assert row.mean.estimate == pytest.approx(expected.mean)
        assert row.mean.ci_low == pytest.approx(expected.ci_low)
        assert row.mean.ci_high == pytest.approx(expected.ci_high)
        assert row.rank_low <= row.rank <= row.rank_high
    assert names[0] == "Best"
    assert sum(row.p_best for row in report.variants) == pytest.approx(1.0)
    assert (report.over_tasks is None) == (tasks == 1)
    assert all(a <= b for _, _, a, b in report.p_values)


def test_what_it_says(store: ResultsProcessor) -> None:
    save(store, answers(6, 30))
    report = ranking(store, baseline="Worst")
    said = ranking_report(report)
    (sentence,) = said.sentences
    assert sentence.startswith("Best has the best accuracy, ")
    assert "on 180 samples that all 5 variants share" in sentence
    assert said.diagram is not None
    assert all(f"{name} (" in said.diagram for name in ("Best", "None", "Worst"))
    worst = next(row for row in report.variants if row.variant.approach_name == "Worst")
    assert worst.strength.log_strength == 0.0
    assert report.variants[0].strength.log_strength is not None
    assert report.variants[0].strength.log_strength > 1.0


def test_lower_is_better_and_samples_that_are_not_shared(processor: ResultsProcessor) -> None:
    processor.save_experiment("exp", {})
    with processor.database.write() as connection:
        MetricRepository(connection, "exp").save(
            MetricRecord("wer", "numeric", 0, None, False, is_primary=True)
        )
    chance = random.Random(1)
    processor.save_runs(
        run("exp", name, index, None, score=chance.random() + offset)
        for name, offset, first in (("A", 0.0, 0), ("B", 0.5, 2), ("C", 0.5, 0))
        for index in range(first, 40)
    )
    report = ranking(processor)
    assert report.variants[0].variant.approach_name == "A"
    assert (report.samples, report.asked, report.warnings) == (38, 40, ("partial_overlap",))
    assert report.variants[0].rank_high == 1
    assert report.variants[1].groups == report.variants[2].groups == (2,)
    options = AnalysisOptions(contrasts="all-pairs")
    pairs = processor.compare(["exp"], options=options).comparisons
    whole = next(p for p in pairs if {p.candidate.approach_name, p.baseline.approach_name}
                 == {"A", "B"})  # fmt: skip
    names = [row.variant.approach_name for row in report.variants]
    found = next(p for one, two, p, _ in report.p_values
                 if {names[one], names[two]} == {"A", "B"})  # fmt: skip
    assert found == pytest.approx(whole.p_value)


def test_what_cannot_be_ranked(processor: ResultsProcessor) -> None:
    save(processor, [run("exp", "A", index, 1) for index in range(3)])
    with pytest.raises(NothingToCompareError, match="nothing to rank: 1 variant"):
        ranking(processor)
    processor.save_runs(run("exp", "B", index, 1) for index in range(3, 6))
    with pytest.raises(NothingToCompareError, match="share no graded sample"):
        ranking(processor)
    processor.save_runs(run("exp", "B", index, 1) for index in range(3))
    with pytest.raises(UsageError, match="too few to rank by"):
        ranking(processor, cluster="task")
