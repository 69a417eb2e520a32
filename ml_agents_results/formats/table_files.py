"""Tables in files that are not text: workbooks, Parquet, and archives of a single file."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import unquote

from ml_agents_results.errors import InvalidFileError, ResultsError
from ml_agents_results.formats.json_files import beginning
from ml_agents_results.formats.json_values import parse
from ml_agents_results.formats.log_source import LogSource
from ml_agents_results.formats.zip_members import ZipMembers

_ZIP, _PARQUET = b"PK", b"PAR1"
_BATCH = 1000
_RUNS, _METADATA, _EXPERIMENT = "Runs", "Metadata", "Experiment "
_DESCRIBING = ("name", "description", "status", "created_at", "metrics")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"
_MEMBER = "[Content_Types].xml"

Row = tuple[int | str, dict[str, Any], int]


def is_parquet(path: Path) -> bool:
    return beginning(path).startswith(_PARQUET)


def is_workbook(path: Path) -> bool:
    return _members(path).count(_MEMBER) == 1


def is_single(path: Path) -> bool:
    """Whether it is a zip archive that holds one file."""
    return len(_members(path)) == 1


def _members(path: Path) -> list[str]:
    if not beginning(path).startswith(_ZIP):
        return []
    source = LogSource(path)
    try:
        with source.open() as file:
            return [name for name in ZipMembers(source, file).names if not name.endswith("/")]
    except InvalidFileError:
        return []


@contextmanager
def unpacked(source: LogSource) -> Iterator[LogSource]:
    """The only file of an archive; what it warns of is a warning of the archive."""
    with TemporaryDirectory(prefix="ml-agents-") as folder, source.open() as file:
        members = ZipMembers(source, file)
        [name] = [name for name in members.names if not name.endswith("/")]
        path = Path(folder) / Path(name).name
        with path.open("wb") as out, members.open(name) as member:
            while block := member.read(1 << 16):
                out.write(block)
        inner = LogSource(path, source.name.removesuffix(".zip"))
        inner.warnings, inner.chosen, inner.left_out = (
            source.warnings,
            source.chosen,
            source.left_out,
        )
        yield inner


@contextmanager
def _reading(source: LogSource) -> Iterator[None]:
    """A block in which another library reads the file: it may raise anything if that is damaged,
    and warns of it in the file's own words."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except ResultsError:
        raise
    except Exception as error:
        raise InvalidFileError(f"{source.name} is damaged: {error}", "Copy it again.") from error


def parquet_rows(source: LogSource) -> Iterator[Row]:
    """Raises InvalidFileError if the package pyarrow is missing, or the file is damaged."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise InvalidFileError(
            f"{source.name} is Parquet, which needs the package pyarrow", "pip install pyarrow"
        ) from error
    number, above = 0, _partition(source.path)
    with _reading(source), parquet.ParquetFile(source.path) as file:
        for batch in file.iter_batches(_BATCH):
            for row in batch.to_pylist():
                number += 1
                yield f"row {number}", {**above, **row}, len(str(row))


def _partition(path: Path) -> dict[str, str | None]:
    """The columns that the folders of a partitioned export name: `approach_name=None/model=m/`."""
    from ml_agents_results.formats.parquet_writer import PARTITIONS

    columns: dict[str, str | None] = {}
    for part in reversed(path.parent.parts):
        name, _, value = part.partition("=")
        if name not in PARTITIONS:
            break
        columns[name] = None if value == _NO_VALUE else unquote(value)
    return columns


def parquet_experiments(source: LogSource) -> list[dict[str, Any]]:
    """The experiments that our own export describes in the metadata of the file."""
    try:
        from pyarrow import parquet

        with _reading(source):
            described = parquet.read_metadata(source.path).metadata or {}
            experiments = parse(described.get(b"experiments", b"[]"))
    except (ImportError, InvalidFileError):
        return []  # Reading the rows says what is wrong.
    listed = experiments if isinstance(experiments, list) else []
    return [one for one in listed if isinstance(one, dict) and "id" in one]


def _workbook(source: LogSource) -> Any:
    try:
        from openpyxl import load_workbook
    except ImportError as error:
        raise InvalidFileError(
            f"{source.name} is a workbook, which needs the package openpyxl",
            "pip install 'ml-agents-results[xlsx]', or save the sheet as CSV.",
        ) from error
    with _reading(source):
        return load_workbook(io.BytesIO(source.path.read_bytes()), read_only=True, data_only=True)


def workbook_experiments(source: LogSource) -> list[dict[str, Any]]:
    """The experiments that our own export describes in the sheet `Metadata`."""
    book = _workbook(source)
    experiments: list[dict[str, Any]] = []
    if _RUNS in book.sheetnames and _METADATA in book.sheetnames:
        with _reading(source):
            for cells in book[_METADATA].iter_rows(values_only=True):
                group, key, value = (*cells, None, None, None)[:3]
                if group:
                    continue  # The header, and what the columns mean.
                if isinstance(key, str) and key.startswith(_EXPERIMENT):
                    experiments.append({"id": key.removeprefix(_EXPERIMENT)})
                elif experiments and key in _DESCRIBING:
                    experiments[-1][key] = parse(value) if key == "metrics" else value
    return experiments


def workbook_rows(source: LogSource) -> Iterator[Row]:
    """The rows of the sheet `Runs`, else of the first one, below the first row with two cells.

    Raises:
        InvalidFileError: The package openpyxl is missing, or the file is damaged.
    """
    book = _workbook(source)
    sheet = book[_RUNS] if _RUNS in book.sheetnames else book.worksheets[0]
    header: list[str] | None = None
    with _reading(source):
        for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
            if header is None:
                if sum(cell is not None for cell in cells) > 1:
                    header = ["" if cell is None else str(cell).strip() for cell in cells]
                continue
            if any(cell is not None for cell in cells):
                row = dict(zip(header, map(_plain, cells), strict=False))
                yield f"row {number}", row, len(str(row))


def _plain(cell: Any) -> Any:
    return cell.isoformat() if isinstance(cell, date) else cell
