"""What a format gives of one file or folder: its experiments, their metrics, its runs."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from ml_agents_results.records import ExperimentRecord, MetricRecord, RunRecord, ScoreRecord

_NO_SCORES: Mapping[str, ScoreRecord] = {}


class Item(NamedTuple):
    """One run as it was read.

    Attributes:
        position: A line number, or words that say where in the file the run is.
        run: The run, with the primary metric in `is_correct` and `score`. Without an experiment_id
            it belongs to the log's first experiment, or to one that is named after the file.
        size: Roughly the memory it takes, in bytes.
        scores: Its value of each metric of the log, by the metric's name.
    """

    position: int | str
    run: RunRecord
    size: int
    scores: Mapping[str, ScoreRecord] = _NO_SCORES


@dataclass(frozen=True)
class Log:
    """An opened log.

    Attributes:
        experiments: What the log says about its experiments.
        items: The runs in a fixed order, read as they are taken.
        metrics: The metrics of the log by name; complete when all runs have been read.
    """

    experiments: Sequence[ExperimentRecord]
    items: Iterable[Item]
    metrics: dict[str, MetricRecord] = field(default_factory=dict)

    def runs(self) -> Iterator[Item]:
        """The runs; they can be read once."""
        return iter(self.items)
