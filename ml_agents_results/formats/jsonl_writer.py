"""The runs file: one JSON object a line, which `ml-agents import` reads back to the same runs."""

from typing import BinaryIO

from ml_agents_results.formats.json_encoding import run_bytes
from ml_agents_results.formats.snapshot import Snapshot

PARTS = ("runs",)


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes every run with the columns of `runs`; `metadata_json` and `parsing_metrics` are
    objects, and `scores` of a run that has some is a list of objects. The first run of each
    experiment carries the definitions of its `metrics`."""
    for single in snapshot.single():
        [experiment] = single.experiments
        metrics = experiment.metrics or ()
        for row, scores in single.scored_rows():
            file.write(run_bytes(row, scores, metrics))
            metrics = ()
