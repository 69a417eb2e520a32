"""Every file is opened and parsed once, whatever is in it and however it is imported."""

import json
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from ml_agents_results.database import schema
from ml_agents_results.database.engine import Database
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from tests.formats.readers import (
    every_eval_ever_files,
    helm_runs,
    legacy_tables,
    lm_eval_logs,
    openai_evals_logs,
    promptfoo_results,
)
from tests.formats.readers.inspect_logs import log, sample, write_eval, write_json
from tests.lengths import short_and_long

_EVENTS: list[tuple[str, str]] = []
_WATCHED = ("open", "sqlite3.connect", "tempfile.mkdtemp")


def _record(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _WATCHED:
        _EVENTS.append((event, str(arguments[0])))


sys.addaudithook(_record)


@contextmanager
def events() -> Iterator[Counter[tuple[str, str]]]:
    """What the block opens: the kind of event and the path, with their numbers."""
    _EVENTS.clear()
    counted: Counter[tuple[str, str]] = Counter()
    yield counted
    counted.update(_EVENTS)


def parsed(work: Callable[[], object]) -> int:
    """How many texts the work takes for JSON."""
    counted = 0

    def count(_frame: object, event: str, function: object) -> None:
        nonlocal counted
        counted += event == "c_call" and function is orjson.loads

    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return counted


def inspect_json(folder: Path, samples: int = 3) -> Path:
    return write_json(folder / "a.json", log(*(sample(n) for n in range(samples))))


def inspect_eval(folder: Path, samples: int = 3) -> Path:
    return write_eval(folder / "a.eval", log(*(sample(n) for n in range(samples))))


def lm_evaluation(folder: Path, samples: int = 3) -> Path:
    names = ("strict", "flexible", "third")
    rows = [lm_eval_logs.row(n, name) for name in names for n in range(samples)]
    return lm_eval_logs.write(folder / "x", "a", *rows)


def promptfoo_json(folder: Path, samples: int = 3) -> Path:
    rows = [promptfoo_results.result(n) for n in range(samples)]
    return promptfoo_results.write(folder / "a.json", promptfoo_results.document(*rows))


def promptfoo_lines(folder: Path, samples: int = 3) -> Path:
    path = folder / "a.jsonl"
    rows = [json.dumps(promptfoo_results.result(n)) + "\n" for n in range(samples)]
    path.write_text("".join(rows), encoding="utf-8")
    return path


def openai_log(folder: Path, samples: int = 3) -> Path:
    names = [f"a.{n}" for n in range(samples)]
    rows = [openai_evals_logs.sampling(name) for name in names]
    rows += [openai_evals_logs.event(name, "match", correct=True) for name in names]
    return openai_evals_logs.write(folder / "a.jsonl", *rows)


def every_eval_ever(folder: Path, samples: int = 3) -> Path:
    rows = [
        every_eval_ever_files.line(f"q{n}", evaluation_result_id=one)
        for one in ("r1", "r2")
        for n in range(samples)
    ]
    return every_eval_ever_files.write(folder / "x", *rows)


def runs_json(folder: Path, samples: int = 3) -> Path:
    path = folder / "a.jsonl"
    rows = [json.dumps({"approach_name": "None", "sample_index": n}) + "\n" for n in range(samples)]
    path.write_text("".join(rows), encoding="utf-8")
    return path


def runs_csv(folder: Path, samples: int = 3) -> Path:
    path = folder / "a.csv"
    rows = "".join(f"None,{n}\n" for n in range(samples))
    text = f"# experiment_id: e\napproach_name,sample_index\n{rows}"
    path.write_text(text, encoding="utf-8")
    return path


def predecessor(folder: Path, samples: int = 3) -> Path:
    return legacy_tables.write_table(
        folder / "a_results.csv", *(legacy_tables.row(n) for n in range(samples))
    )


def helm_run(folder: Path, samples: int = 3) -> Path:
    names = [f"id{n}" for n in range(samples)]
    measured = [helm_runs.stats(name, exact_match=1) for name in names]
    return helm_runs.write(folder / "run", [helm_runs.state(name) for name in names], measured)


SINGLE = [
    inspect_json, inspect_eval, lm_evaluation, promptfoo_json, promptfoo_lines, openai_log,
    every_eval_ever, runs_json, runs_csv, predecessor,
]  # fmt: skip
"""Formats of one file. It is opened to find the format, for its fingerprint, and to be read."""

DUPLICATES = short_and_long("latest", "refuse", "repeats")
"""`latest` is the one that could be tempted to read a file again."""


@pytest.mark.parametrize("duplicates", DUPLICATES)
@pytest.mark.parametrize("write", SINGLE)
def test_a_file_is_read_once(
    processor: ResultsProcessor, tmp_path: Path, write: Callable[[Path], Path], duplicates: Any
) -> None:
    path = write(tmp_path)
    options = ImportOptions(duplicates=duplicates)
    for inserted in (3, 0):
        with events() as counted:
            result = load(processor.database, [LogSource(path)], options)
        assert (result.inserted, result.read) == (inserted, 3)
        assert 1 <= counted["open", str(path)] <= 3


def test_the_files_of_a_folder_are_read_once(processor: ResultsProcessor, tmp_path: Path) -> None:
    folder = helm_run(tmp_path)
    with events() as counted:
        load(processor.database, [LogSource(folder)], ImportOptions(duplicates="latest"))
    # Once for the fingerprint.
    names = ("run_spec", "scenario_state", "per_instance_stats")
    assert [counted["open", str(folder / f"{name}.json")] for name in names] == [2, 2, 2]


@pytest.mark.parametrize("duplicates", DUPLICATES)
@pytest.mark.parametrize(
    ("write", "lines"),
    [
        (runs_json, 1),
        (lm_evaluation, 3),
        (promptfoo_lines, 1),
        (promptfoo_json, 1),
        (openai_log, 2),
        (every_eval_ever, 2),
    ],
)
def test_a_line_is_parsed_once(
    processor: ResultsProcessor,
    tmp_path: Path,
    write: Callable[[Path, int], Path],
    lines: int,
    duplicates: Any,
) -> None:
    """Ten samples more are so many parsed texts more as they have lines."""
    options = ImportOptions(duplicates=duplicates)

    def texts(samples: int) -> int:
        source = LogSource(write(tmp_path, samples))
        return parsed(lambda: load(processor.database, [source], options))

    texts(5)
    assert texts(25) - texts(15) == 10 * lines


@pytest.mark.parametrize("duplicates", DUPLICATES)
def test_an_older_database_is_copied_once(
    processor: ResultsProcessor, tmp_path: Path, migrated_file: Path, duplicates: Any
) -> None:
    path = Path(shutil.copyfile(migrated_file, tmp_path / "old.db"))
    old = Database(str(path))
    schema.downgrade(old, "0001", lossy=True)
    old.close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO experiments (id) VALUES ('old')")
        connection.execute(
            "INSERT INTO runs (id, experiment_id, sample_index) VALUES (1, 'old', 7)"
        )
    with events() as counted:
        load(processor.database, [LogSource(path)], ImportOptions(duplicates=duplicates))
    assert [kind for kind, _ in counted.elements()].count("tempfile.mkdtemp") == 1
