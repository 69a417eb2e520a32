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

from ml_agents_results.exporters.definitions import COLUMNS
from ml_agents_results.exporters.encoding import experiment_object, json_bytes
from ml_agents_results.exporters.html.figures import comparison_figures, figures
from ml_agents_results.exporters.html.samples import samples_of
from ml_agents_results.exporters.paper import comparison_tables, paper_tables
from ml_agents_results.exporters.source import Source
from ml_agents_results.exporters.tables import (
    Table,
    cost_tables,
    failure_tables,
    parsing_tables,
)
from ml_agents_results.records import Arm
from ml_agents_results.services.comparison import Comparison
from ml_agents_results.services.statistics.verdict import format_p
from ml_agents_results.services.wording import (
    UNKNOWN,
    arm_labels,
    dollars,
    explain,
    milliseconds,
    percent,
    points,
)

PARTS = ("summary", "comparisons", "runs", "parsing", "costs", "failures", "metadata")
_SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "report.js")
_SIGNED = ("difference", "confidence_gap")
# Control characters have pictures of their own.
_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"} | {127: 0x2421}
_COLUMNS = {
    "Costs": ("arm", "runs", "priced", "total_cost", "mean_cost", "cost_per_correct", "accuracy"),
    "Parsing by method": (
        *("arm", "parsing_method", "runs", "accuracy", "mean_parsing_confidence"),
        *("confidence_gap", "fallback_rate", "parsing_errors"),
    ),
    "Calibration of the confidence": (
        *("arm", "rated", "brier", "calibration_error", "calibration_error_if_calibrated"),
        "auroc",
    ),
}
_MOST_ROWS = 60


def write(source: Source, file: BinaryIO) -> None:
    """Writes the page of one or several experiments."""
    arms = [row.arm for row in source.accuracy.arms]
    labels = arm_labels(arms) if arms else {}
    comparison = source.comparison if source.includes("comparisons") else None
    tables: dict[str, Sequence[Table]] = {}
    if source.includes("costs"):
        tables["costs"] = cost_tables(source.costs)
    if source.includes("parsing"):
        tables["parsing"] = parsing_tables(source.parsing)
    if source.includes("failures"):
        tables["failures"] = failure_tables(source.failures)
    page = {
        "title": ", ".join(one.name or one.id for one in source.experiments),
        "experiments": [_facts(experiment_object(one)) for one in source.experiments],
        "with_metadata": source.includes("metadata"),
        "runs": sum(row.runs for row in source.accuracy.arms),
        "paper": paper_tables(source) if source.includes("summary") else [],
        "latency": _latency_rows(source, labels) if source.includes("costs") else [],
        "tables": tables,
        **_findings(comparison, labels),
    }
    data = {"figures": figures(source, labels)}
    if source.includes("runs") and arms:
        data["samples"] = samples_of(source, labels)
    _write(page, data, file)


def write_comparison(comparison: Comparison, file: BinaryIO) -> None:
    """Writes the page of a comparison: its findings, accuracies and tables."""
    labels = arm_labels([row.arm for row in comparison.arms])
    page = {
        "title": ", ".join(comparison.experiment_ids),
        "experiments": [],
        "with_metadata": False,
        "runs": sum(row.runs for row in comparison.arms),
        "paper": comparison_tables(comparison),
        "latency": [],
        "tables": {},
        **_findings(comparison, labels),
    }
    _write(page, {"figures": comparison_figures(comparison, labels)}, file)


def _findings(comparison: Comparison | None, labels: Mapping[Arm, str]) -> dict[str, Any]:
    if comparison is None:
        return {"sentences": [], "warnings": []}
    codes = dict.fromkeys(code for pair in comparison.pairs for code in pair.warnings)
    return {
        "sentences": [
            (
                pair.verdict,
                f"{labels[pair.treatment]} against {labels[pair.baseline]}",
                pair.sentence,
            )
            for pair in comparison.pairs
        ],
        "warnings": [*map(explain, codes), *comparison.warnings],
    }


def _facts(experiment: dict[str, Any]) -> dict[str, Any]:
    """The experiment with its configuration and environment as readable JSON."""
    for name in ("config", "environment"):
        experiment[name] = json_bytes(experiment[name], indent=True).decode()
    return experiment


def _latency_rows(source: Source, labels: Mapping[Arm, str]) -> list[list[str]]:
    return [
        [
            labels[row.arm],
            f"{row.summary.n_timed:,}",
            milliseconds(row.summary.mean),
            *(milliseconds(quantile.value) for quantile in row.quantiles),
            milliseconds(row.summary.maximum),
        ]
        for row in source.latency.arms
        if row.summary.n_timed
    ]


def _write(page: Mapping[str, Any], data: Mapping[str, Any], file: BinaryIO) -> None:
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=PackageLoader("ml_agents_results.exporters", "html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters["shown"] = _shown
    environment.filters["chosen"] = _chosen
    folder = files("ml_agents_results.exporters.html")
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
