"""Results that are recorded already: a tool writes one evaluation into several files, some of which
do not name it.

promptfoo's JSON has the id of the evaluation, its JSON Lines do not. Both have the same results, so
a fingerprint of these says that they are one experiment, whichever is imported first.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, Text, select, type_coerce

from ml_agents_results.database.models import Experiment
from ml_agents_results.formats.coercion import text
from ml_agents_results.records import ExperimentRecord

RESULTS = "results"
"""The member of `environment_json` with the fingerprint, and the evaluation that the file names."""

_BYTES = 16


class ResultsFingerprint:
    """A fingerprint of results in any order."""

    def __init__(self) -> None:
        self._sum = 0

    def add(self, *parts: Any) -> None:
        content = (text(list(parts)) or "").encode("utf-8", "surrogatepass")
        self._sum += int.from_bytes(blake2b(content, digest_size=_BYTES).digest(), "big")

    def described(self, evaluation: str | None) -> Mapping[str, Any]:
        """What an experiment records of its results."""
        digest = self._sum % (1 << 8 * _BYTES)
        return {"fingerprint": f"{digest:0{2 * _BYTES}x}", "evaluation": evaluation}


def is_named(record: ExperimentRecord) -> bool:
    """Whether the file that the experiment comes from says which evaluation it is."""
    return bool(_results(record.environment_json).get("evaluation"))


def recorded_as(connection: Connection, described: ExperimentRecord) -> str | None:
    """The experiment that has the results of this one under another id.

    That is known where one file names the evaluation and the other does not: two evaluations may
    have the same results from a cache.
    """
    fingerprint = _results(described.environment_json).get("fingerprint")
    if not isinstance(fingerprint, str):
        return None
    environment = type_coerce(Experiment.environment_json, Text)
    rows = connection.execute(
        select(Experiment.id, Experiment.environment_json).where(environment.contains(fingerprint))
    ).all()
    if any(row.id == described.id for row in rows):
        return None
    own = _results(described.environment_json).get("evaluation")
    fitting = [
        row.id
        for row in rows
        if (known := _results(row.environment_json)).get("fingerprint") == fingerprint
        and (own is None or known.get("evaluation") in (None, own))
    ]
    return fitting[0] if len(fitting) == 1 else None


def _results(environment: Mapping[str, Any] | None) -> Mapping[str, Any]:
    known = (environment or {}).get(RESULTS)
    return known if isinstance(known, Mapping) else {}
