"""Formats: found by name, by contents, and in other packages."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import pytest

from ml_agents_results.errors import InvalidFileError, InvalidRecordError, UsageError
from ml_agents_results.formats import registry
from ml_agents_results.formats.detection import find_logs
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import load
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.snapshot import Snapshot
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import ExperimentRecord, RunRecord
from ml_agents_results.repositories.run_repository import RECORD_COLUMNS

INDEX = RECORD_COLUMNS.index("sample_index")


def sniff(path: Path) -> bool:
    return path.is_dir() and (path / "marks.txt").exists()


def runs(source: LogSource, options: ImportOptions) -> Iterator[Item]:
    for name in (source.path / "marks.txt").read_text(encoding="utf-8").split():
        run = RunRecord("", options.approach or "None", int(name), is_correct=True)
        yield Item(f"mark {name}", run, 100)


@contextmanager
def open_marks(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    marked = ExperimentRecord("marked", name="Marks", config_json={"from": "marks"})
    yield Log([marked], runs(source, options))


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    file.write(b" ".join(str(row[INDEX]).encode() for row in snapshot.rows()))


@pytest.fixture
def marks(monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry point as an installed package would have it."""
    module = ModuleType("marks_format")
    vars(module).update(sniff=sniff, open=open_marks, write=write, PARTS=("runs",))
    monkeypatch.setitem(sys.modules, "marks_format", module)
    point = EntryPoint("marks", "marks_format", "ml_agents_results.formats")
    monkeypatch.setattr(
        registry, "entry_points", lambda **wanted: [point] if _fits(point, wanted) else []
    )


def _fits(point: EntryPoint, wanted: dict[str, str]) -> bool:
    return all(getattr(point, name) == value for name, value in wanted.items())


@pytest.mark.usefixtures("marks")
def test_format_of_another_package(processor: ResultsProcessor, tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.mkdir()
    (folder / "marks.txt").write_text("3 5", encoding="utf-8")
    result = load(processor.database, [LogSource(folder)], ImportOptions())
    assert (result.experiments, result.inserted) == (["marked"], 2)
    found = processor.get_experiment("marked")
    assert (found.name, found.config_json, found.status) == (
        "Marks", {"from": "marks"}, "completed",
    )  # fmt: skip
    assert found.environment_json["imports"][0]["format"] == "marks"
    before = found.environment_json["imports"][0]["sha256"]
    export(processor.database, "marked", tmp_path / "out.marks", "marks")
    assert (tmp_path / "out.marks").read_text(encoding="utf-8") == "3 5"
    (folder / "marks.txt").write_text("3 -5", encoding="utf-8")
    with pytest.raises(InvalidRecordError) as caught:
        load(processor.database, [LogSource(folder)], ImportOptions())
    assert str(caught.value).startswith(f"{folder} mark -5: `sample_index` is -5")
    assert LogSource(folder).sha256 != before


def test_unknown_formats(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no import format 'x'"):
        registry.find_reader("x")
    with pytest.raises(InvalidFileError, match="holds no file in a format that is known here"):
        find_logs(LogSource(tmp_path))
    with pytest.raises(UsageError, match="there is no import format 'x'"):
        find_logs(LogSource(tmp_path), "x")
