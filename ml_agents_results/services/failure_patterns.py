"""Failure patterns of one experiment as plain rows: outcomes, errors, slices and hard samples."""

from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection

from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.failures import FailureReport, FailureService
from ml_agents_results.services.result_rows import VariantRow

SHOWN = 20
"""Rows of each kind; a row of the kind `omitted` counts the rest."""

CLEAR = 0.05
"""Slices are listed up to this adjusted p value."""


def failure_patterns(connection: Connection, experiment_id: str) -> list[dict[str, Any]]:
    """What went wrong in an experiment, the most frequent first within each kind.

    Each row has a `kind`; all but `omitted` and `hard_sample` name the variant:

    - `outcome`: `pattern` (failed, unparsed, ungraded, wrong), `runs`, `of_runs`, `rate` (a
      fraction, with `rate_ci_low` and `rate_ci_high`);
    - `error`: `pattern` (see `failures.error_pattern`), `runs`, `of_runs`, `rate`, an `example`;
    - `slice`: `pattern` (such as `task=navigate`) and the fields of SliceRow, where the accuracy
      is below that of the variant's other runs with an adjusted p value of at most 0.05;
    - `hard_sample`: a sample that most runs got wrong, the fields of HardSample;
    - `omitted`: how many rows (`count`) of the kind `pattern` are not listed; None for hard
      samples, which are not all counted.
    """
    report = FailureService(connection, Filters(experiment_id=(experiment_id,))).report(
        limit=SHOWN + 1
    )
    rows: list[dict[str, Any]] = []
    for kind, listed in (
        ("outcome", _outcomes(report)),
        ("error", _errors(report)),
        ("slice", _slices(report)),
        ("hard_sample", _hard_samples(report)),
    ):
        rows += [{"kind": kind, **row} for row in listed[:SHOWN]]
        if len(listed) > SHOWN:
            whole = report.error_count if kind == "error" else len(listed)
            count = None if kind == "hard_sample" else whole - SHOWN
            rows.append({"kind": "omitted", "pattern": kind, "count": count})
    return rows


def _outcomes(report: FailureReport) -> list[dict[str, Any]]:
    rows = [row for row in report.outcomes if row.outcome != "correct" and row.runs]
    named = [_named(row, "outcome") for row in sorted(rows, key=lambda row: -row.runs)]
    return [{name: value for name, value in row.items() if name in _OUTCOME} for row in named]


_OUTCOME = {*Variant._fields, "pattern", "runs", "of_runs", "rate", "rate_ci_low", "rate_ci_high"}


def _errors(report: FailureReport) -> list[dict[str, Any]]:
    of_runs = {row.variant: row.of_runs for row in report.outcomes}
    return [
        {
            **_named(row, "error"),
            "of_runs": of_runs[row.variant],
            "rate": row.runs / of_runs[row.variant],
        }
        for row in report.errors
    ]


def _named(row: VariantRow, kind: str) -> dict[str, Any]:
    """The row with what it counts as its pattern."""
    values = row.to_dict()
    return {"pattern": values.pop(kind), **values}


def _slices(report: FailureReport) -> list[dict[str, Any]]:
    clear = [
        (row.p_value_adjusted, row)
        for row in report.slices
        if (row.difference or 0) < 0
        and row.p_value_adjusted is not None
        and row.p_value_adjusted <= CLEAR
    ]
    clear.sort(key=lambda one: one[0])
    return [{"pattern": f"{row.dimension}={row.value}", **row.to_dict()} for _, row in clear]


def _hard_samples(report: FailureReport) -> list[dict[str, Any]]:
    return [asdict(row) for row in report.hard_samples if 2 * row.correct < row.graded]
