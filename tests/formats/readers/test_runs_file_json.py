"""JSON Lines: any text, any number, in constant memory."""

import gc
import json
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_agents_results.formats import import_part, importing
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from tests.lengths import short_and_long

TEXTS = st.text(st.characters(exclude_categories=()), max_size=40)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def imported(processor: ResultsProcessor, file: Path, *lines: dict[str, Any]) -> list[Any]:
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="ascii")
    load(processor.database, [LogSource(file)], ImportOptions(experiment_id="x"))
    runs: list[Any] = processor.get_runs_paginated("x")["runs"]
    return runs


def line(**others: Any) -> dict[str, Any]:
    return {"approach_name": "None", "sample_index": 0, **others}


@given(text=TEXTS, metadata=st.dictionaries(TEXTS, JSON, max_size=3))
def test_any_text_and_metadata_come_back(
    processor: ResultsProcessor, tmp_path: Path, text: str, metadata: dict[str, Any]
) -> None:
    (run,) = imported(
        processor,
        tmp_path / "a.jsonl",
        line(raw_output=text, parsed_answer=text, task=text, metadata_json=metadata),
    )
    with processor.database.write() as connection:
        connection.exec_driver_sql("DELETE FROM runs")
    assert (run["raw_output"], run["parsed_answer"], run["task"]) == (text, text, text)
    assert run["metadata_json"] == metadata


def test_very_long_text(processor: ResultsProcessor, tmp_path: Path) -> None:
    text = "\ud83d\x00 long \u00e9" * 100_000
    (run,) = imported(processor, tmp_path / "a.jsonl", line(raw_output=text))
    assert run["raw_output"] == text


def test_wide_numbers_are_kept_exactly(processor: ResultsProcessor, tmp_path: Path) -> None:
    (run,) = imported(processor, tmp_path / "a.jsonl", line(seed=2**80 + 1, x={"n": -(2**70)}))
    assert run["metadata_json"] == {"seed": 2**80 + 1, "x": {"n": -(2**70)}}


def test_numbers_that_are_none_are_kept_as_texts(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    (run,) = imported(processor, tmp_path / "a.jsonl", line(loss=float("nan"), x=[-float("inf")]))
    assert run["metadata_json"] == {"loss": "NaN", "x": ["-Infinity"]}


def test_metadata_may_be_an_object_a_text_or_any_value(
    processor: ResultsProcessor, tmp_path: Path
) -> None:
    runs = imported(
        processor,
        tmp_path / "a.jsonl",
        line(sample_index=0, metadata_json={"a": 1}),
        line(sample_index=1, metadata_json='{"a": 1}', b=2),
        line(sample_index=2, metadata_json=[1]),
        line(sample_index=3, metadata_json=None, c=None),
    )
    assert [run["metadata_json"] for run in runs] == [
        {"a": 1},
        {"a": 1, "b": 2},
        {"value": [1]},
        None,
    ]


def test_times_are_in_utc(processor: ResultsProcessor, tmp_path: Path) -> None:
    runs = imported(
        processor,
        tmp_path / "a.jsonl",
        line(sample_index=0, created_at="2026-01-01T10:00:00"),
        line(sample_index=1, created_at="2026-01-01T10:00:00Z"),
        line(sample_index=2, created_at="2026-01-01T12:00:00+02:00"),
    )
    assert {run["created_at"] for run in runs} == {datetime(2026, 1, 1, 10, tzinfo=UTC)}


def test_byte_order_mark_and_empty_lines(processor: ResultsProcessor, tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    text = json.dumps(line(raw_output="\u00e9"), ensure_ascii=False)
    file.write_bytes(b"\xef\xbb\xbf" + f"{text}\r\n\r\n".encode())
    load(processor.database, [LogSource(file)], ImportOptions(experiment_id="x"))
    (run,) = processor.get_runs_paginated("x")["runs"]
    assert run["raw_output"] == "\u00e9"


@pytest.mark.parametrize("batch", short_and_long(100, import_part.BATCH_RUNS))
@pytest.mark.parametrize("duplicates", short_and_long("latest", "refuse", "repeats"))
def test_memory_does_not_grow_with_the_file(
    processor: ResultsProcessor,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    duplicates: Any,
    batch: int,
) -> None:
    monkeypatch.setattr(import_part, "BATCH_RUNS", batch)
    # Garbage that has not been collected yet is no growth.
    monkeypatch.setattr(importing, "_COLLECT_AFTER", 700)

    def peak(count: int) -> int:
        file = tmp_path / f"{count}.jsonl"
        with file.open("w", encoding="utf-8") as opened:
            for number in range(count):
                opened.write(json.dumps(line(sample_index=number, raw_output="x" * 200)) + "\n")
        gc.collect()
        tracemalloc.start()
        options = ImportOptions(experiment_id=str(count), duplicates=duplicates)
        load(processor.database, [LogSource(file)], options)
        size = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return size

    peak(batch)
    assert peak(8 * batch) < 1.3 * peak(2 * batch)


def test_long_answers_do_not_pile_up(processor: ResultsProcessor, tmp_path: Path) -> None:
    file = tmp_path / "long.jsonl"
    with file.open("w", encoding="utf-8") as opened:
        for number in range(30):
            text = chr(97 + number % 26) * 3_000_000
            opened.write(json.dumps(line(sample_index=number, raw_output=text)) + "\n")
    tracemalloc.start()
    load(processor.database, [LogSource(file)], ImportOptions(experiment_id="x"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120_000_000
