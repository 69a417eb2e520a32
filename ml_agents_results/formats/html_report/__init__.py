"""A report to click through: one page that needs no network, nothing of it run but our own code.

Whatever a model, a data set or a user wrote reaches the page as text: the template escapes it, the
samples are data that the script shows as text, and the page's own policy forbids every script but
the three whose digests it names.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, BinaryIO

from ml_agents_results.formats.html_report.figures import comparison_figures, figures
from ml_agents_results.formats.html_report.samples import samples_of
from ml_agents_results.formats.json_encoding import experiment_object, json_bytes
from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.records import Variant
from ml_agents_results.reports.columns import COLUMNS
from ml_agents_results.reports.paper_tables import comparison_tables
from ml_agents_results.reports.sentences import comparison_sentence
from ml_agents_results.reports.tables import (
    Table,
    cost_tables,
    failure_tables,
    parsing_tables,
)
from ml_agents_results.reports.wording import (
    UNKNOWN,
    dollars,
    explain,
    format_p,
    milliseconds,
    percent,
    points,
    variant_labels,
)
from ml_agents_results.services.comparison.comparison_service import Comparison

PARTS = ("summary", "comparisons", "runs", "parsing", "costs", "failures", "metadata")
_SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "report.js")
_SIGNED = ("difference", "confidence_gap")
# Control characters have pictures of their own.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
_COLUMNS = {
    "Costs": (
        "variant",
        "runs",
        "priced",
        "total_cost",
        "mean_cost",
        "cost_per_correct",
        "accuracy",
    ),
    "Parsing by method": (
        *("variant", "parsing_method", "runs", "accuracy", "mean_parsing_confidence"),
        *("confidence_gap", "fallback_rate", "parsing_errors"),
    ),
    "Calibration of the confidence": (
        *("variant", "rated", "brier", "calibration_error", "calibration_error_if_calibrated"),
        "auroc",
    ),
}
_MOST_ROWS = 60


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes the page of one or several experiments."""
    variants = [row.variant for row in snapshot.accuracy.variants]
    labels = variant_labels(variants) if variants else {}
    comparison = snapshot.comparison if snapshot.includes("comparisons") else None
    tables: dict[str, Sequence[Table]] = {}
    if snapshot.includes("costs"):
        tables["costs"] = cost_tables(snapshot.costs)
    if snapshot.includes("parsing"):
        tables["parsing"] = parsing_tables(snapshot.parsing)
    if snapshot.includes("failures"):
        tables["failures"] = failure_tables(snapshot.failures)
    page = {
        "title": ", ".join(one.name or one.id for one in snapshot.experiments),
        "experiments": [_facts(experiment_object(one)) for one in snapshot.experiments],
        "with_metadata": snapshot.includes("metadata"),
        "runs": sum(row.runs for row in snapshot.accuracy.variants),
        "paper": snapshot.paper_tables if snapshot.includes("summary") else [],
        "latency": _latency_rows(snapshot, labels) if snapshot.includes("costs") else [],
        "tables": tables,
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
        "paper": comparison_tables(comparison),
        "latency": [],
        "tables": {},
        **_findings(comparison, labels),
    }
    _write(page, {"figures": comparison_figures(comparison, labels)}, file)


def _findings(comparison: Comparison | None, labels: Mapping[Variant, str]) -> dict[str, Any]:
    if comparison is None:
        return {"sentences": [], "warnings": []}
    codes = dict.fromkeys(code for pair in comparison.comparisons for code in pair.warnings)
    return {
        "sentences": [
            (
                pair.verdict,
                f"{labels[pair.candidate]} against {labels[pair.baseline]}",
                comparison_sentence(pair),
            )
            for pair in comparison.comparisons
        ],
        "warnings": [*map(explain, codes), *comparison.warnings],
    }


def _facts(experiment: dict[str, Any]) -> dict[str, Any]:
    """The experiment with its configuration and environment as readable JSON."""
    for name in ("config", "environment"):
        experiment[name] = json_bytes(experiment[name], indent=True).decode()
    return experiment


def _latency_rows(snapshot: Snapshot, labels: Mapping[Variant, str]) -> list[list[str]]:
    return [
        [
            labels[row.variant],
            f"{row.summary.n_timed:,}",
            milliseconds(row.summary.mean),
            *(milliseconds(quantile.value) for quantile in row.quantiles),
            milliseconds(row.summary.maximum),
        ]
        for row in snapshot.latency.variants
        if row.summary.n_timed
    ]


def _write(page: Mapping[str, Any], data: Mapping[str, Any], file: BinaryIO) -> None:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("ml_agents_results.formats", "html_report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters["shown"] = _shown
    environment.filters["chosen"] = _chosen
    folder = files("ml_agents_results.formats.html_report")
    scripts = [folder.joinpath(name).read_text(encoding="utf-8") for name in _SCRIPTS]
    rendered = environment.get_template("page.html").render(
        **page,
        drawn={name for name, rows in data["figures"].items() if rows},
        has_samples=bool(data.get("samples", {}).get("samples")),
        policy=_policy(scripts),
        style=Markup(folder.joinpath("report.css").read_text(encoding="utf-8")),
        scripts=[Markup(script) for script in scripts],
        data=Markup(_embedded(data)),
        licences=folder.joinpath("vendor/LICENSES.txt").read_text(encoding="utf-8"),
    )
    # Only lone surrogates are beyond UTF-8.
    file.write(rendered.encode("utf-8", "backslashreplace"))


def _policy(scripts: Sequence[str]) -> str:
    """Forbids the network, and every script but ours."""
    digests = (hashlib.sha256(script.encode()).digest() for script in scripts)
    allowed = " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _embedded(data: Mapping[str, Any]) -> str:
    """JSON that no parser of HTML can take for an end of its element."""
    text = json_bytes(data).decode()
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _visible(value: Any) -> Any:
    return value.translate(_PICTURES) if type(value) is str else value


def _chosen(table: Table) -> Table:
    """The columns and rows that a page has room for."""
    columns = _COLUMNS.get(table.title, table.columns)
    places = [table.columns.index(name) for name in columns]
    rows = [[row[place] for place in places] for row in table.rows[:_MOST_ROWS]]
    return Table(table.title, tuple(columns), rows)


def _shown(value: Any, column: str) -> str:
    """A cell as people read it."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float):
        return str(value)
    match COLUMNS[column].kind:
        case "fraction":
            return points(value) if column in _SIGNED else percent(value)
        case "usd":
            return dollars(value)
        case "ms":
            return milliseconds(value)
        case "p":
            return format_p(value)
        case "number":
            return f"{value:.3f}"
        case _:
            return f"{value:,}"
