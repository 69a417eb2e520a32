"""analyze and compare: statistics of recorded results."""

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from ml_agents_results.cli.analysis_reports import (
    OF_RATERS,
    Pool,
    ReportType,
    made_report,
    require_options_apply,
)
from ml_agents_results.cli.experiment_lookup import (
    EXPERIMENTS,
    OPTIONAL_EXPERIMENTS,
)
from ml_agents_results.cli.gate_options import GateOptions, with_baseline
from ml_agents_results.cli.help_panels import OUTPUT, STATISTICS
from ml_agents_results.cli.log_files import imported_files
from ml_agents_results.cli.option_groups import Names, argument, grouped, option
from ml_agents_results.cli.option_values import completing, listed, path_here
from ml_agents_results.cli.output_options import FORCE, JSON, VERBOSE, emit_json
from ml_agents_results.cli.selection_options import SelectionOptions
from ml_agents_results.cli.source_options import SourceOptions
from ml_agents_results.cli.statistics_options import (
    BASELINE,
    METRICS,
    ComparisonOptions,
    FigureOptions,
)
from ml_agents_results.reports.terminal import print_report, say, write
from ml_agents_results.statistics import choices

if TYPE_CHECKING:
    from ml_agents_results.reports.report import Report


@grouped
def analyze(
    experiment_ids: list[str] = EXPERIMENTS,
    report_type: ReportType = option(
        "TYPE", f"What to report on: {', '.join(ReportType)}.", default=ReportType.summary
    ),
    *,
    selection: SelectionOptions,
    metric: str | None = METRICS,
    baseline: str | None = BASELINE,
    figures: FigureOptions,
    pool: Pool | None = option(
        None,
        "With --report-type repeats: treat variants that differ only in this as seeds (or prompts) "
        "of one.",
        panel=STATISTICS,
    ),
    output: Path | None = option(
        "FILE",
        "Also write the report to a file; the extension selects the format: json, md, tex, html, "
        "xlsx, and svg for a ranking.",
        panel=OUTPUT,
        parser=path_here,
    ),
    force: bool = FORCE,
    source: SourceOptions,
    verbose: bool = VERBOSE,
    as_json: bool = JSON,
) -> None:
    """Report accuracy, ranks, times, costs, failures, agreement and more, with error bars."""
    from ml_agents_results.formats.report_files import require_report_file, write_report
    from ml_agents_results.reports.several_metrics_report import several_metrics_report
    from ml_agents_results.services.metric_choice import named_metrics

    if output is not None:
        require_report_file(output, force=force)
    require_options_apply(
        report_type,
        {
            "--baseline": baseline is not None,
            "--metric": metric is not None,
            "--pool": pool is not None,
            "--interval": figures.interval != "wilson",
            "--missing": figures.missing != "exclude",
            "--cluster": figures.cluster is not None,
            "--null-cluster": figures.null_cluster != "error",
            "--cluster-across-tasks": figures.cluster_across_tasks,
            "--group-map": figures.group_map is not None,
        },
    )
    options = figures.analysis(metric=metric)
    with source.runs() as runs:
        ids = source.ids(runs, experiment_ids)
        filters = selection.filters(ids)
        names = named_metrics(runs, ids, metric)
        rated = report_type in OF_RATERS
        reports = {
            name: made_report(
                report_type,
                (runs, filters, replace(options, metric=name)),
                baseline=baseline,
                pool=pool,
                raters=list(filter(None, names)) if rated else [],
            )
            for name in ([None] if rated else names)
        }
    document, report = next(iter(reports.values()))
    if len(reports) > 1:
        report = several_metrics_report([(str(name), one) for name, (_, one) in reports.items()])
        documents = [one for one, _ in reports.values()]
        document = {"metrics": list(reports), "by_metric": documents}
    found = ("variants", "outcomes", "pooled")
    if not any(document.get(name) for name in found) and any(name in document for name in found):
        say(f"Note: {', '.join(ids)} has no runs, or none that pass the filters.")
    document = {"experiment_ids": ids, "report_type": report_type.value, **document}
    if output is not None:
        write_report(report, document, output, force=force)
    _show(document, report, output, verbose=verbose, as_json=as_json)


@grouped
def compare(
    files: Names = argument(
        "FILE",
        "Logs or archives to compare by themselves, as `import` reads them; the first has the "
        "baseline.",
        default=None,
    ),
    experiment_ids: Names = OPTIONAL_EXPERIMENTS,
    metric: str | None = METRICS,
    baseline: str | None = BASELINE,
    by: Literal["task"] | None = option(None, "Also compare within each task."),
    pool: choices.Pool | None = option(
        "experiment",
        "Join experiments that differ in their seed: their runs are then repeats of one variant.",
        panel=STATISTICS,
    ),
    allow: Names = option(
        "WHAT,...",
        "Compare variants even if their dataset, grader or metric differs.",
        autocompletion=completing(lambda: get_args(choices.Allowance)),
        panel=STATISTICS,
    ),
    family: choices.Family = option(
        None,
        "Tests that p values are corrected for: those by one metric, or those by all metrics.",
        default="metric",
        panel=STATISTICS,
    ),
    *,
    comparison: ComparisonOptions,
    selection: SelectionOptions,
    output: Path | None = option(
        "FILE",
        "Also write the comparison to a file; the extension selects the format.",
        panel=OUTPUT,
        parser=path_here,
    ),
    force: bool = FORCE,
    gate: GateOptions,
    source: SourceOptions,
    verbose: bool = VERBOSE,
    as_json: bool = JSON,
) -> None:
    """Compare variants on the samples they share: differences, intervals, tests.

    As a gate (--fail-on, --gate) it ends with code 6 where a candidate is worse.
    """
    from ml_agents_results.errors import UsageError
    from ml_agents_results.formats.report_files import (
        require_comparison_file,
        write_comparison,
        write_report,
    )
    from ml_agents_results.reports.comparison_report import comparison_report
    from ml_agents_results.reports.gate_report import gate_report
    from ml_agents_results.reports.sentences import comparison_document
    from ml_agents_results.reports.several_metrics_report import several_metrics_report
    from ml_agents_results.services.comparison.comparison_result import by_metric
    from ml_agents_results.services.comparison.comparison_service import ComparisonService
    from ml_agents_results.services.gate import GateService
    from ml_agents_results.services.metric_choice import named_metrics

    if output is not None:
        require_comparison_file(output, force=force)
    rules = gate.rules(metric, comparison.margin)
    options = comparison.analysis(metric=metric, pool=pool, allow=tuple(listed(allow)))
    if files and (experiment_ids or source.source or source.given):
        raise UsageError(
            "files are compared by themselves, without a database",
            "Import them, and name experiments: --experiment-ids A,B.",
        )
    with ExitStack() as stack:
        if files:
            runs, named = stack.enter_context(imported_files(files))
        else:
            runs, named = stack.enter_context(source.runs()), experiment_ids or []
        ids = source.ids(runs, named)
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
        if not as_json:
            # Its verdict is the answer; what follows has other tests, and no margin.
            print_report(gate_report(judged))
            write()
    _show(document, report, output, verbose=verbose, as_json=as_json)
    if judged is not None:
        gate.report(judged, force=force)


def _show(
    document: dict[str, Any],
    report: "Report",
    output: Path | None,
    *,
    verbose: bool,
    as_json: bool,
) -> None:
    """Prints a report, and names the file that it was written to."""
    if as_json:
        emit_json(document)
    else:
        print_report(report, verbose=verbose)
    if output is not None:
        say(f"Wrote {output}.")
