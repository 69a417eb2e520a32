"""Agreement of people with each other, with judges and with the grades, next to their queues."""

from collections.abc import Sequence

from sqlalchemy import Connection

from ml_agents_results.errors import NothingToCompareError, UsageError
from ml_agents_results.records import ExperimentRecord, MetricRecord
from ml_agents_results.reports.agreement_report import agreement_report
from ml_agents_results.reports.report import Report
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.agreement import AgreementService

PERSON = "person"
"""The scorer of metrics that people grade."""


def people_agreement(connection: Connection, record: ExperimentRecord) -> list[Report]:
    """A report for each metric that people grade, with each other metric of the same scale."""
    metrics = record.metrics or ()
    people = [metric for metric in metrics if metric.scorer == PERSON]
    groups = [[one.name] for one in people]
    groups += [
        [other.name, one.name]
        for one in people
        for other in metrics
        if other.scorer != PERSON and _same_scale(one, other)
    ]
    reports = (_report(connection, record, names) for names in groups)
    return [report for report in reports if report is not None]


def _report(
    connection: Connection, record: ExperimentRecord, names: Sequence[str]
) -> Report | None:
    """None where no run has values of both."""
    service = AgreementService(connection, Filters(experiment_id=(record.id,)))
    try:
        return agreement_report(service.report(names))
    except (NothingToCompareError, UsageError):
        return None


def _same_scale(one: MetricRecord, other: MetricRecord) -> bool:
    if one.kind != other.kind:
        return False
    return one.kind == "binary" or (one.lower, one.upper) == (other.lower, other.upper)
