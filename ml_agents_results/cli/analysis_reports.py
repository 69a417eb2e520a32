"""Reports of `analyze`: which there are, the options that apply to each, and how each is made."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

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


class _ReportKind(NamedTuple):
    """How a report is made.

    Attributes:
        service: Module and class that compute it, of `services`.
        report: Module and function that put it into tables and words, of `reports`.
        options: The options that change it, of those that do not apply to all reports.
    """

    service: str
    report: str
    options: tuple[str, ...]


_CLUSTER = ("--cluster", "--null-cluster", "--cluster-across-tasks", "--group-map")
_SHARES = ("--metric", "--interval", "--missing", *_CLUSTER)
_KINDS = {
    ReportType.summary: _ReportKind(
        "summary.SummaryService", "accuracy_report.summary_report", _SHARES
    ),
    ReportType.accuracy: _ReportKind(
        "summary.SummaryService", "accuracy_report.accuracy_report", _SHARES
    ),
    ReportType.latency: _ReportKind(
        "latency.LatencyService", "latency_report.latency_report", ("--baseline", *_CLUSTER)
    ),
    ReportType.cost: _ReportKind(
        "cost.CostService", "cost_report.cost_report", ("--baseline", "--missing", *_CLUSTER)
    ),
    ReportType.parsing: _ReportKind(
        "parsing.ParsingService", "parsing_report.parsing_report", ("--interval", *_CLUSTER)
    ),
    ReportType.failures: _ReportKind(
        "failures.FailureService", "failure_report.failure_report", ("--baseline", "--interval")
    ),
    ReportType.power: _ReportKind(
        "power.PowerService", "power_report.power_report", ("--baseline", *_SHARES)
    ),
    ReportType.agreement: _ReportKind(
        "agreement.AgreementService", "agreement_report.agreement_report", ("--metric", *_CLUSTER)
    ),
    ReportType.ranking: _ReportKind(
        "ranking.RankingService",
        "ranking_report.ranking_report",
        ("--metric", "--baseline", "--missing", *_CLUSTER),
    ),
    ReportType.corrected: _ReportKind(
        "corrected.CorrectedService",
        "corrected_report.corrected_report",
        ("--metric", "--baseline", *_CLUSTER),
    ),
    ReportType.repeats: _ReportKind(
        "repeats_study.RepeatsService",
        "repeats_report.repeats_report",
        ("--metric", "--missing", "--pool", *_CLUSTER),
    ),
}
OF_RATERS = (ReportType.agreement, ReportType.corrected)
"""Reports about several metrics at once, those that --metric names."""


def unaffected(option: str) -> list[ReportType]:
    """The reports of which an option changes no figure, and where it is refused."""
    return [kind for kind, made in _KINDS.items() if option not in made.options]


def require_options_apply(report_type: ReportType, given: Mapping[str, bool]) -> None:
    """Raises UsageError for an option that would change nothing of the report.

    Args:
        given: Whether each option has another value than its default.
    """
    for option, is_given in given.items():
        refused = unaffected(option)
        if not is_given or report_type not in refused:
            continue
        others = ", ".join(kind for kind in ReportType if kind not in refused)
        if option == "--baseline":
            raise UsageError(
                f"--report-type {report_type} does not compare variants, so --baseline does not "
                "apply",
                f"Leave it out, give --report-type {others}, or use: ml-agents compare",
            )
        if option == "--metric":
            raise UsageError(
                f"--report-type {report_type} is about right and wrong, so --metric does not apply",
                f"Leave it out, or give --report-type {others}.",
            )
        if option == "--pool":
            raise UsageError("--pool is for --report-type repeats", "Leave it out, or add that.")
        raise UsageError(
            f"{option} changes no figure of --report-type {report_type}", "Leave it out."
        )


def made_report(
    report_type: ReportType,
    scope: "tuple[RunSource, Filters, AnalysisOptions]",
    *,
    baseline: str | None,
    pool: Pool | None,
    raters: Sequence[str],
) -> "tuple[dict[str, Any], Report]":
    """The document and the report.

    Args:
        raters: The metrics that `OF_RATERS` are about.
    """
    kind = _KINDS[report_type]
    asked: dict[str, Any] = {}
    if "--baseline" in kind.options:
        asked["baseline"] = baseline
    if report_type in OF_RATERS:
        asked["names"] = raters
    if report_type is ReportType.repeats:
        asked["pool"] = pool
    if report_type is ReportType.accuracy:
        asked["by_task"] = True
    found = _imported(f"services.{kind.service}")(*scope).report(**asked)
    return found.to_dict(), _imported(f"reports.{kind.report}")(found)


def _imported(path: str) -> Any:
    """What a path of the package names; each report is imported when it is asked for."""
    module, name = path.rsplit(".", 1)
    return getattr(import_module(f"ml_agents_results.{module}"), name)
