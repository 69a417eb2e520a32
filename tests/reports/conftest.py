from collections.abc import Callable

import pytest

from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.reports.accuracy_report import accuracy_report, summary_report
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.reports.cost_report import cost_report
from ml_agents_results.reports.failure_report import failure_report
from ml_agents_results.reports.latency_report import latency_report
from ml_agents_results.reports.paper_report import paper_comparison, paper_summary
from ml_agents_results.reports.parsing_report import parsing_report
from ml_agents_results.reports.power_report import power_report
from ml_agents_results.reports.report import Report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.analysis_options import ALLOWANCES, AnalysisOptions
from ml_agents_results.services.cost import CostService
from ml_agents_results.services.failures import FailureService
from ml_agents_results.services.latency import LatencyService
from ml_agents_results.services.parsing import ParsingService
from ml_agents_results.services.power import PowerService
from ml_agents_results.services.summary import SummaryService

Reports = Callable[[str], dict[str, Report]]


@pytest.fixture
def reports(processor: ResultsProcessor) -> Reports:
    """Every report of an experiment, by its kind."""

    def every(experiment_id: str) -> dict[str, Report]:
        filters = Filters(experiment_id=(experiment_id,))
        with processor.database.read() as connection:
            accuracy = SummaryService(connection, filters).report(by_task=True)
            made = {
                "summary": summary_report(accuracy),
                "accuracy": accuracy_report(accuracy),
                "latency": latency_report(LatencyService(connection, filters).report()),
                "cost": cost_report(CostService(connection, filters).report()),
                "parsing": parsing_report(ParsingService(connection, filters).report()),
                "failures": failure_report(FailureService(connection, filters).report()),
                "power": power_report(PowerService(connection, filters).report()),
                "paper summary": paper_summary(accuracy),
            }
        if len(accuracy.variants) > 1:
            comparison = processor.compare(
                [experiment_id], by_task=True, options=AnalysisOptions(allow=ALLOWANCES)
            )
            made["comparison"] = comparison_report(comparison)
            made["paper"] = paper_comparison(comparison)
        return made

    return every
