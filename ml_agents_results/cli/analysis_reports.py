"""Reports of `analyze`: which there are, the options that apply to each, and how each is made."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Literal

from ml_agents_results.errors import UsageError

if TYPE_CHECKING:
    from ml_agents_results.reports.report import Report
    from ml_agents_results.repositories.filters import Filters
    from ml_agents_results.repositories.run_source import RunSource
    from ml_agents_results.services.analysis_options import AnalysisOptions

Pool = Literal["experiment", "approach", "model"]


class ReportType(StrEnum):
    """Subjects of the reports of `analyze`."""

    summary = "summary"
    accuracy = "accuracy"
    latency = "latency"
    cost = "cost"
    parsing = "parsing"
    failures = "failures"
    power = "power"
    agreement = "agreement"
    ranking = "ranking"
    corrected = "corrected"
    repeats = "repeats"


OF_ANY_METRIC = (
    ReportType.summary,
    ReportType.accuracy,
    ReportType.power,
    ReportType.agreement,
    ReportType.ranking,
    ReportType.corrected,
    ReportType.repeats,
)
"""Reports that take --metric."""

COMPARING = (
    ReportType.latency,
    ReportType.cost,
    ReportType.failures,
    ReportType.power,
    ReportType.ranking,
    ReportType.corrected,
)
"""Reports that also compare variants with a baseline."""

OF_RATERS = (ReportType.agreement, ReportType.corrected)
"""Reports about several metrics at once, those that --metric names."""


_INDEPENDENT = (ReportType.failures,)
UNAFFECTED: dict[str, tuple[ReportType, ...]] = {
    "--interval": (
        *(ReportType.cost, ReportType.latency, ReportType.ranking),
        *(ReportType.agreement, ReportType.corrected, ReportType.repeats),
    ),
    "--missing": (
        *(ReportType.latency, ReportType.failures, ReportType.parsing),
        *(ReportType.agreement, ReportType.corrected),
    ),
    "--cluster": _INDEPENDENT,
    "--null-cluster": _INDEPENDENT,
    "--cluster-across-tasks": _INDEPENDENT,
    "--group-map": _INDEPENDENT,
}
"""Reports of which an option changes no figure, and where it is refused."""


@dataclass(frozen=True, slots=True)
class ReportRequest:
    """What a report is to be about, next to its options.

    Attributes:
        raters: The metrics that `OF_RATERS` are about.
    """

    report_type: ReportType
    baseline: str | None
    pool: Pool | None
    raters: Sequence[str]


def require_options_apply(
    report_type: ReportType,
    *,
    baseline: str | None,
    metric: str | None,
    pool: Pool | None,
    given: Mapping[str, bool],
) -> None:
    """Raises UsageError for an option that would change nothing of the report.

    Args:
        given: Of the options in `UNAFFECTED`, whether each has another value than its default.
    """
    if baseline is not None and report_type not in COMPARING:
        raise UsageError(
            f"--report-type {report_type} does not compare variants, so --baseline does not apply",
            f"Leave it out, give --report-type {', '.join(COMPARING)}, or use: ml-agents compare",
        )
    if metric is not None and report_type not in OF_ANY_METRIC:
        raise UsageError(
            f"--report-type {report_type} is about right and wrong, so --metric does not apply",
            f"Leave it out, or give --report-type {', '.join(OF_ANY_METRIC)}.",
        )
    if pool is not None and report_type is not ReportType.repeats:
        raise UsageError("--pool is for --report-type repeats", "Leave it out, or add that.")
    for option, is_given in given.items():
        if is_given and report_type in UNAFFECTED[option]:
            raise UsageError(
                f"{option} changes no figure of --report-type {report_type}", "Leave it out."
            )


def made_report(
    asked: ReportRequest, runs: "RunSource", filters: "Filters", options: "AnalysisOptions"
) -> "tuple[dict[str, Any], Report]":
    """The document and the report."""
    baseline = asked.baseline
    scope = (runs, filters, options)
    match asked.report_type:
        case ReportType.summary | ReportType.accuracy:
            from ml_agents_results.reports.accuracy_report import accuracy_report, summary_report
            from ml_agents_results.services.summary import SummaryService

            by_task = asked.report_type is ReportType.accuracy
            accuracy = SummaryService(*scope).report(by_task=by_task)
            report = accuracy_report(accuracy) if by_task else summary_report(accuracy)
            return accuracy.to_dict(), report
        case ReportType.latency:
            from ml_agents_results.reports.latency_report import latency_report
            from ml_agents_results.services.latency import LatencyService

            latency = LatencyService(*scope).report(baseline=baseline)
            return latency.to_dict(), latency_report(latency)
        case ReportType.cost:
            from ml_agents_results.reports.cost_report import cost_report
            from ml_agents_results.services.cost import CostService

            cost = CostService(*scope).report(baseline=baseline)
            return cost.to_dict(), cost_report(cost)
        case ReportType.parsing:
            from ml_agents_results.reports.parsing_report import parsing_report
            from ml_agents_results.services.parsing import ParsingService

            parsing = ParsingService(*scope).report()
            return parsing.to_dict(), parsing_report(parsing)
        case ReportType.failures:
            from ml_agents_results.reports.failure_report import failure_report
            from ml_agents_results.services.failures import FailureService

            failures = FailureService(*scope).report(baseline=baseline)
            return failures.to_dict(), failure_report(failures)
        case ReportType.power:
            from ml_agents_results.reports.power_report import power_report
            from ml_agents_results.services.power import PowerService

            power = PowerService(*scope).report(baseline=baseline)
            return power.to_dict(), power_report(power)
        case ReportType.ranking:
            from ml_agents_results.reports.ranking_report import ranking_report
            from ml_agents_results.services.ranking import RankingService

            ranking = RankingService(*scope).report(baseline=baseline)
            return ranking.to_dict(), ranking_report(ranking)
        case ReportType.repeats:
            from ml_agents_results.reports.repeats_report import repeats_report
            from ml_agents_results.services.repeats_study import RepeatsService

            repeats = RepeatsService(*scope).report(pool=asked.pool)
            return repeats.to_dict(), repeats_report(repeats)
        case ReportType.corrected:
            from ml_agents_results.reports.corrected_report import corrected_report
            from ml_agents_results.services.corrected import CorrectedService

            corrected = CorrectedService(*scope).report(asked.raters, baseline=baseline)
            return corrected.to_dict(), corrected_report(corrected)
        case ReportType.agreement:
            from ml_agents_results.reports.agreement_report import agreement_report
            from ml_agents_results.services.agreement import AgreementService

            agreement = AgreementService(*scope).report(asked.raters)
            return agreement.to_dict(), agreement_report(agreement)
