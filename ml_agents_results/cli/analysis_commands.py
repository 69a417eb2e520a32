"""analyze and compare: statistics of recorded results."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ml_agents_results.cli.database_options import DbPath, DbUrl
from ml_agents_results.cli.experiment_lookup import ExperimentIds, resolve_ids
from ml_agents_results.cli.gate_options import (
    FAILED,
    FailOn,
    GateFile,
    JUnit,
    Summary,
    gate_from,
    judge,
    report_gate,
    with_baseline,
)
from ml_agents_results.cli.help_panels import OUTPUT
from ml_agents_results.cli.option_values import listed
from ml_agents_results.cli.output_options import Force, Json, Verbose, emit_json
from ml_agents_results.cli.selection_options import (
    Approaches,
    From,
    Methods,
    Models,
    Providers,
    Tasks,
    To,
    filters_of,
)
from ml_agents_results.cli.source_options import Engine, Source, SparkMaster, open_source
from ml_agents_results.cli.statistics_options import (
    AcrossTasks,
    Allow,
    Baseline,
    Cluster,
    Confidence,
    Contrasts,
    Correction,
    DifferenceInterval,
    Family,
    GroupMap,
    Interval,
    Margin,
    Metrics,
    Missing,
    NullCluster,
    Simultaneous,
    Test,
    Unpaired,
    families_in,
)
from ml_agents_results.reports.terminal import print_report, say

if TYPE_CHECKING:
    from ml_agents_results.reports.report import Report
    from ml_agents_results.repositories.filters import Filters
    from ml_agents_results.repositories.run_source import RunSource
    from ml_agents_results.services.analysis_options import AnalysisOptions


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


OF_ANY_METRIC = (
    ReportType.summary,
    ReportType.accuracy,
    ReportType.agreement,
    ReportType.ranking,
    ReportType.corrected,
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


_INDEPENDENT = (ReportType.failures,)
UNAFFECTED: dict[str, tuple[ReportType, ...]] = {
    "--interval": (
        *(ReportType.cost, ReportType.latency, ReportType.ranking),
        *(ReportType.agreement, ReportType.corrected),
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

ReportFile = Annotated[
    Path | None,
    typer.Option(
        "--output",
        metavar="FILE",
        help="Also write the report to a file; the extension selects the format: json, md, tex, "
        "html, xlsx, of a ranking svg.",
        rich_help_panel=OUTPUT,
    ),
]


def analyze(
    experiment_ids: ExperimentIds,
    report_type: Annotated[
        ReportType,
        typer.Option(metavar="TYPE", help=f"What to report on: {', '.join(ReportType)}."),
    ] = ReportType.summary,
    approach: Approaches = None,
    provider: Providers = None,
    model: Models = None,
    task: Tasks = None,
    parsing_method: Methods = None,
    created_from: From = None,
    created_to: To = None,
    metric: Metrics = None,
    baseline: Baseline = None,
    interval: Interval = "wilson",
    cluster: Cluster = None,
    null_cluster: NullCluster = "error",
    cluster_across_tasks: AcrossTasks = False,
    group_map: GroupMap = None,
    missing: Missing = "exclude",
    confidence: Confidence = 0.95,
    output: ReportFile = None,
    force: Force = False,
    source: Source = None,
    engine: Engine = None,
    spark_master: SparkMaster = None,
    db_path: DbPath = None,
    db_url: DbUrl = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Report accuracy, ranks, times, costs, failures, agreement and more, with error bars."""
    from ml_agents_results.errors import UsageError
    from ml_agents_results.formats.report_files import require_report_file, write_report
    from ml_agents_results.reports.several_metrics_report import several_metrics_report
    from ml_agents_results.services.analysis_options import AnalysisOptions
    from ml_agents_results.services.metric_choice import named_metrics

    if output is not None:
        require_report_file(output, force=force)
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
    given = {
        "--interval": interval != "wilson",
        "--missing": missing != "exclude",
        "--cluster": cluster is not None,
        "--null-cluster": null_cluster != "error",
        "--cluster-across-tasks": cluster_across_tasks,
        "--group-map": group_map is not None,
    }
    for option, is_given in given.items():
        if is_given and report_type in UNAFFECTED[option]:
            raise UsageError(
                f"{option} changes no figure of --report-type {report_type}", "Leave it out."
            )
    options = AnalysisOptions(
        metric=metric,
        confidence=confidence,
        interval=interval,
        cluster=cluster,
        null_cluster=null_cluster,
        across_tasks=cluster_across_tasks,
        families=families_in(group_map),
        missing=missing,
    )
    with open_source(source, engine, spark_master, db_path, db_url) as runs:
        ids = resolve_ids(runs.connection, experiment_ids)
        filters = filters_of(
            experiment_id=ids,
            approach_name=approach,
            provider=provider,
            model=model,
            task=task,
            parsing_method=parsing_method,
            created_from=created_from,
            created_to=created_to,
        )
        reports = {
            one: _report(report_type, runs, ids, filters, replace(options, metric=one), baseline)
            for one in named_metrics(runs, ids, metric)
        }
        document, report = next(iter(reports.values()))
        if len(reports) > 1:
            report = several_metrics_report(
                [(str(one), made) for one, (_, made) in reports.items()]
            )
            documents = [one for one, _ in reports.values()]
            document = {"metrics": list(reports), "by_metric": documents}
    if not document.get("variants", document.get("outcomes", True)):
        say(f"Note: {', '.join(ids)} has no runs, or none that pass the filters.")
    document = {"experiment_ids": ids, "report_type": report_type.value, **document}
    if output is not None:
        write_report(report, document, output, force=force)
    if as_json:
        emit_json(document)
    else:
        print_report(report, verbose=verbose)
    if output is not None:
        say(f"Wrote {output}.")


def compare(
    experiment_ids: ExperimentIds,
    metric: Metrics = None,
    baseline: Baseline = None,
    contrasts: Contrasts = "vs-baseline",
    by: Annotated[Literal["task"] | None, typer.Option(help="Also compare within each task.")] = (
        None
    ),
    unpaired: Unpaired = False,
    allow: Allow = None,
    cluster: Cluster = None,
    null_cluster: NullCluster = "error",
    cluster_across_tasks: AcrossTasks = False,
    group_map: GroupMap = None,
    interval: Interval = "wilson",
    difference_interval: DifferenceInterval = "bonett-price",
    test: Test = "mid-p",
    correction: Correction = "holm",
    family: Family = "metric",
    simultaneous: Simultaneous = False,
    missing: Missing = "exclude",
    margin: Margin = None,
    confidence: Confidence = 0.95,
    approach: Approaches = None,
    provider: Providers = None,
    model: Models = None,
    task: Tasks = None,
    parsing_method: Methods = None,
    created_from: From = None,
    created_to: To = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Also write the comparison to a file; the extension selects the format.",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    force: Force = False,
    fail_on: FailOn = None,
    gate: GateFile = None,
    junit: JUnit = None,
    summary: Summary = None,
    source: Source = None,
    engine: Engine = None,
    spark_master: SparkMaster = None,
    db_path: DbPath = None,
    db_url: DbUrl = None,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Compare variants on the samples they share: differences, intervals, tests.

    As a gate (--fail-on, --gate) it ends with code 6 where a candidate is worse.
    """
    from ml_agents_results.errors import UsageError
    from ml_agents_results.formats.comparison_files import comparison_writer, write_comparison
    from ml_agents_results.formats.report_files import write_report
    from ml_agents_results.reports.comparison_report import comparison_report
    from ml_agents_results.reports.sentences import comparison_document
    from ml_agents_results.reports.several_metrics_report import several_metrics_report
    from ml_agents_results.services.analysis_options import AnalysisOptions
    from ml_agents_results.services.comparison.comparison_service import ComparisonService
    from ml_agents_results.services.comparison.several_metrics import by_metric
    from ml_agents_results.services.metric_choice import named_metrics

    if output is not None:
        comparison_writer(output, force=force)
    rules = gate_from(gate, fail_on, metric, margin, (junit, summary))
    options = AnalysisOptions(
        metric=metric,
        confidence=confidence,
        interval=interval,
        difference_interval=difference_interval,
        test=test,
        correction=correction,
        simultaneous=simultaneous,
        cluster=cluster,
        null_cluster=null_cluster,
        across_tasks=cluster_across_tasks,
        families=families_in(group_map),
        unpaired=unpaired,
        allow=tuple(listed(allow)),
        missing=missing,
        margin=margin,
        contrasts=contrasts,
    )
    with open_source(source, engine, spark_master, db_path, db_url) as runs:
        ids = resolve_ids(runs.connection, experiment_ids)
        if rules is not None:
            ids, baseline = with_baseline(runs.connection, ids, rules, baseline)
        filters = filters_of(
            experiment_id=ids,
            approach_name=approach,
            provider=provider,
            model=model,
            task=task,
            parsing_method=parsing_method,
            created_from=created_from,
            created_to=created_to,
        )
        names = named_metrics(runs, ids, metric)
        if len(names) < 2 and family == "metrics":
            raise UsageError(
                "--family metrics corrects across metrics, and there is one",
                "Name several: --metric a,b.",
            )
        comparisons = [
            ComparisonService(runs, filters, replace(options, metric=name)).compare(
                ids, baseline=baseline, by_task=by == "task"
            )
            for name in names
        ]
        judged = None
        if rules is not None:
            judged = judge(rules, runs, filters, options, ids, baseline)
    if len(comparisons) > 1:
        several = by_metric(comparisons, family, options)
        comparisons = list(several.comparisons)
        document = several.to_dict(list(map(comparison_document, comparisons)))
        report = several_metrics_report(
            [(one.metric, comparison_report(one)) for one in comparisons], family
        )
        if output is not None:
            write_report(report, document, output, force=force)
    else:
        document, report = comparison_document(comparisons[0]), comparison_report(comparisons[0])
        if output is not None:
            write_comparison(comparisons[0], output, force=force)
    if judged is not None:
        document = {**document, "gate": judged.to_dict()}
    if as_json:
        emit_json(document)
    else:
        print_report(report, verbose=verbose)
    if output is not None:
        say(f"Wrote {output}.")
    if judged is not None:
        report_gate(judged, junit=junit, summary=summary, force=force, show=not as_json)
        if judged.failed:
            raise typer.Exit(FAILED)


def _report(
    report_type: ReportType,
    runs: "RunSource",
    ids: list[str],
    filters: "Filters",
    options: "AnalysisOptions",
    baseline: str | None,
) -> "tuple[dict[str, Any], Report]":
    """The document and the report of one type."""
    scope = (runs, filters, options)
    match report_type:
        case ReportType.summary | ReportType.accuracy:
            from ml_agents_results.reports.accuracy_report import accuracy_report, summary_report
            from ml_agents_results.services.summary import SummaryService

            by_task = report_type is ReportType.accuracy
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
        case ReportType.corrected:
            from ml_agents_results.reports.corrected_report import corrected_report
            from ml_agents_results.services.corrected import CorrectedService

            names = listed([options.metric]) if options.metric is not None else []
            corrected = CorrectedService(*scope).report(names, baseline=baseline)
            return corrected.to_dict(), corrected_report(corrected)
        case ReportType.agreement:
            from ml_agents_results.reports.agreement_report import agreement_report
            from ml_agents_results.services.agreement import AgreementService

            names = listed([options.metric]) if options.metric is not None else []
            agreement = AgreementService(*scope).report(names)
            return agreement.to_dict(), agreement_report(agreement)
