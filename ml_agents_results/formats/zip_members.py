"""Zip archives from elsewhere: members are read as streams and never written to disk."""

import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, cast

from ml_agents_results.errors import InvalidFileError
from ml_agents_results.formats.json_stream import Readable
from ml_agents_results.formats.log_source import HARMLESS_SIZE, LARGEST_RATIO, LogSource

ZSTANDARD = 93
_CHUNK = 64 * 1024
_LARGEST_WINDOW = 128 * 1024 * 1024
_LOCAL_HEADER = struct.Struct("<4s22xHH")


class ZipMembers:
    """The members of an open zip archive.

    Raises:
        InvalidFileError: It is damaged or hostile: members outside of their folder, encrypted,
            overlapping, or much larger than their compressed data.
    """

    def __init__(self, source: LogSource, file: BinaryIO) -> None:
        self._source = source
        self._file = file
        try:
            self._zip = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
            raise InvalidFileError(
                f"{source.name} is not a complete zip archive: {error}",
                "It was cut off or is still being written: copy it again.",
            ) from error
        members = self._zip.infolist()
        # A log that is appended to repeats the names of members; the last one counts.
        self.names = list(dict.fromkeys(member.filename for member in members))
        size = sum(member.file_size for member in members)
        packed = sum(member.compress_size for member in members)
        if outside := next((name for name in self.names if _is_outside(name)), None):
            raise self._hostile(f"it has a member {outside!r}")
        if size > HARMLESS_SIZE and size > LARGEST_RATIO * source.size:
            raise self._hostile(f"its {source.size:,} bytes unpack to {size:,}")
        if packed > source.size:
            raise self._hostile("its members overlap")
        if any(member.flag_bits & 1 for member in members):
            raise self._hostile("its members are encrypted")

    @contextmanager
    def open(self, name: str) -> Iterator[Readable]:
        """The contents of a member, decompressed as they are read."""
        member = self._zip.getinfo(name)
        try:
            if member.compress_type == ZSTANDARD:
                unpacked = _zstandard(self._packed(member))
            else:
                unpacked = cast(BinaryIO, self._zip.open(member))
            with unpacked:
                yield _Measured(unpacked, member)
        except _errors() as error:
            raise self._damaged(name, str(error)) from error

    def _packed(self, member: zipfile.ZipInfo) -> "_Section":
        self._file.seek(member.header_offset)
        header = self._file.read(_LOCAL_HEADER.size)
        if len(header) < _LOCAL_HEADER.size or header[:4] != b"PK\x03\x04":
            raise self._damaged(member.filename, "its header is missing")
        _, name, extra = _LOCAL_HEADER.unpack(header)
        start = member.header_offset + _LOCAL_HEADER.size + name + extra
        return _Section(self._file, start, member.compress_size)

    def _damaged(self, member: str, reason: str) -> InvalidFileError:
        return InvalidFileError(
            f"{self._source.name}: {member} is damaged: {reason}", "Copy the file again."
        )

    def _hostile(self, reason: str) -> InvalidFileError:
        return InvalidFileError(
            f"{self._source.name} is refused: {reason}", "No program writes such a log."
        )


class _Section:
    """A section of a file, as a file."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._file = file
        self._at = start
        self._left = size

    def read(self, size: int = -1) -> bytes:
        self._file.seek(self._at)
        taken = self._file.read(self._left if size < 0 else min(size, self._left))
        self._at += len(taken)
        self._left -= len(taken)
        return taken


class _Measured:
    """The contents of a member; raises BadZipFile if they are not as the archive says."""

    def __init__(self, file: BinaryIO, member: zipfile.ZipInfo) -> None:
        self._file = file
        self._member = member
        self._size = self._checksum = 0

    def read(self, size: int, /) -> bytes:
        taken = self._file.read(size)
        self._size += len(taken)
        self._checksum = zlib.crc32(taken, self._checksum)
        if self._size > self._member.file_size:
            raise zipfile.BadZipFile("it is larger than the archive says")
        if not taken and (self._size, self._checksum) != (self._member.file_size, self._member.CRC):
            raise zipfile.BadZipFile("its checksum is wrong")
        return taken


def _is_outside(name: str) -> bool:
    return name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/")


def _zstandard(packed: _Section) -> BinaryIO:
    import zstandard

    unpacker = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW)
    return cast(
        BinaryIO,
        unpacker.stream_reader(cast(BinaryIO, packed), read_size=_CHUNK, read_across_frames=True),
    )


def _errors() -> tuple[type[Exception], ...]:
    """What unpacking raises on damaged data."""
    import zstandard

    return zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, zstandard.ZstdError
