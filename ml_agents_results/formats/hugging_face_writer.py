"""Hugging Face datasets: a folder with a card and a Parquet file for each configuration.

`datasets.load_dataset(folder)` reads it, and so does the Hub once somebody has uploaded it; nothing
is uploaded here.
"""

from collections.abc import Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

import yaml

from ml_agents_results.database.types import to_json
from ml_agents_results.errors import UsageError
from ml_agents_results.formats import parquet_writer
from ml_agents_results.formats.parquet_writer import without_surrogates
from ml_agents_results.formats.snapshot import ExportOptions, Snapshot
from ml_agents_results.reports.columns import COLUMNS
from ml_agents_results.reports.markdown import escape, report_markdown
from ml_agents_results.repositories.score_repository import ScoreRepository

PARTS = ("runs", "summary", "metadata")
FOLDER_ENTRY = r"README\.md|(runs|scores)\.parquet"

_SCORES = (
    *("experiment_id", "run_id", "metric", "author"),
    *("value", "label", "explanation", "details_json"),
    *("cost_estimate", "created_at"),
)
_PURPOSE = """\
Answers of language models, and how they were scored: each row of `runs` is one question answered \
once. `scores` has every score that is more than the values in `runs`: labels, explanations, \
authors. Exported by ml-agents-results.

```python
from datasets import load_dataset

runs = load_dataset("this/folder", "runs", split="train")
```
"""


def is_folder(_path: Path, _options: ExportOptions) -> bool:
    return True


def write(_snapshot: Snapshot, _file: BinaryIO) -> None:
    """Raises UsageError: a data set is a folder."""
    raise UsageError("a Hugging Face data set is a folder", "Name one: --output FOLDER")


def write_folder(snapshot: Snapshot, folder: Path) -> None:
    """Writes runs.parquet and scores.parquet, and README.md, which names them as configurations."""
    if not snapshot.includes("runs"):
        raise UsageError("a data set needs its runs", "Add runs to --include.")
    with (folder / "runs.parquet").open("wb") as file:
        parquet_writer.write(snapshot, file)
    _write_scores(snapshot, folder / "scores.parquet")
    (folder / "README.md").write_text(_card(snapshot), encoding="utf-8", errors="replace")


def _write_scores(snapshot: Snapshot, path: Path) -> None:
    arrow = parquet_writer.arrow_library()
    from pyarrow import parquet

    types = {
        **dict.fromkeys(_SCORES, arrow.string()),
        **dict.fromkeys(("value", "cost_estimate"), arrow.float64()),
        "created_at": arrow.timestamp("us", tz="UTC"),
    }
    schema = arrow.schema([(name, types[name]) for name in _SCORES])
    rows = _scores(snapshot)
    with parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        while batch := list(islice(rows, snapshot.options.chunk_size)):
            writer.write_batch(arrow.RecordBatch.from_pylist(batch, schema))


def _scores(snapshot: Snapshot) -> Iterator[dict[str, Any]]:
    for experiment in snapshot.experiments:
        listed = ScoreRepository(snapshot.connection).list(experiment.id, snapshot.options.filters)
        for run_id, score in listed:
            row = asdict(score) | {"experiment_id": experiment.id, "run_id": run_id}
            if score.details_json is not None:
                row["details_json"] = to_json(score.details_json)
            yield {
                name: without_surrogates(value) if isinstance(value, str) else value
                for name, value in row.items()
            }


def _card(snapshot: Snapshot) -> str:
    names = without_surrogates(", ".join(each.name or each.id for each in snapshot.experiments))
    head = {
        "pretty_name": names,
        "tags": ["llm-evaluation"],
        "configs": [
            {"config_name": "runs", "data_files": "runs.parquet", "default": True},
            {"config_name": "scores", "data_files": "scores.parquet"},
        ],
    }
    parts = [
        f"---\n{yaml.safe_dump(head, sort_keys=False)}---",
        f"# {escape(names)}",
        _PURPOSE,
    ]
    if snapshot.includes("summary"):
        parts.append(f"## Results\n\n{report_markdown(snapshot.paper)}")
    if snapshot.includes("metadata"):
        lines = [
            f"- {escape(each.id)} ({each.status}, {each.created_at:%Y-%m-%d})"
            + (f": {escape(each.description)}" if each.description else "")
            for each in snapshot.experiments
        ]
        parts.append("\n".join(["## Experiments\n", *lines]))
    columns = [
        f"| {name} | {escape(COLUMNS[name].meaning)} |" for name in parquet_writer.COLUMN_NAMES
    ]
    parts.append(
        "\n".join(["## Columns of runs\n", "| column | meaning |", "| --- | --- |", *columns])
    )
    return "\n\n".join(parts) + "\n"
