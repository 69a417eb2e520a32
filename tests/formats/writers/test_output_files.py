"""Output files: whole or not there, never replaced unasked."""

import gzip
import io
import os
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest

from ml_agents_results.errors import OutputError
from ml_agents_results.formats.output_files import open_output, output_folder
from tests.processes import run


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def write(path: Path, data: bytes, *, force: bool = False) -> None:
    with open_output(path, force=force) as file:
        file.write(data)


def replace_folder(path: Path, _data: bytes, *, force: bool = False) -> None:
    with output_folder(path, r"runs\.csv", force=force):
        pass


def test_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    with open_output(target) as file:
        file.write(b"1")
        assert not target.exists()
    assert target.read_bytes() == b"1"
    assert names(tmp_path) == ["out.json"]


def test_failure_leaves_nothing_and_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "out.json"

    def fail(force: bool) -> None:
        with open_output(target, force=force) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail(False)
    assert names(tmp_path) == []
    write(target, b"old")
    with pytest.raises(ZeroDivisionError):
        fail(True)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["out.json"]


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be replaced there")
def test_who_reads_the_old_file_reads_it_to_its_end(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    write(target, b"old")
    with target.open("rb") as reader:
        write(target, b"new", force=True)
        assert reader.read() == b"old"
    assert target.read_bytes() == b"new"


def test_existing_file_is_replaced_by_force_alone(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    write(target, b"old")
    target.chmod(0o640)
    with pytest.raises(OutputError, match=r"out.json exists already") as caught:
        write(target, b"new")
    assert "--force" in str(caught.value.hint)
    assert target.read_bytes() == b"old"
    write(target, b"new", force=True)
    assert target.read_bytes() == b"new"
    assert target.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("kind", ["itself", "link", "hard link", "packed", "log", "folder"])
def test_no_output_replaces_a_database(tmp_path: Path, kind: str) -> None:
    database = tmp_path / "r.db"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE runs (id)")
        connection.commit()
        name = tmp_path / "out.json"
        match kind:
            case "itself":
                name = database
            case "link":
                name.symlink_to(database)
            case "hard link":
                name.hardlink_to(database)
            case "packed":
                name.write_bytes(gzip.compress(database.read_bytes()))
            case "log":
                name = tmp_path / "r.db-wal"
            case "folder":
                (tmp_path / "out").mkdir()
                name = database.rename(tmp_path / "out" / "runs.csv")
        before = name.read_bytes()
        replace = replace_folder if kind == "folder" else write
        with pytest.raises(OutputError, match="no output replaces it"):
            replace(name.parent if kind == "folder" else name, b"new", force=True)
        assert name.read_bytes() == before


def test_link_is_kept_and_its_target_replaced(tmp_path: Path) -> None:
    target, link = tmp_path / "real.json", tmp_path / "link.json"
    write(target, b"old")
    link.symlink_to(target)
    write(link, b"new", force=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="is a folder"):
        write(tmp_path, b"")
    missing = tmp_path / "no" / "out.json"
    with pytest.raises(OutputError, match=r"no/out.json cannot be written") as caught:
        write(missing, b"")
    assert caught.value.hint == f"Create the folder first: mkdir -p {missing.parent}"
    with pytest.raises(OutputError, match="File name too long") as caught:
        write(tmp_path / ("x" * 300), b"")
    assert caught.value.hint == "Choose a shorter name."
    file = tmp_path / "file"
    write(file, b"")
    with pytest.raises(OutputError, match=r"file/out.json cannot be written: Not a directory"):
        write(file / "out.json", b"")


def test_folder_without_permission() -> None:
    with tempfile.TemporaryDirectory(prefix="mlar-") as folder:
        Path(folder).chmod(0o555)
        told = run(
            """
            import os, sys
            from ml_agents_results.errors import OutputError
            from ml_agents_results.formats.output_files import open_output
            if os.geteuid() == 0:
                os.setresuid(65534, 65534, 65534)
            try:
                with open_output(sys.argv[1]):
                    pass
            except OutputError as error:
                print(error.message)
            """,
            Path(folder) / "out.json",
        )
        assert told == f"{folder}/out.json cannot be written: Permission denied\n"
        Path(folder).chmod(0o755)


def test_device_is_written_to_and_stays_one() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    with pytest.raises(OutputError, match="/dev/full cannot be written: No space left on device"):
        write(full, b"1")
    assert full.is_char_device()
    write(Path(os.devnull), b"1")
    assert Path(os.devnull).is_char_device()


def test_dash_is_standard_output(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="utf-8"))
    for text in (b"1", b"2"):
        with open_output("-") as file:
            file.write(text)
    assert written.getvalue() == b"12"


def fill(path: Path, *files: str, force: bool = False) -> None:
    with output_folder(path, r"\w\.csv", force=force) as folder:
        for name in files:
            (folder / name).write_text("new", encoding="utf-8")


def test_folder_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "out"
    fill(target, "a.csv", "b.csv")
    assert names(target) == ["a.csv", "b.csv"]
    with pytest.raises(OutputError, match="out exists already"):
        fill(target, "a.csv")

    def fail() -> None:
        with output_folder(tmp_path / "second", "a") as folder:
            (folder / "a.csv").touch()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert names(tmp_path) == ["out"]


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    fill(tmp_path / "out", "a.csv")
    assert names(tmp_path / "out") == ["a.csv"]


def test_force_replaces_the_whole_of_an_earlier_output(tmp_path: Path) -> None:
    target = tmp_path / "out"
    fill(target, "a.csv", "b.csv")
    fill(target, "b.csv", "c.csv", force=True)
    assert names(target) == ["b.csv", "c.csv"]
    assert names(tmp_path) == ["out"]


def test_force_never_deletes_what_is_not_an_output(tmp_path: Path) -> None:
    target = tmp_path / "out"
    target.mkdir()
    for name in ("a.csv", "thesis.tex"):
        (target / name).write_text("old", encoding="utf-8")
    with pytest.raises(OutputError, match=r"thesis\.tex"):
        fill(target, "a.csv", force=True)
    assert {file.name: file.read_text(encoding="utf-8") for file in target.iterdir()} == {
        "a.csv": "old",
        "thesis.tex": "old",
    }
    assert names(tmp_path) == ["out"]


def test_folders_in_the_folder_come_along(tmp_path: Path) -> None:
    with output_folder(tmp_path / "out", "x=.*") as folder:
        (folder / "x=1").mkdir()
        (folder / "x=1" / "part").write_text("new", encoding="utf-8")
    assert (tmp_path / "out" / "x=1" / "part").read_text(encoding="utf-8") == "new"


def test_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(OutputError, match="a folder is needed"):
        fill(tmp_path / "out", "a.csv", force=True)
