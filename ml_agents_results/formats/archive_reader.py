"""The portable archive: whole experiments in one checksummed file.

Nothing of an archive is used before its checksums are verified, and no more of it is read than its
manifest lists.
"""

import hashlib
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import IO, Any, NoReturn

from ml_agents_results.database.validation import check_id, refused
from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.coercion import time_of
from ml_agents_results.formats.field_mapping import FieldMapping
from ml_agents_results.formats.json_files import LONGEST_LINE, beginning
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log import Item, Log
from ml_agents_results.formats.log_source import ImportOptions, LogSource
from ml_agents_results.formats.record_objects import metrics_of
from ml_agents_results.records import ExperimentRecord

KIND = "ml-agents-results archive"
VERSION = 1
MANIFEST = "manifest.json"
EXPERIMENTS = "experiments.jsonl"
RUNS = re.compile(r"runs/\d{6}\.jsonl")
_LARGEST_MANIFEST = 64 << 20
_HARMLESS = 1 << 30
_LARGEST_RATIO = 200
"""Runs compress to about a twentieth. A large member that claims more than this is a bomb."""
_CHUNK = 1 << 20


def sniff(path: Path) -> bool:
    """Whether it is a zip file that begins with the name of an archive's first member."""
    start = beginning(path)[:256]
    return start.startswith(b"PK\x03\x04") and EXPERIMENTS.encode() in start


@contextmanager
def open(source: LogSource, options: ImportOptions) -> Iterator[Log]:
    """The experiments and runs of the archive, all of which is verified first."""
    with source.reading(), _opened(source.path, source.name) as archive:
        manifest = verify(archive, source.name)
        experiments = [
            _experiment(_object(line, source.name), source)
            for line in _lines(archive, EXPERIMENTS, source.name)
        ]
        if [experiment.id for experiment in experiments] != manifest["experiments"]:
            _refuse(source.name, "its manifest names other experiments than it holds")
        members = [member["name"] for member in manifest["members"]]
        owners = {f"runs/{n:06}.jsonl": one.id for n, one in enumerate(experiments, 1)}
        if undeclared := [m for m in members if RUNS.fullmatch(m) and m not in owners]:
            _refuse(source.name, f"{undeclared[0]!r} belongs to none of its experiments")
        owners = {member: owner for member, owner in owners.items() if member in members}
        yield Log(experiments, _runs(source, options, archive, owners))


def _experiment(values: dict[str, Any], source: LogSource) -> ExperimentRecord:
    """The experiment with the fields that this version knows; later ones may add some."""
    known = {
        field.name: values[field.name] for field in fields(ExperimentRecord) if field.name in values
    }
    with source.locate(EXPERIMENTS):
        check_id("id", known.get("id"))
        for name in ("created_at", "updated_at"):
            if known.get(name) is not None:
                known[name] = time_of(known[name])
        for name in ("config_json", "environment_json"):
            if not isinstance(known.setdefault(name, {}), dict):
                raise refused(name, known[name], "a JSON object")
        for name in ("tags_json", "notes_json"):
            if not isinstance(known.setdefault(name, []), list):
                raise refused(name, known[name], "a JSON list")
        known["metrics"] = metrics_of(known.get("metrics"))
        if not isinstance(imports := known["environment_json"].get("imports", []), list):
            raise refused("environment_json.imports", imports, "a list")
    return ExperimentRecord(**known)


def _runs(
    source: LogSource,
    options: ImportOptions,
    archive: zipfile.ZipFile,
    owners: Mapping[str, str],
) -> Iterator[Item]:
    """The runs of each member, which belong to the experiment that owns it."""
    mapping = FieldMapping(source, options)
    for member, owner in owners.items():
        for number, line in enumerate(_lines(archive, member, source.name), 1):
            position = f"{member} line {number}"
            with source.locate(position):
                run = mapping.record(_object(line, source.name))
            if run.experiment_id not in ("", owner):
                _refuse(
                    source.name,
                    f"{position} is a run of {run.experiment_id!r}, and the member is that of "
                    f"{owner!r}",
                )
            run.experiment_id = owner
            yield Item(position, run, len(line))
    mapping.finish()


def verify_file(path: Path) -> None:
    """Checks the whole of an archive after it was written.

    Raises:
        InvalidFileError: It is damaged.
    """
    with _opened(path, str(path)) as archive:
        verify(archive, str(path))


def verify(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    """The manifest of an archive whose members are exactly those it lists, byte for byte.

    Raises:
        InvalidFileError: The archive is damaged, or holds something else; the message says what.
    """
    manifest = _manifest(archive, name)
    listed = {member["name"]: member for member in manifest["members"]}
    for entry in archive.infolist():
        if entry.filename != MANIFEST and entry.filename not in listed:
            _refuse(name, f"it holds {entry.filename!r}, which its manifest does not list")
        if entry.flag_bits & 1:
            _refuse(name, "it is encrypted")
        if entry.file_size > max(_HARMLESS, _LARGEST_RATIO * entry.compress_size):
            _refuse(name, f"{entry.filename!r} would unpack to {entry.file_size:,} bytes")
    for member in manifest["members"]:
        _verify_member(archive, member, name)
    return manifest


def _manifest(archive: zipfile.ZipFile, name: str) -> dict[str, Any]:
    names = archive.namelist()
    if len(set(names)) < len(names):
        _refuse(name, "it holds two members of one name")
    if MANIFEST not in names:
        _refuse(name, f"it has no {MANIFEST}")
    if archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
        _refuse(name, "its manifest is too large")
    manifest = _object(archive.read(MANIFEST), name)
    if manifest.get("kind") != KIND:
        _refuse(name, "it is another kind of archive")
    if manifest.get("version") != VERSION:
        raise InvalidFileError(
            f"{name} is an archive of version {manifest.get('version')}, made by a newer version",
            "Update with: pip install --upgrade ml-agents-results",
        )
    members = manifest.get("members")
    if not isinstance(manifest.get("experiments"), list) or not isinstance(members, list):
        _refuse(name, "its manifest is incomplete")
    kinds = {"name": str, "sha256": str, "bytes": int, "records": int}
    for member in members:
        if not isinstance(member, dict) or any(
            not isinstance(member.get(key), kind) for key, kind in kinds.items()
        ):
            _refuse(name, "its manifest is incomplete")
        if member["name"] not in (EXPERIMENTS, "README.txt") and not RUNS.fullmatch(member["name"]):
            _refuse(name, f"it lists {member['name']!r}, which is not a member of an archive")
        if member["name"] not in names:
            _refuse(name, f"{member['name']!r} is missing")
    return manifest


def _verify_member(archive: zipfile.ZipFile, member: dict[str, Any], name: str) -> None:
    digest = hashlib.sha256()
    size = records = 0
    with archive.open(member["name"]) as file:
        while chunk := file.read(_CHUNK):
            size += len(chunk)
            if size > member["bytes"]:
                _refuse(name, f"{member['name']!r} is longer than its manifest says")
            records += chunk.count(b"\n")
            digest.update(chunk)
    if (size, digest.hexdigest()) != (member["bytes"], member["sha256"]):
        _refuse(name, f"the checksum of {member['name']!r} is wrong")
    if records != member["records"]:
        _refuse(name, f"{member['name']!r} has {records} lines instead of {member['records']}")


@contextmanager
def _opened(path: Path, name: str) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        KeyError,
    ) as error:
        _refuse(name, str(error), error)


def _lines(archive: zipfile.ZipFile, member: str, name: str) -> Iterator[bytes]:
    file: IO[bytes]
    with archive.open(member) as file:
        while line := file.readline(LONGEST_LINE):
            if not line.endswith(b"\n"):
                _refuse(name, f"{member!r} has a line that does not end")
            yield line


def _object(line: bytes, name: str) -> dict[str, Any]:
    try:
        value = parse(line)
    except ValueError as error:
        _refuse(name, str(error), error)
    if not isinstance(value, dict):
        _refuse(name, "it holds something that is not an object")
    return value


def _refuse(name: str, why: str, cause: BaseException | None = None) -> NoReturn:
    raise InvalidFileError(
        f"{name} cannot be trusted: {why}", "Copy it again and compare its size."
    ) from cause
