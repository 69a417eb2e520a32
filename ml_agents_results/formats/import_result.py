"""The result of an import, in numbers of runs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, in numbers of runs.

    Attributes:
        experiments: The ids of the experiments that the runs belong to.
        read: Runs in the files.
        inserted: Runs that are new.
        updated: Runs that were recorded with other contents and have been replaced.
        conflicts: Runs that were recorded with other contents; `on_conflict` says which stays.
        skipped: Runs that were recorded with the same contents.
        superseded: Runs that a later line (`duplicates="latest"`) or a newer attempt replaced.
        ungraded: Of those read, the runs that did not fail and have no value of the primary metric.
        failed: Of those read, the runs that ended in an error.
        metrics: The metrics of the experiments; primary ones are marked. Those that are the same
            in several experiments are given once.
        warnings: Messages for the user.
        sources: For each file: what it holds, what was chosen for it and by which rule, and what
            of it does not become runs.
    """

    experiments: Sequence[str]
    read: int
    inserted: int
    updated: int
    skipped: int
    conflicts: int
    superseded: int
    ungraded: int
    failed: int
    metrics: Sequence[Mapping[str, Any]]
    warnings: Sequence[str]
    sources: Sequence[Mapping[str, Any]]
    dry_run: bool = False

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)
