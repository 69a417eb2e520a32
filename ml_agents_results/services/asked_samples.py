"""Asked samples: how many of those that could be asked, and how many of the planned runs."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_agents_results.records import ExperimentRecord, Variant
from ml_agents_results.repositories.counts import VariantCounts
from ml_agents_results.repositories.filters import Filters
from ml_agents_results.repositories.run_source import RunSource
from ml_agents_results.services.result_rows import Row
from ml_agents_results.services.variant_summary import SampleBounds, VariantSummary

PARTLY_ASKED = "partly_asked"
STOPPED_EARLY = "stopped_early"
"""The key in an experiment's environment under which stands why it ended before its plan."""


@dataclass(frozen=True, slots=True)
class IncompleteExperiment(Row):
    """An experiment with fewer runs than were planned: unfinished, or ended when it was decided."""

    experiment_id: str
    runs: int
    planned: int
    stopped_early: bool = False


def incomplete_experiments(
    source: RunSource, records: Iterable[ExperimentRecord]
) -> list[IncompleteExperiment]:
    """Those of the experiments with fewer runs than were planned, whatever the filters."""
    found = []
    for record in records:
        if (planned := _plan(record).get("runs")) is not None:
            runs = source.recorded_runs(record.id)
            if runs < planned:
                stopped = STOPPED_EARLY in record.environment_json
                found.append(IncompleteExperiment(record.id, runs, planned, stopped))
    return found


class AskedSamples:
    """How many samples each variant was asked, and how many it could have been.

    Samples are expected that any variant on the same dataset was asked, or that were planned.
    Datasets are the same within an experiment, and where their fingerprints are.

    Args:
        bounds: By variant and task, with the number of samples; None where no sample has repeats.
    """

    def __init__(
        self,
        counts: Sequence[VariantCounts],
        bounds: SampleBounds | None,
        records: Mapping[str, ExperimentRecord],
        filters: Filters,
    ) -> None:
        self._records = records
        self._whole = replace(filters, experiment_id=None) == Filters()
        self._asked: dict[Variant, dict[str, int]] = {}
        self._expected: dict[str, dict[str, int]] = {}
        for part in counts:
            known = None if bounds is None else bounds.get((part.variant, part.task))
            asked = part.runs if known is None else known[0]
            self._asked.setdefault(part.variant, {})[part.task] = asked
            expected = self._expected.setdefault(self._dataset(part.variant), {})
            expected[part.task] = max(asked, expected.get(part.task, 0))

    def _dataset(self, variant: Variant) -> str:
        record = self._records.get(variant.experiment_id)
        fingerprint = record.noted("dataset").get("fingerprint") if record else None
        return str(fingerprint or variant.experiment_id)

    def counted(self, row: VariantSummary, task: str | None = None) -> VariantSummary:
        """The summary with how many samples were asked and expected, in a task or in all."""
        asked, expected = self._asked[row.variant], self._expected[self._dataset(row.variant)]
        if task is not None:
            return _counted(row, asked.get(task, 0), expected[task])
        record = self._records.get(row.variant.experiment_id)
        plan = _plan(record) if record and self._whole else {}
        planned = None
        known = sum(expected.values())
        if row.variant.approach_name in plan.get("approaches", ()):
            planned = plan["questions"] * plan["repeats"]
            known = max(known, plan["questions"])
        return replace(_counted(row, sum(asked.values()), known), planned=planned)


def _counted(row: VariantSummary, asked: int, expected: int) -> VariantSummary:
    warnings = row.warnings if asked >= expected else (*row.warnings, PARTLY_ASKED)
    return replace(row, samples_asked=asked, samples_expected=expected, warnings=warnings)


def _plan(record: ExperimentRecord) -> Mapping[str, Any]:
    """What the runner planned; nothing of other experiments."""
    plan = record.noted("plan")
    if not isinstance(plan.get("approaches"), list):
        return {}
    numbers = (plan.get(name) for name in ("runs", "questions", "repeats"))
    return plan if all(isinstance(number, int) for number in numbers) else {}
