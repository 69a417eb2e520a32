"""Reports on several metrics as one: their sentences, then the tables of each metric."""

from collections.abc import Sequence

from ml_agents_results.reports.report import Report
from ml_agents_results.statistics.choices import Family

FAMILIES: dict[Family, str] = {
    "metric": "p values are corrected for the comparisons by the same metric, not across metrics; "
    "for that --family metrics",
    "metrics": "p values are corrected for the comparisons by all of these metrics together",
}


def several_metrics_report(
    reports: Sequence[tuple[str, Report]], family: Family | None = None
) -> Report:
    """One report of those on each metric.

    Args:
        reports: The name of each metric with its report.
        family: What p values are corrected for; None where there are none.
    """
    first = reports[0][1]
    sentences = [f"{name}: {one}" for name, report in reports for one in report.sentences]
    tables = [table for _, report in reports for table in report.tables]
    notes = list(
        dict.fromkeys(f"{name}: {note}" for name, report in reports for note in report.notes)
    )
    stated = [] if family is None else [FAMILIES[family]]
    methods = [f"{name}: {one}" for name, report in reports for one in report.methods]
    return Report(first.title, tables, sentences, [*stated, *notes], methods)
