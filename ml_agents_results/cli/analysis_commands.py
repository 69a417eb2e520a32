"""analyze and compare: statistics of recorded results."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import typer

from ml_agents_results.cli.analysis_reports import (
    OF_RATERS,
    Pool,
    ReportRequest,
    ReportType,
    made_report,
    require_options_apply,
)
from ml_agents_results.cli.database_options import DbPath, DbUrl
from ml_agents_results.cli.experiment_lookup import (
    ExperimentIds,
    OptionalExperimentIds,
    resolve_ids,
)
from ml_agents_results.cli.gate_options import (
    FAILED,
    FailOn,
    GateFile,
    JUnit,
    Summary,
    gate_from,
    report_gate,
    with_baseline,
)
from ml_agents_results.cli.help_panels import OUTPUT, STATISTICS
from ml_agents_results.cli.log_files import imported_files
from ml_agents_results.cli.option_groups import grouped
from ml_agents_results.cli.option_values import listed
from ml_agents_results.cli.output_options import Force, Json, Verbose, emit_json
from ml_agents_results.cli.selection_options import SelectionOptions
from ml_agents_results.cli.source_options import Engine, Source, SparkMaster, open_source
from ml_agents_results.cli.statistics_options import (
    Allow,
    Baseline,
    ComparisonOptions,
    Family,
    FigureOptions,
    Metrics,
    Pooled,
)
from ml_agents_results.reports.terminal import print_report, say

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


@grouped
def analyze(
    *,
    experiment_ids: ExperimentIds,
    report_type: Annotated[
        ReportType,
        typer.Option(metavar="TYPE", help=f"What to report on: {', '.join(ReportType)}."),
    ] = ReportType.summary,
    selection: SelectionOptions,
    metric: Metrics = None,
    baseline: Baseline = None,
    figures: FigureOptions,
    pool: Annotated[
        Pool | None,
        typer.Option(
            help="With --report-type repeats: take variants that differ in this only for seeds "
            "(or prompts) of one.",
            rich_help_panel=STATISTICS,
        ),
    ] = None,
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
    from ml_agents_results.formats.report_files import require_report_file, write_report
    from ml_agents_results.reports.several_metrics_report import several_metrics_report
    from ml_agents_results.services.metric_choice import named_metrics

    if output is not None:
        require_report_file(output, force=force)
    require_options_apply(
        report_type,
        baseline=baseline,
        metric=metric,
        pool=pool,
        given={
            "--interval": figures.interval != "wilson",
            "--missing": figures.missing != "exclude",
            "--cluster": figures.cluster is not None,
            "--null-cluster": figures.null_cluster != "error",
            "--cluster-across-tasks": figures.cluster_across_tasks,
            "--group-map": figures.group_map is not None,
        },
    )
    options = figures.analysis(metric=metric)
    with open_source(source, engine, spark_master, db_path, db_url) as runs:
        ids = resolve_ids(runs.connection, experiment_ids)
        filters = selection.filters(ids)
        names = named_metrics(runs, ids, metric)
        raters = list(filter(None, names)) if report_type in OF_RATERS else []
        asked = ReportRequest(report_type, baseline, pool, raters)
        reports = {
            one: made_report(asked, runs, filters, replace(options, metric=one))
            for one in ([None] if report_type in OF_RATERS else names)
        }
        document, report = next(iter(reports.values()))
        if len(reports) > 1:
            report = several_metrics_report(
                [(str(one), made) for one, (_, made) in reports.items()]
            )
            documents = [one for one, _ in reports.values()]
            document = {"metrics": list(reports), "by_metric": documents}
    found = ("variants", "outcomes", "pooled")
    if not any(document.get(name) for name in found) and any(name in document for name in found):
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


@grouped
def compare(
    *,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Logs or archives to compare by themselves, as `import` reads them; the first has "
            "the baseline.",
        ),
    ] = None,
    experiment_ids: OptionalExperimentIds = None,
    metric: Metrics = None,
    baseline: Baseline = None,
    by: Annotated[Literal["task"] | None, typer.Option(help="Also compare within each task.")] = (
        None
    ),
    pool: Pooled = None,
    allow: Allow = None,
    family: Family = "metric",
    comparison: ComparisonOptions,
    selection: SelectionOptions,
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
    from ml_agents_results.services.comparison.comparison_service import ComparisonService
    from ml_agents_results.services.comparison.several_metrics import by_metric
    from ml_agents_results.services.gate import GateService
    from ml_agents_results.services.metric_choice import named_metrics

    if output is not None:
        comparison_writer(output, force=force)
    rules = gate_from(gate, fail_on, metric, comparison.margin, (junit, summary))
    options = comparison.analysis(metric=metric, pool=pool, allow=tuple(listed(allow)))
    if files and (experiment_ids or source or db_path or db_url):
        raise UsageError(
            "files are compared by themselves, without a database",
            "Import them, and name experiments: --experiment-ids A,B.",
        )
    with ExitStack() as stack:
        if files:
            runs, named = stack.enter_context(imported_files(files))
        else:
            opened = open_source(source, engine, spark_master, db_path, db_url)
            runs, named = stack.enter_context(opened), experiment_ids or []
        ids = resolve_ids(runs.connection, named)
        if rules is not None:
            ids, baseline = with_baseline(runs.connection, ids, rules, baseline)
        filters = selection.filters(ids)
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
            judged = GateService(runs, filters, options).judge(ids, rules, baseline=baseline)
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
