"""Files of Inspect AI: `.eval`, a zip archive with a member for each sample, and `.json`."""

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.json_stream import JsonStream
from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.formats.zip_members import ZipMembers

HEADER_PARTS = ("version", "status", "eval", "plan", "error", "invalidated", "tags", "metadata")
HEADER = "header.json"
START = "_journal/start.json"

_SAMPLE = re.compile(r"samples/.+\.json")
_DIGITS = re.compile(r"(\d+)")
_ATTACHMENT = re.compile(rb"attachment://([0-9a-f]{32})")
_SAMPLE_PARTS = (
    *("id", "epoch", "input", "choices", "target", "messages", "output", "scores", "metadata"),
    *("model_usage", "role_usage", "started_at", "completed_at", "total_time", "working_time"),
    *("uuid", "invalidation", "error", "error_retries", "limit", "score"),
)
"""What is read of a sample. The rest, mostly events, can be a thousand times as large."""


class InspectFile:
    """An open log, of either kind."""

    def __init__(self, source: LogSource, file: BinaryIO) -> None:
        self._source = source
        self._file = file
        packed = file.read(2) == b"PK"
        file.seek(0)
        self._archive = ZipMembers(source, file) if packed else None

    def header(self, *, model_args: bool) -> dict[str, Any]:
        """What the log says about itself, without samples."""
        source, archive = self._source, self._archive
        if archive is None:
            header = _header(JsonStream(source, self._file), model_args)
        else:
            name = next((name for name in (HEADER, START) if name in archive.names), None)
            if name is None:
                raise InvalidFileError(
                    f"{source.name} is a zip archive, but not a log of Inspect: it has no {HEADER}",
                    "Check its path, or name its format with --format.",
                )
            with archive.open(name) as member:
                stream = JsonStream(source, member, name)
                header = _header(stream, model_args)
                stream.finish()
            if name == START:
                source.warn(f"{source.name} is incomplete; the samples it contains were imported")
                header["status"] = "started"
        if not isinstance(header.get("eval"), dict):
            raise InvalidFileError(
                f"{source.name} is not a log of Inspect: it does not say what was evaluated",
                "Check its path, or name its format with --format.",
            )
        return header

    def samples(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        """The position, the parts and the size in bytes of each sample."""
        with self._source.reading():
            if self._archive is None:
                yield from self._samples_of_document()
            else:
                yield from self._samples_of_archive(self._archive)

    def _samples_of_archive(self, archive: ZipMembers) -> Iterator[tuple[str, dict[str, Any], int]]:
        for name in sorted(filter(_SAMPLE.fullmatch, archive.names), key=_natural):
            with archive.open(name) as member:
                stream = JsonStream(self._source, member, name)
                sample, size = _sample(self._source, stream, name)
                stream.finish()
            yield name, sample, size

    def _samples_of_document(self) -> Iterator[tuple[str, dict[str, Any], int]]:
        self._file.seek(0)
        stream = JsonStream(self._source, self._file)
        for part in stream.members():
            if part == "samples" and stream.first == b"[":
                for number in stream.elements():
                    position = f"sample {number + 1}"
                    sample, size = _sample(self._source, stream, position)
                    yield position, sample, size
        stream.finish()


def _header(stream: JsonStream, model_args: bool) -> dict[str, Any]:
    header: dict[str, Any] = {}
    for name in stream.members():
        if name == "samples" and header.keys() >= {"status", "eval"}:
            # Inspect writes what it says about the log first; samples can be gigabytes.
            break
        if name == "eval" and stream.first == b"{":
            # The arguments of models can be as large as a log, and hold keys.
            header[name] = {
                part: stream.value()
                for part in stream.members()
                if model_args or part != "model_args"
            }
        elif name in (*HEADER_PARTS, "results"):
            header[name] = stream.value()
    return header


def _sample(source: LogSource, stream: JsonStream, position: str) -> tuple[dict[str, Any], int]:
    if stream.first != b"{":
        raise InvalidFileError(
            f"{source.where(position)} is not a sample", "The log is damaged: copy it again."
        )
    parts: dict[str, bytes] = {}
    wanted: set[str] = set()
    attachments: dict[str, Any] = {}
    for name in stream.members():
        if name in _SAMPLE_PARTS:
            parts[name] = stream.raw()
            wanted.update(digest.decode() for digest in _ATTACHMENT.findall(parts[name]))
        elif name == "attachments" and stream.first == b"{":
            for digest in stream.members():
                if digest in wanted:
                    attachments[digest] = stream.value()
        elif stream.first in (b"{", b"["):
            source.left_out[name] += 1
    sample = {name: _resolved(stream.parse(part), attachments) for name, part in parts.items()}
    return sample, sum(map(len, parts.values()))


def _resolved(value: Any, attachments: dict[str, Any]) -> Any:
    """The value with its attachments: long texts, which logs keep once and refer to. Images stay
    references."""
    if not attachments:
        return value
    if isinstance(value, str):
        if value.startswith("attachment://"):
            attached = attachments.get(value.removeprefix("attachment://"), value)
            return value if str(attached).startswith("data:") else attached
        return value
    if isinstance(value, list):
        return [_resolved(inner, attachments) for inner in value]
    if isinstance(value, dict):
        return {name: _resolved(inner, attachments) for name, inner in value.items()}
    return value


def _natural(name: str) -> list[Any]:
    """Sorts sample_10 after sample_9."""
    return [int(part) if part.isdecimal() else part for part in _DIGITS.split(name)]
