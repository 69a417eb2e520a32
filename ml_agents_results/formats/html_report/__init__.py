"""HTML report: one interactive page that needs no network and runs only our own scripts.

Whatever a model, a dataset or a user wrote reaches the page as text: the template escapes it, the
script shows samples as text, and the page's content security policy allows only the three scripts
whose digests it lists.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, BinaryIO

from markupsafe import Markup

from ml_agents_results.formats.html_report.figures import (
    comparison_figures,
    figures,
    measured,
)
from ml_agents_results.formats.html_report.samples import samples_of
from ml_agents_results.formats.json_encoding import json_bytes
from ml_agents_results.formats.record_objects import experiment_object
from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.records import Variant, variant_labels
from ml_agents_results.reports.comparison_report import comparison_report
from ml_agents_results.reports.cost_report import cost_report
from ml_agents_results.reports.failure_report import failure_report
from ml_agents_results.reports.html import text, view_html
from ml_agents_results.reports.latency_report import latency_report
from ml_agents_results.reports.paper_report import paper_comparison
from ml_agents_results.reports.parsing_report import parsing_report
from ml_agents_results.reports.report import View
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.services.comparison.comparison_result import Comparison

PARTS = ("summary", "comparisons", "runs", "parsing", "costs", "failures", "metadata")
_SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "charts.js", "samples.js")


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes the page of one or several experiments."""
    variants = [row.variant for row in snapshot.accuracy.variants]
    labels = variant_labels(variants) if variants else {}
    comparison = snapshot.comparison if snapshot.includes("comparisons") else None
    views: dict[str, Sequence[View]] = {}
    if snapshot.includes("costs"):
        views["costs"] = cost_report(snapshot.costs).views
        views["latency"] = latency_report(snapshot.latency).views
    if snapshot.includes("parsing"):
        views["parsing"] = parsing_report(snapshot.parsing).views
    if snapshot.includes("failures"):
        views["failures"] = failure_report(snapshot.failures).views
    page = {
        "title": ", ".join(one.name or one.id for one in snapshot.experiments),
        "experiments": [_facts(experiment_object(one)) for one in snapshot.experiments],
        "with_metadata": snapshot.includes("metadata"),
        "runs": sum(row.runs for row in snapshot.accuracy.variants),
        "measured": measured(snapshot.accuracy.variants),
        "paper": snapshot.paper.views if snapshot.includes("summary") else [],
        "views": views,
        **_findings(comparison, labels),
    }
    data = {"figures": figures(snapshot, labels)}
    if snapshot.includes("runs") and variants:
        data["samples"] = samples_of(snapshot, labels)
    _write(page, data, file)


def write_comparison(comparison: Comparison, file: BinaryIO) -> None:
    """Writes the page of a comparison: its findings, accuracies and tables."""
    labels = variant_labels([row.variant for row in comparison.variants])
    page = {
        "title": ", ".join(comparison.experiment_ids),
        "experiments": [],
        "with_metadata": False,
        "runs": sum(row.runs for row in comparison.variants),
        "measured": measured(comparison.variants),
        "paper": paper_comparison(comparison).views,
        "views": {},
        **_findings(comparison, labels),
    }
    _write(page, {"figures": comparison_figures(comparison, labels)}, file)


def _findings(comparison: Comparison | None, labels: Mapping[Variant, str]) -> dict[str, Any]:
    if comparison is None:
        return {"sentences": [], "warnings": []}
    return {
        "sentences": [
            (
                pair.verdict,
                f"{labels[pair.candidate]} against {labels[pair.baseline]}",
                comparison_sentence(pair),
            )
            for pair in comparison.comparisons
        ],
        "warnings": comparison_report(comparison).notes,
    }


def _facts(experiment: dict[str, Any]) -> dict[str, Any]:
    """The experiment with its configuration and environment as readable JSON."""
    for name in ("config", "environment"):
        experiment[name] = json_bytes(experiment[name], indent=True).decode()
    return experiment


def _write(page: Mapping[str, Any], data: Mapping[str, Any], file: BinaryIO) -> None:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("ml_agents_results.formats", "html_report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters["table"] = lambda view: Markup(view_html(view))
    folder = files("ml_agents_results.formats.html_report")
    scripts = [folder.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS]
    rendered = environment.get_template("page.html").render(
        **page,
        drawn={name for name, rows in data["figures"].items() if rows},
        has_samples=bool(data.get("samples", {}).get("samples")),
        policy=_policy(scripts),
        style=Markup(folder.joinpath("page.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        data=Markup(_embedded(data)),
        licences=folder.joinpath("vendor/LICENSES.txt").read_text(encoding="utf-8"),
    )
    # Only lone surrogates are beyond UTF-8.
    file.write(rendered.encode("utf-8", "backslashreplace"))


def _policy(scripts: Sequence[str]) -> str:
    """The content security policy: no network, no scripts but ours."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _embedded(data: Mapping[str, Any]) -> str:
    """JSON in which no HTML parser finds the end of its element."""
    text = json_bytes(data).decode()
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _visible(value: Any) -> Any:
    return Markup(text(value)) if type(value) is str else value
