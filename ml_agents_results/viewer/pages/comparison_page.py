"""Comparison: variants of one or several experiments, the sentence first."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import Response

from ml_agents_results.errors import UsageError
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.reports.report import View
from ml_agents_results.reports.sentences import comparison_document
from ml_agents_results.repositories.experiment_repository import ExperimentRepository
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_filters import RunFilters
from ml_agents_results.repositories.run_list import RunLine, RunListRepository
from ml_agents_results.services.analysis_options import ALLOWANCES, AnalysisOptions
from ml_agents_results.services.comparison.comparison_result import Comparison
from ml_agents_results.services.comparison.comparison_service import ComparisonService
from ml_agents_results.services.summary import SummaryReport
from ml_agents_results.viewer.cell_links import cell_links, sample_link
from ml_agents_results.viewer.form_values import require_known
from ml_agents_results.viewer.grid_query import MOST_EXPERIMENTS
from ml_agents_results.viewer.heat_map import HeatMap, heat_map
from ml_agents_results.viewer.pages.experiment_page import PairFinding, findings_of
from ml_agents_results.viewer.pages.sample_grid_page import grid_url
from ml_agents_results.viewer.site import Site
from ml_agents_results.viewer.variant_links import variant_of

MOST = 50
"""Experiments that are compared at once."""

LISTED = 10
"""Samples that are listed of each kind of change."""


@dataclass(frozen=True, slots=True)
class Changed:
    """The first samples that changed sides between two variants."""

    finding: PairFinding
    improved: Sequence[RunLine]
    regressed: Sequence[RunLine]


@dataclass(frozen=True, slots=True)
class _Shown:
    comparison: Comparison
    labels: Mapping[Variant, str]
    changed: Sequence[Changed]
    notes: Sequence[str]
    methods: Sequence[str]
    views: Sequence[View]
    folded: Sequence[View]
    heat_map: HeatMap | None
    metrics: Sequence[str]
    names: Mapping[str, str]
    running: Sequence[str]


def show(site: Site, request: Request) -> Response:
    return site.kept(request, lambda: _page(site, request))


def _page(site: Site, request: Request) -> Response:
    params = request.query_params
    ids, baseline, options = _asked(site, request)
    shown = site.store.figures(
        ("compare", ids, baseline, options), partial(_compute, ids, baseline, options)
    )
    tasks = [task.task for task in shown.comparison.tasks]
    return site.page(
        "compare.html",
        title=" and ".join(shown.names[one] for one in ids) if len(ids) < 4 else "Comparison",
        crumbs=[("/", "Experiments")],
        shown=shown,
        ids=ids,
        baseline=baseline,
        options=options,
        clusters=site.clusters(ids, options.cluster),
        samples_url=grid_url(ids) if len(ids) <= MOST_EXPERIMENTS else None,
        link=cell_links(shown.labels, tasks, primary=options.metric is None),
        sample_url=lambda line: (
            sample_link(line.experiment_id, line.task, line.sample_index) + f"&run={line.id}"
        ),
        allowing=_url("/compare", request, allow=ALLOWANCES),
        commands=[_command(site, ids, baseline, options)],
        exports=[(_url("/compare.json", request), "JSON")],
        params=params,
    )


def document(site: Site, request: Request) -> Response:
    """The document of `compare --json`."""
    ids, baseline, options = _asked(site, request)
    shown = site.store.figures(
        ("compare", ids, baseline, options), partial(_compute, ids, baseline, options)
    )
    content = json_bytes(comparison_document(shown.comparison), indent=True)
    return Response(content, media_type="application/json")


def _asked(site: Site, request: Request) -> tuple[tuple[str, ...], Variant | None, AnalysisOptions]:
    params = request.query_params
    require_known(params, ("experiment", "metric", "baseline", "cluster", "allow"))
    ids = tuple(dict.fromkeys(params.getlist("experiment")))
    if not ids:
        raise UsageError("no experiment is named", "Tick some in the list of experiments.")
    if len(ids) > MOST:
        raise UsageError(f"{len(ids)} experiments are too many for a page", f"Take {MOST} or less.")
    baseline = None
    if slug := params.get("baseline"):
        with site.store.read() as connection:
            for one in ids:
                ExperimentRepository(connection).get(one)
        baseline = variant_of(slug, [v for one in ids for v in site.variants(one)])
    allow = tuple(one for one in params.getlist("allow") if one)
    metric, cluster = params.get("metric") or None, params.get("cluster") or None
    return ids, baseline, AnalysisOptions(metric=metric, cluster=cluster, allow=allow)


def _compute(
    ids: tuple[str, ...],
    baseline: Variant | None,
    options: AnalysisOptions,
    connection: Connection,
) -> _Shown:
    experiments = ExperimentRepository(connection)
    records = {one: experiments.get(one) for one in ids}
    comparison = ComparisonService(connection, Filters(experiment_id=ids), options).compare(
        ids, baseline=None if baseline is None else str(baseline), by_task=True
    )
    labels = variant_labels([row.variant for row in comparison.variants])
    report = comparison_report(comparison)
    means = SummaryReport(
        comparison.confidence_level,
        comparison.variants,
        [(task.task, task.variants) for task in comparison.tasks],
    )
    found = findings_of(comparison, labels, primary=options.metric is None)
    several = len(comparison.tasks) > 1
    order = ("differences", "variants", "counts", "macro", "measures")
    named = {name: [v for v in report.views if v.name == name] for name in order}
    return _Shown(
        comparison,
        labels,
        [
            _changed(connection, finding, pair.candidate, pair.baseline)
            for finding, pair in zip(found, comparison.comparisons, strict=True)
        ],
        report.notes,
        report.methods,
        [view for name in order for view in named[name] if several or name != "macro"],
        [view for view in report.views if view.name == "tasks"] if several else [],
        heat_map(means, labels) if several else None,
        list(dict.fromkeys(one.name for r in records.values() for one in r.metrics or ())),
        {one: record.name or one for one, record in records.items()},
        [one for one, record in records.items() if record.status == "running"],
    )


def _changed(
    connection: Connection, finding: PairFinding, candidate: Variant, baseline: Variant
) -> Changed:
    """The lists are empty where samples are not paired by their indexes."""
    if finding.improved is None:
        return Changed(finding, (), ())
    runs = RunListRepository(connection)
    lists: dict[str, Sequence[Any]] = {}
    for change in ("improved", "regressed"):
        filters = RunFilters(
            candidate.experiment_id,
            change=change,
            candidate=candidate,
            baseline=baseline,
        )
        lists[change] = runs.page(filters, limit=LISTED).lines
    return Changed(finding, lists["improved"], lists["regressed"])


def _url(path: str, request: Request, allow: Sequence[str] | None = None) -> str:
    pairs = [(name, value) for name, value in request.query_params.multi_items() if value]
    if allow is not None:
        pairs = [pair for pair in pairs if pair[0] != "allow"] + [("allow", one) for one in allow]
    return f"{path}?" + urlencode(pairs, errors="surrogatepass")


def _command(
    site: Site, ids: Sequence[str], baseline: Variant | None, options: AnalysisOptions
) -> str:
    words = ["ml-agents", "compare", "--experiment-ids", shlex.quote(",".join(ids))]
    if options.metric:
        words += ["--metric", shlex.quote(options.metric)]
    if baseline is not None:
        words += ["--baseline", shlex.quote(str(baseline))]
    if options.cluster:
        words += ["--cluster", shlex.quote(options.cluster)]
    if options.allow:
        words += ["--allow", ",".join(options.allow)]
    return " ".join([*words, "--by task", site.store.database.option])
