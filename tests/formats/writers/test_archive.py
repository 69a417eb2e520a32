"""The portable archive: carries experiments between databases, and lets nothing hostile in."""

import hashlib
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ml_agents_results.database.engine import Database
from ml_agents_results.errors import InvalidFileError, InvalidRecordError
from ml_agents_results.formats.exporting import export
from ml_agents_results.formats.importing import ImportResult, load
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.processor import ResultsProcessor
from ml_agents_results.records import RunRecord
from tests.generated import make_runs

ODD = "NUL \x00, \ud800 alone, \ufdd0, \x1b[31m, \u2028, 1e400"


def fill(database: Database) -> None:
    processor = ResultsProcessor(database)
    processor.save_experiment("exp", {"seed": 1}, name="First", description=ODD)
    processor.save_runs(make_runs())
    processor.save_experiment("other", {})
    processor.save_run(
        RunRecord("other", "None", 0, raw_output=ODD, metadata_json={"wide": 2**80, "odd": ODD})
    )


def recorded(database: Database) -> list[tuple[Any, ...]]:
    with database.read() as connection:
        return sorted(
            tuple(row)
            for row in connection.exec_driver_sql("SELECT id, content_digest, outcome FROM runs")
        )


def bring(database: Database, path: Path) -> ImportResult:
    return load(database, [LogSource(path)], ImportOptions())


@pytest.fixture
def archive(database: Database, tmp_path: Path) -> Path:
    fill(database)
    export(database, ["exp", "other"], tmp_path / "r.mlar")
    return tmp_path / "r.mlar"


def test_everything_comes_back_in_another_database(
    database: Database, archive: Path, migrated_file: Path, tmp_path: Path
) -> None:
    """From SQLite and from PostgreSQL into SQLite, and back into where it came from."""
    target = Database(shutil.copyfile(migrated_file, tmp_path / "target.db"))
    assert bring(target, archive).inserted == 81
    assert recorded(target) == recorded(database)
    processor = ResultsProcessor(target)
    first = processor.get_experiment("exp")
    original = ResultsProcessor(database).get_experiment("exp")
    assert (first.name, first.description, first.config_json) == ("First", ODD, {"seed": 1})
    assert (first.created_at, first.status) == (original.created_at, "completed")
    again = bring(target, archive)
    assert (again.inserted, again.updated, again.skipped) == (0, 0, 81)
    assert bring(database, archive).skipped == 81


def test_it_is_documented_and_checksummed(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        assert "README.txt" in opened.namelist()
        manifest = json.loads(opened.read("manifest.json"))
        for member in manifest["members"]:
            data = opened.read(member["name"])
            assert hashlib.sha256(data).hexdigest() == member["sha256"]
            assert len(data) == member["bytes"]
    assert manifest["experiments"] == ["exp", "other"]


Change = Callable[[dict[str, bytes]], None]


def flip(members: dict[str, bytes]) -> None:
    members["runs/000001.jsonl"] = members["runs/000001.jsonl"].replace(b"true", b"null", 1)


def drop(members: dict[str, bytes]) -> None:
    del members["runs/000002.jsonl"]


def add(members: dict[str, bytes]) -> None:
    members["runs/000003.jsonl"] = b"{}\n"


def _listed(members: dict[str, bytes], name: str, data: bytes, **others: Any) -> None:
    manifest = json.loads(members["manifest.json"])
    entry = {
        "name": name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "bytes": len(data),
        "records": data.count(b"\n"),
    }
    manifest["members"] = [one for one in manifest["members"] if one["name"] != name]
    manifest["members"].append(entry | others)
    members[name] = data
    members["manifest.json"] = json.dumps(manifest).encode()


def traverse(members: dict[str, bytes]) -> None:
    _listed(members, "../../evil.jsonl", b"{}\n")


def shorten(members: dict[str, bytes]) -> None:
    _listed(members, "runs/000001.jsonl", members["runs/000001.jsonl"], bytes=10)


def mistype(members: dict[str, bytes]) -> None:
    _listed(members, "runs/000001.jsonl", b"{}\n", bytes="many")


def break_json(members: dict[str, bytes]) -> None:
    _listed(members, "runs/000001.jsonl", b'{"approach_name": \n')


def rename(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps(manifest | {"experiments": ["mine"]}).encode()


def age(members: dict[str, bytes]) -> None:
    manifest = json.loads(members["manifest.json"])
    members["manifest.json"] = json.dumps(manifest | {"version": 2}).encode()


def forget(members: dict[str, bytes]) -> None:
    del members["manifest.json"]


def _experiment(members: dict[str, bytes], **changed: Any) -> None:
    first, *others = members["experiments.jsonl"].splitlines(keepends=True)
    line = json.dumps(json.loads(first) | changed).encode() + b"\n"
    _listed(members, "experiments.jsonl", b"".join((line, *others)))


def unname(members: dict[str, bytes]) -> None:
    _experiment(members, id=None)


def unbox(members: dict[str, bytes]) -> None:
    _experiment(members, environment_json=["a list"])


def unlist(members: dict[str, bytes]) -> None:
    _experiment(members, environment_json={"imports": 5})


def untime(members: dict[str, bytes]) -> None:
    _experiment(members, created_at=5)


def stray(members: dict[str, bytes]) -> None:
    """One run of the first member belongs to the other experiment."""
    runs = members["runs/000001.jsonl"].replace(
        b'"experiment_id":"exp"', b'"experiment_id":"other"', 1
    )
    _listed(members, "runs/000001.jsonl", runs)


def surplus(members: dict[str, bytes]) -> None:
    _listed(members, "runs/000003.jsonl", members["runs/000001.jsonl"])


CHANGES = (
    stray,
    surplus,
    unname,
    unbox,
    unlist,
    untime,
    flip,
    drop,
    add,
    traverse,
    shorten,
    mistype,
    break_json,
    rename,
    age,
    forget,
)


def test_what_was_changed_is_refused(
    sqlite_database: Database, migrated_file: Path, tmp_path: Path
) -> None:
    fill(sqlite_database)
    export(sqlite_database, ["exp", "other"], tmp_path / "r.mlar")
    with zipfile.ZipFile(tmp_path / "r.mlar") as opened:
        intact = {name: opened.read(name) for name in opened.namelist()}
    target = Database(shutil.copyfile(migrated_file, tmp_path / "target.db"))
    for change in CHANGES:
        members = dict(intact)
        change(members)
        path = tmp_path / f"{change.__name__}.mlar"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as changed:
            for name, data in members.items():
                changed.writestr(name, data)
        with pytest.raises((InvalidFileError, InvalidRecordError)):
            bring(target, path)
        assert recorded(target) == []
    assert not list(tmp_path.parent.glob("evil*"))


def test_fields_of_later_versions_are_left_out(
    sqlite_database: Database, migrated_file: Path, tmp_path: Path
) -> None:
    fill(sqlite_database)
    export(sqlite_database, ["exp", "other"], tmp_path / "r.mlar")
    with zipfile.ZipFile(tmp_path / "r.mlar") as opened:
        members = {name: opened.read(name) for name in opened.namelist()}
    _experiment(members, mood="good")
    with zipfile.ZipFile(tmp_path / "changed.mlar", "w") as changed:
        for name, data in sorted(members.items()):
            changed.writestr(name, data)
    target = Database(shutil.copyfile(migrated_file, tmp_path / "target.db"))
    bring(target, tmp_path / "changed.mlar")
    assert recorded(target) == recorded(sqlite_database)


def test_a_bomb_is_refused_before_it_is_unpacked(sqlite_database: Database, tmp_path: Path) -> None:
    with zipfile.ZipFile(
        tmp_path / "bomb.mlar", "w", zipfile.ZIP_DEFLATED, compresslevel=1
    ) as bomb:
        with bomb.open("experiments.jsonl", "w", force_zip64=True) as member:
            for _ in range(1100):
                member.write(bytes(1 << 20))
        bomb.writestr(
            "manifest.json",
            json.dumps(
                {
                    "kind": "ml-agents-results archive",
                    "version": 1,
                    "experiments": [],
                    "members": [
                        {"name": "experiments.jsonl", "sha256": "", "bytes": 1 << 31, "records": 0}
                    ],
                }
            ),
        )
    with pytest.raises(InvalidFileError, match="would unpack to"):
        bring(sqlite_database, tmp_path / "bomb.mlar")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_archive_is_refused(sqlite_database: Database, tmp_path: Path, part: float) -> None:
    fill(sqlite_database)
    export(sqlite_database, "exp", tmp_path / "r.mlar")
    data = (tmp_path / "r.mlar").read_bytes()
    (tmp_path / "cut.mlar").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(InvalidFileError):
        bring(sqlite_database, tmp_path / "cut.mlar")
