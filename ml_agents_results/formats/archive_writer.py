"""The portable archive: whole experiments in one checksummed file."""

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from ml_agents_results.formats.archive_reader import (
    EXPERIMENTS,
    KIND,
    MANIFEST,
    VERSION,
    verify_file,
)
from ml_agents_results.formats.json_encoding import json_bytes, run_bytes
from ml_agents_results.formats.snapshot import Snapshot

PARTS = ("runs",)

_README = """\
This is an archive of LLM reasoning experiments, written by ml-agents-results.

experiments.jsonl   one experiment a line: what was asked for, and where it ran
runs/NNNNNN.jsonl   the runs of the NNNNNN-th line of experiments.jsonl, one a line
manifest.json       the SHA-256 of every file, its bytes and its lines

All are JSON in UTF-8. Times are UTC, durations ms, costs USD, confidences fractions; null is
unknown. Read it back with: ml-agents import FILE.mlar
"""


def write(snapshot: Snapshot, file: BinaryIO) -> None:
    """Writes the experiments with all that belongs to them, and reads the file back."""
    members: list[dict[str, Any]] = []
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        members.append(_add(archive, EXPERIMENTS, _experiments(snapshot)))
        for number, single in enumerate(snapshot.single(), 1):
            lines = (run_bytes(row, scores) for row, scores in single.scored_rows())
            members.append(_add(archive, f"runs/{number:06}.jsonl", lines))
        members.append(_add(archive, "README.txt", _README.encode().splitlines(keepends=True)))
        archive.writestr(_entry(MANIFEST), json_bytes(_manifest(snapshot, members), indent=True))
    if isinstance(name := getattr(file, "name", None), str) and Path(name).is_file():
        file.flush()
        verify_file(Path(name))


def _experiments(snapshot: Snapshot) -> Iterator[bytes]:
    return (json_bytes(asdict(experiment)) + b"\n" for experiment in snapshot.experiments)


def _add(archive: zipfile.ZipFile, name: str, lines: Iterable[bytes]) -> dict[str, Any]:
    """Writes a member line by line, and returns what the manifest says of it."""
    digest = hashlib.sha256()
    size = records = 0
    with archive.open(_entry(name), "w", force_zip64=True) as member:
        for line in lines:
            member.write(line)
            digest.update(line)
            size += len(line)
            records += 1
    return {"name": name, "sha256": digest.hexdigest(), "bytes": size, "records": records}


def _entry(name: str) -> zipfile.ZipInfo:
    """A member without a time of its own: the same experiments give the same bytes."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _manifest(snapshot: Snapshot, members: list[dict[str, Any]]) -> dict[str, Any]:
    import ml_agents_results
    from ml_agents_results.database import schema

    return {
        "kind": KIND,
        "version": VERSION,
        "written_by": f"ml-agents-results {ml_agents_results.__version__}",
        "schema_revision": schema.revisions()[-1],
        "experiments": list(snapshot.experiment_ids),
        "members": members,
    }
