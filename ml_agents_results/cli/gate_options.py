"""Options of a gate: rules that a candidate must hold, and what reports them to CI."""

import os
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from ml_agents_results.cli.help_panels import GATE
from ml_agents_results.cli.option_groups import option
from ml_agents_results.cli.option_values import path_here
from ml_agents_results.errors import NotFoundError, UsageError
from ml_agents_results.reports.terminal import say, workflow_command

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ml_agents_results.services.gate import GateReport
    from ml_agents_results.services.gate_rules import Gate

FAILED = 6
"""The exit code of a gate that fails."""

_option = partial(option, panel=GATE)
_file = partial(_option, "FILE", parser=path_here)


@dataclass
class GateOptions:
    """A gate, and the files that report it."""

    fail_on: Literal["worse", "undecided"] | None = _option(
        None,
        "End with code 6 only where a loss is shown, so that what is undecided ends with 0; "
        "`undecided`: with 6 there, too.",
    )
    gate: Path | None = _file("Rules of a gate in YAML; see docs/ci.md.")
    junit: Path | None = _file("Also write the gate as JUnit XML.")
    summary: Path | None = _file("Also write the gate as Markdown.")

    def rules(self, metric: str | None, margin: float | None) -> "Gate | None":
        """The gate that the options ask for; None without one.

        Raises:
            UsageError: The options contradict each other, or the file is not a gate.
        """
        from ml_agents_results.services.gate_rules import Gate, MetricRule, gate_of
        from ml_agents_results.yaml_text import read_yaml_mapping

        verdicts: tuple[Literal["worse", "undecided"], ...] = (
            ("worse", "undecided") if self.fail_on == "undecided" else ("worse",)
        )
        if self.gate is None:
            if self.fail_on is not None:
                names = (metric or "").split(",")
                return Gate(tuple(MetricRule(name or None, margin) for name in names), verdicts)
            if self.junit or self.summary:
                raise UsageError("--junit and --summary report a gate", "Add --fail-on or --gate.")
            return None
        if metric is not None or margin is not None:
            raise UsageError("--gate names metrics and margins itself", "Leave the options out.")
        example = "gates: [{metric: exact, margin: 0.02}]"
        gate = gate_of(read_yaml_mapping(self.gate, "--gate", example))
        return gate if self.fail_on is None else replace(gate, fail_on=verdicts)

    def report(self, report: "GateReport", *, force: bool) -> None:
        """Writes the files, tells GitHub Actions if it runs this, and ends the command.

        Raises:
            typer.Exit: The gate fails.
        """
        from ml_agents_results.formats.github_actions import (
            annotations,
            summary_markdown,
            tell_github,
        )
        from ml_agents_results.formats.junit import junit_xml
        from ml_agents_results.formats.output_files import open_output

        markdown = summary_markdown(report).encode("utf-8", "replace")
        for path, content in ((self.junit, junit_xml(report)), (self.summary, markdown)):
            if path is not None:
                with open_output(path, force=force) as file:
                    file.write(content)
                say(f"Wrote {path}.")
        if os.environ.get("GITHUB_ACTIONS") == "true":
            tell_github(report, os.environ)
            for line in annotations(report):
                workflow_command(line)
        if report.failed:
            raise typer.Exit(FAILED)


def with_baseline(
    connection: "Connection", ids: list[str], gate: "Gate", baseline: str | None
) -> tuple[list[str], str | None]:
    """The experiments with the gate's baseline first, and the variant to compare with."""
    from ml_agents_results.cli.experiment_lookup import resolve_id
    from ml_agents_results.repositories.experiment_repository import ExperimentRepository

    if baseline is not None or gate.baseline is None:
        return ids, baseline
    if gate.baseline.startswith("tag:"):
        tag = gate.baseline.removeprefix("tag:")
        tagged = [one.id for one in ExperimentRepository(connection).list() if tag in one.tags]
        if not tagged:
            raise NotFoundError(
                f"no experiment has the tag {tag!r}, so there is no baseline",
                f"Set it by hand: ml-agents edit --experiment-id ID --add-tag {tag}",
            )
        first = tagged[0]
    else:
        try:
            first = resolve_id(connection, [gate.baseline])
        except NotFoundError:
            # Not an experiment: a variant of those that are compared.
            return ids, gate.baseline
    return [first, *(one for one in ids if one != first)], first
