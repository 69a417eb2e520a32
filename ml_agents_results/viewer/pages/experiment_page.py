"""One experiment: findings first, then what they rest on, part by part."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from ml_agents_results.errors import UsageError
from ml_agents_results.formats.html_report.figures import figures
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.formats.record_objects import experiment_object
from ml_agents_results.formats.snapshot import ExportOptions, Snapshot
from ml_agents_results.records import SCHEMA_VERSION, ExperimentRecord, Variant, variant_labels
from ml_agents_results.reports.accuracy_report import accuracy_report
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.reports.cost_report import cost_report
from ml_agents_results.reports.failure_report import failure_report
from ml_agents_results.reports.latency_report import latency_report
from ml_agents_results.reports.parsing_report import parsing_report
from ml_agents_results.reports.report import Report, View
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.repositories.database_source import DatabaseSource
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.run_list import RunListRepository
from ml_agents_results.repositories.run_source import SharedReads
from ml_agents_results.repositories.tabulator import columns_of_cluster
from ml_agents_results.services.analysis_options import AnalysisOptions
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.sample_clusters import cluster_column
from ml_agents_results.services.study_progress import progress_of
from ml_agents_results.services.variant_summary import VariantSummary
from ml_agents_results.statistics.run_columns import Column
from ml_agents_results.viewer.cell_links import cell_links, changed_link
from ml_agents_results.viewer.form_values import require_known
from ml_agents_results.viewer.heat_map import HeatMap, heat_map
from ml_agents_results.viewer.run_query import RunQuery
from ml_agents_results.viewer.site import Site

PARTS = {
    "findings": "Findings",
    "costs": "Costs and times",
    "parsing": "Parsing",
    "failures": "Failures",
    "about": "About",
}
MOST_IN_CHARTS = 24
"""Nobody can tell more variants than these apart by colour and shape."""

OF_ANY_METRIC = ("findings",)
CLUSTERED = ("findings", "costs", "parsing")
"""The parts whose intervals depend on what runs are clustered by."""


@dataclass(frozen=True, slots=True)
class PairFinding:
    """A sentence about two variants, and where the samples that changed are listed."""

    verdict: str
    names: str
    sentence: str
    improved: str | None
    regressed: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """The runs of an experiment, counted.

    Attributes:
        cost: So far (USD), of an experiment that runs; None without any price.
        unpriced: Runs without a cost.
    """

    runs: int
    graded: int
    failed: int
    cost: float | None = None
    unpriced: int = 0

    @classmethod
    def of(cls, variants: Sequence[VariantSummary]) -> "Head":
        return cls(
            sum(row.runs for row in variants),
            sum(row.graded for row in variants),
            sum(row.failed for row in variants),
        )


@dataclass(frozen=True)
class _ShownPart:
    """What a part of the page shows, computed once while the database stands still."""

    labels: Mapping[Variant, str]
    head: Head | None = None
    tasks: Sequence[str] = ()
    findings: Sequence[PairFinding] = ()
    notes: Sequence[str] = ()
    views: Sequence[View] = ()
    folded: Sequence[View] = ()
    heat_map: HeatMap | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    methods: Sequence[str] = ()


def show(site: Site, request: Request) -> Response:
    experiment_id, _, _ = _named(request)
    with site.store.read() as connection:
        record = ExperimentRepository(connection).get(experiment_id)
    if record.status == "running":
        # Its head is as fresh as counting allows.
        return _page(site, request, record)
    return site.kept(request, lambda: _page(site, request, record))


def _page(site: Site, request: Request, record: ExperimentRecord) -> Response:
    state = site.store.state()
    experiment_id, part, asked = _named(request)
    options = _of_part(part, asked)
    own = _primary(record)
    with site.store.read() as connection:
        some = RunListRepository(connection).count(RunFilters(experiment_id), at_most=0)
    shown = _ShownPart({})
    if part in _READ and some:
        shown = site.store.figures(
            ("experiment", experiment_id, part, options), partial(_compute, part, record, options)
        )
    running = record.status == "running"
    head = _counted(site, experiment_id) if running or shown.head is None else shown.head
    planned = ((record.environment_json or {}).get("plan") or {}).get("runs")
    progress = None
    if running:
        with site.store.read() as connection:
            progress = progress_of(connection, experiment_id, head.runs, planned)
    primary = options.metric in (None, own)
    return site.page(
        "experiment.html",
        title=record.name or record.id,
        live=state or "",
        crumbs=[("/", "Experiments")],
        record=record,
        facts=experiment_object(record),
        pretty=lambda value: json_bytes(value, indent=True).decode(),
        counts=head,
        planned=planned,
        own_metric=own,
        progress=progress,
        unfinished=max(0, planned - head.runs) if running and planned else 0,
        part=part,
        parts=PARTS,
        part_url=lambda name: _url("/experiment", experiment_id, name, asked),
        metrics=[one.name for one in record.metrics or ()],
        metric=options.metric or own,
        with_metrics=part in OF_ANY_METRIC,
        clusters=site.clusters((experiment_id,), asked.cluster) if part in CLUSTERED else (),
        cluster=asked.cluster,
        shown=shown,
        most_in_charts=MOST_IN_CHARTS,
        link=cell_links(shown.labels, shown.tasks, primary=primary),
        runs_url=RunQuery(RunFilters(experiment_id)).url(),
        samples_url="/samples?" + urlencode({"experiment": experiment_id}),
        queues_url="/queues?" + urlencode({"experiment": experiment_id}),
        commands=_commands(site, experiment_id, part, options),
        exports=[(_url("/experiment.json", experiment_id, "findings", asked), "JSON")],
    )


def document(site: Site, request: Request) -> Response:
    """The figures of `analyze --report-type accuracy --json`."""
    experiment_id, _, options = _named(request)

    def compute(connection: Connection) -> dict[str, Any]:
        record = ExperimentRepository(connection).get(experiment_id)
        return _snapshot(connection, record, options).accuracy.to_dict()

    accuracy = site.store.figures(("document", experiment_id, options), compute)
    content = {"schema_version": SCHEMA_VERSION, "experiment_ids": [experiment_id], **accuracy}
    return Response(json_bytes(content, indent=True), media_type="application/json")


def findings_of(
    comparison: Comparison, labels: Mapping[Variant, str], *, primary: bool
) -> list[PairFinding]:
    """The sentences of a comparison; where samples are paired by their indexes, with lists of
    those that changed sides."""
    findings = []
    for pair in comparison.comparisons:
        two = (pair.candidate, pair.baseline)
        listed = primary and pair.pairing_rule == "sample_index"
        findings.append(
            PairFinding(
                pair.verdict,
                f"{labels[pair.candidate]} against {labels[pair.baseline]}",
                comparison_sentence(pair),
                changed_link("improved", *two) if listed else None,
                changed_link("regressed", *two) if listed else None,
            )
        )
    return findings


def _named(request: Request) -> tuple[str, str, AnalysisOptions]:
    params = request.query_params
    require_known(params, ("id", "part", "metric", "cluster"))
    part = params.get("part", "findings")
    if part not in PARTS:
        raise UsageError(f"there is no part {part!r}", f"Choose of: {', '.join(PARTS)}")
    metric, cluster = params.get("metric") or None, params.get("cluster") or None
    return params.get("id", ""), part, AnalysisOptions(metric=metric, cluster=cluster)


def _of_part(part: str, asked: AnalysisOptions) -> AnalysisOptions:
    """What is asked that changes figures of the part."""
    return AnalysisOptions(
        metric=asked.metric if part in OF_ANY_METRIC else None,
        cluster=asked.cluster if part in CLUSTERED else None,
    )


def _url(path: str, experiment_id: str, part: str, asked: AnalysisOptions) -> str:
    options = _of_part(part, asked)
    pairs = {
        "id": experiment_id,
        "part": "" if part == "findings" else part,
        "metric": options.metric,
        "cluster": options.cluster,
    }
    given = {name: value for name, value in pairs.items() if value}
    return f"{path}?" + urlencode(given, errors="surrogatepass")


def _counted(site: Site, experiment_id: str) -> Head:
    cells = site.cells(experiment_id)
    graded = sum(cell.correct + cell.wrong + cell.scored for cell in cells)
    runs, priced = sum(cell.runs for cell in cells), sum(cell.priced for cell in cells)
    cost = sum(cell.total_cost for cell in cells) if priced else None
    return Head(runs, graded, sum(cell.failed for cell in cells), cost, runs - priced)


def _snapshot(
    connection: Connection,
    record: ExperimentRecord,
    options: AnalysisOptions,
    part: str = "findings",
) -> Snapshot:
    """The experiment for the analyses of a part, which share what is read."""
    include = frozenset((part if part in _REPORTS else "summary",))
    columns = (*_READ[part], *columns_of_cluster(cluster_column(options)))
    source = SharedReads(DatabaseSource(connection), columns)
    return Snapshot(connection, (record,), ExportOptions(include, analysis=options), source)


def _compute(
    part: str, record: ExperimentRecord, options: AnalysisOptions, connection: Connection
) -> _ShownPart:
    snapshot = _snapshot(connection, record, options, part)
    labels = variant_labels([row.variant for row in snapshot.accuracy.variants])
    if part == "findings":
        primary = options.metric in (None, _primary(record))
        return _findings(snapshot, labels, primary=primary)
    reports = _REPORTS[part](snapshot)
    return _ShownPart(
        labels,
        Head.of(snapshot.accuracy.variants),
        notes=[note for report in reports for note in report.notes],
        views=[view for report in reports for view in report.views],
        figures=figures(snapshot, labels) if len(labels) <= MOST_IN_CHARTS else {},
        methods=list(dict.fromkeys(method for report in reports for method in report.methods)),
    )


def _findings(snapshot: Snapshot, labels: Mapping[Variant, str], *, primary: bool) -> _ShownPart:
    accuracy, comparison = snapshot.accuracy, snapshot.comparison
    means = accuracy_report(accuracy)
    views = means.views
    tasks = [task for task, _ in accuracy.tasks]
    report = Report("", []) if comparison is None else comparison_report(comparison)
    by_task = [view for view in [*views, *report.views] if view.name in ("tasks", "macro")]
    return _ShownPart(
        labels,
        Head.of(accuracy.variants),
        tasks,
        [] if comparison is None else findings_of(comparison, labels, primary=primary),
        list(dict.fromkeys([*report.notes, *means.notes])),
        [
            *(view for view in views if view.name in ("variants", "repeats")),
            *(view for view in report.views if view.name in ("differences", "counts")),
            *(view for view in views if view.name == "measures"),
        ],
        by_task if len(tasks) > 1 else [],
        heat_map(accuracy, labels) if len(tasks) > 1 else None,
        methods=list(dict.fromkeys([*means.methods, *report.methods])),
    )


def _primary(record: ExperimentRecord) -> str | None:
    return next((one.name for one in record.metrics or () if one.is_primary), None)


_READ: dict[str, tuple[Column, ...]] = {
    "findings": ("sample_index", "fingerprint"),
    "costs": ("cost", "sample_index", "fingerprint"),
    "parsing": ("method", "confidence", "sample_index"),
    "failures": ("method", "sample_index", "fingerprint"),
}
"""What the analyses of a part read of the runs, next to outcomes and times."""

_REPORTS: dict[str, Callable[[Snapshot], Sequence[Report]]] = {
    "costs": lambda one: (cost_report(one.costs), latency_report(one.latency)),
    "parsing": lambda one: (parsing_report(one.parsing),),
    "failures": lambda one: (failure_report(one.failures),),
}


def _commands(site: Site, experiment_id: str, part: str, options: AnalysisOptions) -> list[str]:
    import shlex

    named = f"--experiment-id {shlex.quote(experiment_id)}"
    of = f" --metric {shlex.quote(options.metric)}" if options.metric else ""
    of += f" --cluster {shlex.quote(options.cluster)}" if options.cluster else ""
    where = site.store.database.option
    kinds = {
        "findings": ["accuracy"],
        "costs": ["cost", "latency"],
        "parsing": ["parsing"],
        "failures": ["failures"],
    }
    return [
        *(
            f"ml-agents analyze {named} --report-type {kind}{of} {where}"
            for kind in kinds.get(part, ())
        ),
        *([f"ml-agents compare {named}{of} --by task {where}"] if part == "findings" else []),
        *([f"ml-agents show {named} {where}"] if part == "about" else []),
    ]
