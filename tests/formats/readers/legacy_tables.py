"""The predecessor's tables, as it wrote them."""

import csv
import json
from pathlib import Path
from typing import Any

COLUMNS = (
    "sample_id", "approach", "input", "expected_output", "extracted_answer", "response_text",
    "execution_time", "total_tokens", "cost_estimate", "reasoning_steps", "timestamp",
)  # fmt: skip
NAME = "openrouter_lab_m_20250818_100000"


def row(sample_id: object = 0, approach: str = "CoT", **others: object) -> dict[str, object]:
    return {
        "sample_id": sample_id,
        "approach": approach,
        "input": "2+2?",
        "expected_output": "Four ",
        "extracted_answer": "four",
        "response_text": 'It is "four",\nI think',
        "execution_time": 1.25,
        "total_tokens": 100,
        "cost_estimate": 0.001,
        "reasoning_steps": 2,
        "timestamp": "2025-08-18T10:00:00.000001",
        **others,
    }


def write_table(path: Path, *rows: dict[str, object], columns: Any = COLUMNS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_folder(folder: Path, *rows: dict[str, object], **files: Any) -> Path:
    write_table(folder / "experiment_results.csv", *rows)
    config = {
        "experiment_id": f"exp_{folder.name}", "dataset_name": "lab/data", "provider": "openrouter",
        "model": "lab/m", "api_key": "sk-verysecret",
    }  # fmt: skip
    files = {"config": config, "summary": {"start_time": "2025-09-05T10:00:00"}, **files}
    for name, content in files.items():
        path = folder / f"experiment_{name}.json"
        path.write_text(json.dumps(content), encoding="utf-8")
    return folder
