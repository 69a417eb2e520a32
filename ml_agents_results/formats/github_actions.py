"""GitHub Actions: a gate's summary, annotations and outputs, where its runner looks for them."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ml_agents_results.reports.gate_report import gate_report, row_rule, sentence, why
from ml_agents_results.reports.markdown import escape, report_markdown
from ml_agents_results.services.gate import GateReport

_LONGEST_SUMMARY = 60 * 1024
"""Bytes; above 1 MiB GitHub drops the whole summary, and a comment holds 65,536 characters."""
_MOST = 10
"""Annotations of a kind; more are hidden."""


def summary_markdown(report: GateReport) -> str:
    """The sentence, then the table, within what a comment holds."""
    text = f"**{escape(sentence(report))}**\n\n{report_markdown(gate_report(report))}\n"
    if len(text.encode("utf-8", "replace")) <= _LONGEST_SUMMARY:
        return text
    failing = "\n".join(f"- {escape(row_rule(row))}" for row in report.rows if row.fails)
    return f"**{escape(sentence(report))}**\n\nToo many rules for a table.\n{failing}\n"[
        : _LONGEST_SUMMARY // 4
    ]


def annotations(report: GateReport) -> Iterator[str]:
    """Workflow commands: an error per rule that fails, a warning per undecided one."""
    shown = {"error": 0, "warning": 0}
    for row in report.rows:
        kind = "error" if row.fails else "warning" if row.verdict == "undecided" else None
        if kind is None or shown[kind] == _MOST:
            continue
        shown[kind] += 1
        title = f"Gate: {row_rule(row)}"
        message = f"{row.candidate} against {row.baseline}: {why(row, report.alpha)}"
        yield f"::{kind} title={_property(title)}::{_data(message)}"


def outputs(report: GateReport) -> Mapping[str, str]:
    """Step outputs: verdict, and the figures of the first rule."""
    first = report.rows[0] if report.rows else None
    figures = {
        name: "" if first is None or getattr(first, name) is None else str(getattr(first, name))
        for name in ("difference", "ci_low", "ci_high", "samples", "samples_needed")
    }
    return {"verdict": report.verdict, **figures}


def tell_github(report: GateReport, environment: Mapping[str, str]) -> None:
    """Appends summary and outputs to the files that the environment names."""
    text = {"GITHUB_STEP_SUMMARY": summary_markdown(report)}
    text["GITHUB_OUTPUT"] = "".join(f"{name}={value}\n" for name, value in outputs(report).items())
    for name, added in text.items():
        if path := environment.get(name):
            with Path(path).open("a", encoding="utf-8", errors="replace") as file:
                file.write(added)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
