"""Several metrics in one report: names with commas, and the family of tests."""

from pathlib import Path

import pytest

from ml_agents_results.errors import UsageError
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import MetricRecord, RunRecord, ScoreRecord
from ml_agents_results.repositories.database_source import DatabaseSource
from ml_agents_results.repositories.metric_repository import MetricRepository
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_result import Comparison, by_metric
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.metric_choice import named_metrics
from ml_agents_results.statistics.multiplicity import adjust

STRICT = "exact_match,strict-match"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Comparison], list[str | None]]:
    """The comparisons by two metrics, and the names in a list of both."""
    path: Path = tmp_path_factory.mktemp("several") / "a.db"
    runs = [
        RunRecord(
            "study",
            approach,
            index,
            is_correct=index % 3 > 0 or approach == "CoT",
            scores=[ScoreRecord(index % 4 + 0.5 * (approach == "CoT"), metric="wer")],
        )
        for approach in ("None", "CoT")
        for index in range(24)
    ]
    with ResultsProcessor(path) as results:
        results.save_experiment("study", {})
        with results.database.write() as connection:
            metrics = MetricRepository(connection, "study")
            metrics.save(MetricRecord(STRICT, "binary", 0, 1, True, is_primary=True))
            metrics.save(MetricRecord("wer", "numeric", lower=0, higher_is_better=False))
        results.save_runs(runs)
        with results.database.read() as connection:
            names = named_metrics(DatabaseSource(connection), ["study"], f"{STRICT},wer")
            services = [
                ComparisonService(connection, options=AnalysisOptions(metric=name))
                for name in names
            ]
            return [service.compare(["study"]) for service in services], names


def test_names_may_hold_commas(compared: tuple[list[Comparison], list[str | None]]) -> None:
    assert compared[1] == [STRICT, "wer"]


def test_the_tests_of_all_metrics_can_be_one_family(
    compared: tuple[list[Comparison], list[str | None]],
) -> None:
    comparisons, _ = compared
    rows = [one.comparisons[0] for one in comparisons]
    assert [row.family_size for row in rows] == [1, 1]
    together = by_metric(comparisons, "metrics", AnalysisOptions()).comparisons
    judged = [one.comparisons[0] for one in together]
    assert [row.p_value_adjusted for row in judged] == adjust([r.p_value for r in rows], "holm")
    assert [row.family_size for row in judged] == [2, 2]
    # Fewer right answers are worse, and so are higher error rates.
    assert [row.verdict for row in judged] == ["candidate_better", "baseline_better"]
    apart = by_metric(comparisons, "metric", AnalysisOptions()).comparisons
    assert apart == comparisons


def test_a_margin_is_of_one_metric(compared: tuple[list[Comparison], list[str | None]]) -> None:
    with pytest.raises(UsageError, match="unit of one metric"):
        by_metric(compared[0], "metric", AnalysisOptions(margin=0.1))
