"""Failure patterns of one experiment as plain rows: outcomes, errors, slices and hard samples."""

import re
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, func, select

from ml_agents_results.database.models import Run
from ml_agents_results.records import Variant
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.services.failures import FailureReport, FailureService

SHOWN = 20
"""Rows of each kind; a row of the kind `omitted` counts the rest."""

CLEAR = 0.05
"""Slices are listed up to this adjusted p value."""

_STATUS = re.compile(r"\b((?:HTTP|status|code|answered)[ :=]+\d{3})\b", re.IGNORECASE)
_ID = re.compile(
    r"\b(?=[\w-]*\d)(?=[\w-]*[A-Za-z])(?:[0-9a-f]{8}-[0-9a-f-]{8,}|[A-Za-z]+[-_][\w-]{6,}|\w{8,})\b"
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def error_pattern(message: str) -> str:
    """The message with numbers as `#` and ids as `<id>`; the status of an HTTP answer stays."""
    parts = _STATUS.split(" ".join(message.split()))
    # Every second part is a status.
    parts[::2] = [_NUMBER.sub("#", _ID.sub("<id>", part)) for part in parts[::2]]
    return "".join(parts)


def failure_patterns(connection: Connection, experiment_id: str) -> list[dict[str, Any]]:
    """What went wrong in an experiment, the most frequent first within each kind.

    Each row has a `kind`; all but `omitted` and `hard_sample` name the variant:

    - `outcome`: `pattern` (failed, unparsed, ungraded, wrong), `runs`, `of_runs`, `rate` (a
      fraction, with `rate_ci_low` and `rate_ci_high`);
    - `error`: `pattern` (see `error_pattern`), `runs`, `of_runs`, `rate`, an `example`;
    - `slice`: `pattern` (such as `task=navigate`) and the fields of SliceRow, where the accuracy
      is below that of the variant's other runs with an adjusted p value of at most 0.05;
    - `hard_sample`: a sample that most runs got wrong, the fields of HardSample;
    - `omitted`: how many rows (`count`) of the kind `pattern` are not listed.
    """
    report = FailureService(connection, Filters(experiment_id=(experiment_id,))).report(
        limit=SHOWN + 1
    )
    rows: list[dict[str, Any]] = []
    for kind, found in (
        ("outcome", _outcomes(report)),
        ("error", _errors(connection, experiment_id, report)),
        ("slice", _slices(report)),
        ("hard_sample", _hard_samples(report)),
    ):
        rows += [{"kind": kind, **row} for row in found[:SHOWN]]
        if len(found) > SHOWN:
            # Hard samples are not counted beyond the first that is left out.
            count = None if kind == "hard_sample" else len(found) - SHOWN
            rows.append({"kind": "omitted", "pattern": kind, "count": count})
    return rows


def _outcomes(report: FailureReport) -> list[dict[str, Any]]:
    rows = [
        {
            **row.variant._asdict(),
            "pattern": row.outcome,
            "runs": row.runs,
            "of_runs": row.of_runs,
            "rate": row.rate,
            "rate_ci_low": row.rate_ci_low,
            "rate_ci_high": row.rate_ci_high,
        }
        for row in report.outcomes
        if row.outcome != "correct" and row.runs
    ]
    return _by_runs(rows)


def _errors(
    connection: Connection, experiment_id: str, report: FailureReport
) -> list[dict[str, Any]]:
    of_runs = {row.variant: row.of_runs for row in report.outcomes}
    variant = (Run.experiment_id, Run.approach_name, Run.provider, Run.model)
    messages = (
        select(*variant, Run.error, func.count())
        .where(Run.experiment_id == experiment_id, Run.error.is_not(None))
        .group_by(*variant, Run.error)
        .order_by(*variant, Run.error)
    )
    groups: dict[tuple[Variant, str], dict[str, Any]] = {}
    for *names, message, runs in connection.execute(messages):
        whose = Variant(*names)
        pattern = error_pattern(message or "")
        row = groups.setdefault(
            (whose, pattern),
            {**whose._asdict(), "pattern": pattern, "runs": 0, "of_runs": of_runs[whose]},
        )
        row["runs"] += runs
        row["rate"] = row["runs"] / row["of_runs"]
        row.setdefault("example", message)
    return _by_runs(list(groups.values()))


def _slices(report: FailureReport) -> list[dict[str, Any]]:
    clear = [
        row
        for row in report.slices
        if (row.difference or 0) < 0
        and row.p_value_adjusted is not None
        and row.p_value_adjusted <= CLEAR
    ]
    clear.sort(key=lambda row: row.p_value_adjusted or 0)
    return [{"pattern": f"{row.dimension}={row.value}", **row.to_dict()} for row in clear]


def _hard_samples(report: FailureReport) -> list[dict[str, Any]]:
    return [asdict(row) for row in report.hard_samples if 2 * row.correct < row.graded]


def _by_runs(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: -row["runs"])
