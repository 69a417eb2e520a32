"""Outputs and inputs in stores, on fsspec's file system in memory."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from ml_agents_results.errors import InvalidFileError, OutputError, ResultsError, UsageError
from ml_agents_results.formats.output_files import open_output, output_folder
from ml_agents_results.formats.remote_files import fetched, path_here, remote_output
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.commands import call, refusal


@pytest.fixture
def store() -> Iterator[Any]:
    store = fsspec.filesystem("memory")
    yield store
    store.rm("/", recursive=True)


def test_an_archive_there_and_back(store: Any, tmp_path: Path) -> None:
    with ResultsProcessor(str(tmp_path / "r.db")) as results:
        results.save_experiment("study", {})
        results.save_run(RunRecord("study", "None", 0, raw_output="4", is_correct=True))
    export = ("export", "--experiment-id", "study", "--db-path", tmp_path / "r.db", "--output")
    call(*export, "memory://bucket/study.mlar")
    assert store.find("/") == ["/bucket/study.mlar"]
    call("import", "memory://bucket/study.mlar", "--db-path", tmp_path / "other.db")
    with ResultsProcessor(str(tmp_path / "other.db")) as results:
        assert [run.raw_output for run in results.iter_runs("study")] == ["4"]
    assert refusal(*export, "memory://bucket/study.mlar", code=1)[0].endswith("exists already")
    call(*export, "memory://bucket/study.mlar", "--force")
    call(*export, f"file://{tmp_path}/local%20file.jsonl")
    assert (tmp_path / "local file.jsonl").is_file()


def test_what_breaks_off_leaves_nothing(store: Any) -> None:
    with pytest.raises(ValueError, match="half"), open_output("memory://bucket/a.json") as file:
        raise ValueError(file.write(b"half") and "half")
    assert store.find("/") == []


def test_a_rename_that_fails_leaves_nothing(store: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("AKIA says no to sk-abcdefghijklmnopqrstu")

    monkeypatch.setattr(type(store), "mv", broken)
    said = r"a.json cannot be written: AKIA says no"
    with pytest.raises(OutputError, match=said) as raised, open_output("memory://a.json") as file:
        file.write(b"all")
    assert "sk-abc" not in str(raised.value)
    assert store.find("/") == []


def test_folders(store: Any, tmp_path: Path) -> None:
    left = "/logs/.ml-agents-0123456789ab.tmp"
    store.pipe({"/logs/a/1.json": b"{}", "/logs/2.json": b"[]", left: b"{"})
    with fetched("memory://logs") as copy:
        files = sorted(str(path.relative_to(copy)) for path in copy.rglob("*") if path.is_file())
        assert files == ["2.json", "a/1.json"]
    with pytest.raises(UsageError, match="single files"), output_folder("memory://out", ".*"):
        pass


def test_a_name_that_leads_out_of_its_folder(store: Any) -> None:
    store.store["/logs/../../evil"] = store.open("/x", "wb")
    with pytest.raises(InvalidFileError, match="leads out"), fetched("memory://logs"):
        pass


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("s3://key:secret@bucket/a", r"the URL s3://\.\.\. holds a user or a password"),
        ("nowhere://bucket/a", "there is no store nowhere://"),
        ("memory://", "names no file"),
        ("postgresql://host/db", "is a database, not a file"),
        ("memory://bucket/missing", "there is no such file or bucket"),
        ("file://host/a", "names the machine host"),
        ("ftp://nowhere.invalid/a", "ftp://nowhere.invalid/a cannot be read"),
    ],
)
def test_urls_that_cannot_be_read(url: str, message: str) -> None:
    with pytest.raises(ResultsError, match=message) as raised, fetched(str(path_here(url) or url)):
        pass
    assert "secret" not in str(raised.value)


def test_nothing_is_written_to_the_web() -> None:
    with (
        pytest.raises(UsageError, match="not in a store that can be written"),
        remote_output("https://host/a.json"),
    ):
        pass
